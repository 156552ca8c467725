"""``make mutate``: changes the engine one slip at a time and looks whether a test notices.

    python -m tests.mutation.run [--sample 300] [--seed 1] [--jobs 2] [--minutes 60] [--only PATTERN] [--json]

A run that was stopped goes on where it was: results are kept in ``.cueline/mutate``.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from time import monotonic

import yaml

from tests.mutation.clean import CleanRuns
from tests.mutation.graph import Graph
from tests.mutation.ledger import UNDECIDED, Ledger, Result
from tests.mutation.mutant import Mutant
from tests.mutation.report import figures, in_words, survivors
from tests.mutation.sample import of_file, sample, sources
from tests.mutation.sandbox import Sandbox
from tests.mutation.targets import is_interpreted
from tests.mutation.trial import Trials

ROOT = Path(__file__).parent.parent.parent
BAR = 0.85
Attempt = Callable[[Mutant, Sandbox], Result]
EQUIVALENTS = Path(__file__).with_name("equivalents.yaml")


def main(arguments: Sequence[str]) -> int:
    """Run, print, and fail below the bar."""
    wanted = _options(arguments)
    drawn = [m for m in sample(ROOT, wanted.sample, wanted.seed) if fnmatch(m.path, wanted.only)]
    if wanted.list:
        print(
            "\n".join(
                f"{m.id} {m.path}:{m.line} {m.edit.operator}\n{m.diff((ROOT / m.path).read_bytes())}"
                for m in drawn
            )
        )
        return 0
    equivalent = {} if wanted.doubt else equivalents()
    found, left_out = _try_all([mutant for mutant in drawn if mutant.id not in equivalent], wanted)
    found += [(mutant, None) for mutant in drawn if mutant.id in equivalent]
    if wanted.json:
        shown = {**figures(found, equivalent), "survivors": survivors(ROOT, found), "leftOut": left_out}
        print(json.dumps(shown))
    else:
        print(in_words(ROOT, found, equivalent, left_out))
    _complain(equivalent)
    score = figures(found, equivalent)["score"]
    return 0 if score is None or score >= BAR else 1


def equivalents() -> dict[str, str]:
    """Mutants that change nothing anybody could see, with the reason."""
    return yaml.safe_load(EQUIVALENTS.read_text()) or {}


def _complain(equivalent: Mapping[str, str]) -> None:
    """Tell of equivalents whose code was changed: their reasons may hold no longer."""
    gone = equivalent.keys() - {mutant.id for path in sources(ROOT) for mutant in of_file(ROOT, path)}
    for name in sorted(gone):
        print(f"{EQUIVALENTS.name}: {name} is no mutant any more ({equivalent[name]})", file=sys.stderr)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutate", description="Mutation testing of the engine.")
    parser.add_argument("--sample", type=int, default=300, help="how many mutants are drawn (300)")
    parser.add_argument("--seed", type=int, default=1, help="which ones are drawn (1)")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 2), help="mutants at a time")
    parser.add_argument("--minutes", type=float, default=60, help="begin no mutant after this long (60)")
    parser.add_argument("--only", default="*", help="files like this pattern only")
    parser.add_argument("--doubt", action="store_true", help="run those listed as equivalent too")
    parser.add_argument("--list", action="store_true", help="show the mutants and run none")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(arguments)


def _try_all(
    drawn: Sequence[Mutant], wanted: argparse.Namespace
) -> tuple[list[tuple[Mutant, Result | None]], list[str]]:
    """The result of each mutant, None for those that time did not suffice for, and tests that were left out."""
    folder = ROOT / ".cueline" / "mutate"
    with alone(folder):
        return _try(folder, drawn, wanted)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process, or end it: two would write into each other's trees and results."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            sys.exit(f"mutation testing runs here already (process {lock.read().strip()}): wait for it, or end it")
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _try(
    folder: Path, drawn: Sequence[Mutant], wanted: argparse.Namespace
) -> tuple[list[tuple[Mutant, Result | None]], list[str]]:
    graph, until = Graph(ROOT), monotonic() + 60 * wanted.minutes
    clean = CleanRuns(folder / "clean.json", graph)
    trials = Trials(ROOT, Ledger(folder / "results.jsonl"), clean, graph)
    idle: SimpleQueue[Sandbox] = SimpleQueue()

    def attempt(work: Attempt, mutant: Mutant) -> None:
        sandbox = idle.get()
        try:
            if monotonic() < until:
                _progress(mutant, work(mutant, sandbox))
        finally:
            idle.put(sandbox)

    with ExitStack() as opened, ThreadPoolExecutor(wanted.jobs) as pool:
        for number in range(wanted.jobs):
            idle.put(opened.enter_context(closing(Sandbox(ROOT, folder / f"tree-{number}"))))
        new = [mutant for mutant in drawn if trials.known(mutant) is None]
        list(pool.map(partial(attempt, trials.screen), filter(is_interpreted, new)))
        list(pool.map(partial(attempt, trials.run), (m for m in drawn if _result(trials, m) is None)))
    return [(mutant, _result(trials, mutant)) for mutant in drawn], sorted(clean.left_out)


def _result(trials: Trials, mutant: Mutant) -> Result | None:
    """What became of it, None while that is undecided."""
    result = trials.known(mutant)
    return None if result is None or result.outcome == UNDECIDED else result


def _progress(mutant: Mutant, result: Result) -> None:
    where = f"{mutant.path}:{mutant.line} {mutant.id}"
    print(f"{result.outcome:9} {result.seconds:6.1f} s {where} {result.by}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
