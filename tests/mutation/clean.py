"""How the tests end without a mutant: which of them say nothing, and how long each file takes."""

from __future__ import annotations

import hashlib
import json
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from tests.mutation.graph import Graph
from tests.mutation.sandbox import Sandbox, Step

#: A run may take this long, and this many times what it takes without a mutant, before it counts as endless.
LEAST_LIMIT_S, LEAST_TEST_LIMIT_S, LIMIT_TIMES = 60.0, 20.0, 4.0
CLEAN_LIMIT_S = 1_200.0


@dataclass(frozen=True)
class Clean:
    """``failed``: tests that fail without a mutant; ``seconds`` by file, of the slowest test, and of the start."""

    failed: list[str]
    seconds: dict[str, float]
    start_s: float
    slowest_s: float = 15.0

    def test_limit_s(self) -> float:
        """How long one test may take with a mutant."""
        return LEAST_TEST_LIMIT_S + LIMIT_TIMES * self.slowest_s

    def limit_s(self, tests: tuple[str, ...]) -> float:
        """How long `tests` may take with a mutant."""
        files = {test.split("::")[0] for test in tests}
        return LEAST_LIMIT_S + LIMIT_TIMES * (self.start_s + sum(self.seconds.get(file, 0.0) for file in files))


class CleanRuns:
    """Clean runs by step, each made once for a state of the checkout and kept in `path`. For several threads.

    ``left_out``: tests that fail without a mutant, of the steps asked for. A test of the compiler does where there
    is none, which is no fault.
    """

    def __init__(self, path: Path, graph: Graph) -> None:
        self._path = path
        self._graph = graph
        self._lock = Lock()
        self.left_out: set[str] = set()
        kept = json.loads(path.read_text()) if path.is_file() else {}
        self._runs = {key: Clean(**run) for key, run in kept.items()}

    def of(self, step: Step, sandbox: Sandbox) -> Clean:
        """The clean run of `step`, made now in `sandbox` (with no mutant in it) where it is not known."""
        words = f"{step} {self._graph.digest(step.tests)}"
        key = hashlib.sha256(words.encode()).hexdigest()[:24]
        with self._lock:
            if key not in self._runs:
                self._runs[key] = _run(step, sandbox)
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._path.write_text(json.dumps({key: vars(run) for key, run in self._runs.items()}))
            if not step.interpreted:
                self.left_out.update(self._runs[key].failed)
            return self._runs[key]


def _run(step: Step, sandbox: Sandbox) -> Clean:
    report = sandbox.folder / "clean.xml"
    outcome = sandbox.run(step, CLEAN_LIMIT_S, CLEAN_LIMIT_S, to_the_end=report)
    if outcome.timeout or not (outcome.passed or outcome.failed):
        raise RuntimeError(f"the tests cannot be run without a mutant:\n{outcome.output[-4000:]}")
    # what fails without a mutant says nothing; a test of the compiler does where there is none
    if outcome.failed and not step.interpreted:
        print(f"fail without a mutant, and are left out: {', '.join(outcome.failed)}", file=sys.stderr)
    seconds: Counter[str] = Counter()
    slowest = 0.0
    for case in ET.parse(report).iter("testcase"):
        taken = float(case.attrib["time"])
        seconds[_file(case.attrib["classname"], step)] += taken  # type: ignore[assignment]
        slowest = max(slowest, taken)
    start = max(outcome.seconds - sum(seconds.values()), 0.0)
    return Clean(list(outcome.failed), dict(seconds), start, slowest)


def _file(name: str, step: Step) -> str:
    """The file of a dotted name, which may end with a class."""
    path = name.replace(".", "/")
    return next((test for test in step.tests if path.startswith(test.removesuffix(".py"))), path)
