"""One mutant before its tests: step by step, the quick ones first, until one notices."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from tests.mutation.clean import Clean, CleanRuns
from tests.mutation.graph import Graph
from tests.mutation.ledger import KILLED, SURVIVED, TIMEOUT, UNDECIDED, Ledger, Result
from tests.mutation.mutant import Mutant
from tests.mutation.sandbox import Outcome, Sandbox, Step
from tests.mutation.targets import LEFT_OUT, PURE, Area, area_of


class Trials:
    """Runs mutants of the checkout at `root`, each once for each state of the sources and tests."""

    def __init__(self, root: Path, ledger: Ledger, clean: CleanRuns, graph: Graph) -> None:
        self._root = root
        self._ledger = ledger
        self._clean = clean
        self._graph = graph
        self._whole = cache(self._whole_steps)
        self._world = cache(self._world_of)

    def known(self, mutant: Mutant) -> Result | None:
        """What became of it in this very state of the checkout."""
        return self._ledger.get(self._key(mutant))

    def screen(self, mutant: Mutant, sandbox: Sandbox) -> Result:
        """Try a mutant of a kernel before interpreted tests."""
        return self._try(mutant, sandbox, interpreted=True)

    def run(self, mutant: Mutant, sandbox: Sandbox) -> Result:
        """Try a mutant before compiled tests, which decide."""
        return self._try(mutant, sandbox, interpreted=False)

    def _try(self, mutant: Mutant, sandbox: Sandbox, interpreted: bool) -> Result:
        text, seconds = (self._root / mutant.path).read_bytes(), 0.0
        how = "interpreted" if interpreted else "compiled"
        for whole, step in self._steps(mutant):
            if step.interpreted != interpreted:
                continue
            clean = self._clean.of(whole, sandbox)
            with sandbox.changed(mutant.path, mutant.source(text)):
                outcome = _attempt(step, sandbox, clean)
            seconds += outcome.seconds
            if not outcome.passed:
                by = outcome.failed[0] if outcome.failed else ""
                return self._note(mutant, TIMEOUT if outcome.timeout else KILLED, by, how, seconds)
        return self._note(mutant, UNDECIDED if interpreted else SURVIVED, "", how, seconds)

    def _steps(self, mutant: Mutant) -> Iterator[tuple[Step, Step]]:
        """(A step of the area, what of it is run): the files that reach the mutant, the nearest first. Before all
        goes the one test that noticed the mutant last time."""
        whole, killer = self._reaching(mutant.path), self._ledger.killer(mutant.id)
        if last := next((step for step in whole if killer.split("::")[0] in step.tests), None):
            yield last, last._replace(tests=(killer,))
        for step in whole:
            if near := self._graph.nearest(mutant.path, step.tests):
                yield step, step._replace(tests=tuple(near))

    def _reaching(self, path: str) -> tuple[Step, ...]:
        """The steps of the file's area; where none of their tests reaches it, all tests that do."""
        area = area_of(path)
        assert area is not None
        whole = self._whole(area)
        if any(self._graph.nearest(path, step.tests) for step in whole):
            return whole
        every = self._graph.nearest(path, self._files(["tests"]))
        return (Step(tuple(every), fresh_cache=area.interpreted),)

    def _whole_steps(self, area: Area) -> tuple[Step, ...]:
        """The area's steps with all their test files."""
        steps = [Step(self._files(wanted), fresh_cache=area.interpreted) for wanted in area.tests]
        return (Step(steps[0].tests, interpreted=True), *steps) if area.interpreted else tuple(steps)

    def _files(self, wanted: Sequence[str]) -> tuple[str, ...]:
        return tuple(test for test in self._graph.files(wanted) if test not in LEFT_OUT)

    def _key(self, mutant: Mutant) -> str:
        return hashlib.sha256(f"{mutant.id} {self._world(mutant.path)}".encode()).hexdigest()[:24]

    def _world_of(self, path: str) -> str:
        """A digest of all that decides what becomes of a mutant of `path`."""
        steps = self._reaching(path)
        return self._graph.digest(test for step in steps for test in self._graph.nearest(path, step.tests))

    def _note(self, mutant: Mutant, end: str, by: str, how: str, seconds: float) -> Result:
        result = Result(self._key(mutant), mutant.id, end, by, how, round(seconds, 1))
        self._ledger.add(result)
        return result


def _attempt(step: Step, sandbox: Sandbox, clean: Clean) -> Outcome:
    """Run a step. A failure where services are at work must show twice, and so must waiting in vain."""
    limit_s, test_s = clean.limit_s(step.tests), clean.test_limit_s()
    outcome = sandbox.run(step, limit_s, test_s, left_out=clean.failed)
    if outcome.passed or outcome.endless or (outcome.failed and outcome.failed[0].startswith(PURE)):
        return outcome
    return sandbox.run(step, 2 * limit_s, 2 * test_s, left_out=clean.failed)
