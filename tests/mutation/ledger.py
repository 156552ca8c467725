"""What became of each mutant, kept between runs: a line of JSON each, the last one of a key counts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock

KILLED, SURVIVED, TIMEOUT = "killed", "survived", "timeout"
UNDECIDED = "undecided"  # no interpreted test noticed a mutant of a kernel; compiled ones were not asked yet


@dataclass(frozen=True)
class Result:
    """``key`` is a digest of the mutant and of the sources and tests it was run with; ``by`` the test that
    noticed; ``how`` kernels ran."""

    key: str
    id: str
    outcome: str
    by: str
    how: str
    seconds: float


class Ledger:
    """The results in a file that is only ever appended to. For several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._results: dict[str, Result] = {}
        self._killers: dict[str, str] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        for line in path.read_text().splitlines() if path.is_file() else []:
            self._take(Result(**json.loads(line)))

    def get(self, key: str) -> Result | None:
        return self._results.get(key)

    def killer(self, mutant: str) -> str:
        """The test that noticed the mutant last time, in whatever state of the checkout; empty for none."""
        return self._killers.get(mutant, "")

    def add(self, result: Result) -> None:
        with self._lock:
            self._take(result)
            with self._path.open("a") as file:
                file.write(json.dumps(asdict(result)) + "\n")

    def _take(self, result: Result) -> None:
        self._results[result.key] = result
        if result.by:
            self._killers[result.id] = result.by
