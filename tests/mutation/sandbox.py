"""A copy of the checkout in which one file is changed, and pytest runs there."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

LIMIT = "MUTANT_TEST_S"  # where `plugin` finds how long a test may take
WRONG_ARGUMENTS, NO_TESTS = 4, 5  # pytest's exit codes
NOT_RUN = "not slow and not kafka"
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?::.+?|\S+)(?: - .*)?$", re.MULTILINE)
_GONE = re.compile(r"^ERROR: not found: ", re.MULTILINE)  # a test of that name


class Step(NamedTuple):
    """Test files that are run together; kernels ``interpreted``, or compiled anew (``fresh_cache``)."""

    tests: tuple[str, ...]
    interpreted: bool = False
    fresh_cache: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a run of tests ended; that of a test that is there no longer ``passed``.

    ``failed`` are the names of those that did; ``timeout`` that it took too long, ``endless`` that a test used up
    its share of the processor.
    """

    passed: bool
    timeout: bool
    endless: bool
    failed: tuple[str, ...]
    seconds: float
    output: str


class Sandbox:
    """A copy of the files that git knows, or would take, at `copy`. One run at a time."""

    def __init__(self, root: Path, copy: Path) -> None:
        self.folder = copy.parent
        self._root = root
        self._copy = copy
        self._changes = 0
        self._servers: dict[bool, _Server] = {}
        self._refresh()

    def _refresh(self) -> None:
        """Make the copy what the checkout is now."""
        wanted = set(_files(self._root))
        for old in set(_walk(self._copy)) - wanted:
            (self._copy / old).unlink()
        for file in wanted:
            source, target = self._root / file, self._copy / file
            if not target.is_file() or target.read_bytes() != source.read_bytes():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)

    @contextmanager
    def changed(self, path: str, text: bytes) -> Iterator[None]:
        """One file is another for a while."""
        before = (self._copy / path).read_bytes()
        self._write(path, text)
        try:
            yield
        finally:
            self._write(path, before)

    def _write(self, path: str, text: bytes) -> None:
        """With a time that no compiled copy has: two changes of one second must not be taken for one."""
        target = self._copy / path
        target.write_bytes(text)
        self._changes += 1
        moment = int(target.stat().st_mtime) + self._changes
        os.utime(target, (moment, moment))

    def run(
        self,
        step: Step,
        limit_s: float,
        test_s: float,
        *,
        left_out: Iterable[str] = (),
        to_the_end: Path | None = None,
    ) -> Outcome:
        """Run the step's tests without those `left_out`: until one fails, or `to_the_end` and report there.

        All may take `limit_s`, and each `test_s`.
        """
        with tempfile.TemporaryDirectory(prefix="cueline-mutant-") as temporary:
            cache = f"{temporary}/numba" if step.fresh_cache else f"{self._copy}-numba"
            arguments = ["-q", "-p", "no:cacheprovider", "-p", "tests.mutation.plugin", "--tb=line"]
            arguments += ["-m", NOT_RUN, "--basetemp", f"{temporary}/pytest"]
            arguments += [f"--junitxml={to_the_end}"] if to_the_end else ["-x"]
            arguments += ["-W", "ignore" if step.interpreted else "ignore::pytest.PytestAssertRewriteWarning"]
            arguments += [f"--deselect={name}" for name in left_out]
            order = {
                "arguments": [*arguments, *step.tests],
                "environment": {"NUMBA_CACHE_DIR": cache, LIMIT: str(test_s)},
                "output": f"{temporary}/output",
            }
            return self._server(step.interpreted).run(order, limit_s)

    def _server(self, interpreted: bool) -> _Server:
        """A server of the copy, with the compiler or without; nothing is read from the checkout itself."""
        if interpreted not in self._servers:
            data = os.environ.get("CUELINE_DATA", str(self._root.parent / "shared" / "data"))
            ours = {"PYTHONPATH": str(self._copy), "CUELINE_DATA": data, "NUMBA_DISABLE_JIT": f"{interpreted:d}"}
            self._servers[interpreted] = _Server(self._copy, {**os.environ, **ours})
        return self._servers[interpreted]

    def close(self) -> None:
        """End its servers."""
        for server in self._servers.values():
            server.close()


class _Server:
    """A running `tests.mutation.server`."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.mutation.server"],
            cwd=directory,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, order: dict[str, Any], limit_s: float) -> Outcome:
        """Have one run made; it is ended with all of its session after `limit_s`."""
        began, orders = monotonic(), self._process.stdin
        assert orders is not None
        print(json.dumps(order), file=orders, flush=True)
        pid = self._answer()
        timer = threading.Timer(limit_s, _kill, [pid])
        timer.start()
        code = self._answer()
        seconds = monotonic() - began
        timer.cancel()
        _kill(pid)  # a service that a killed test began, say
        output = Path(order["output"]).read_text(errors="replace")
        if code == NO_TESTS:
            raise RuntimeError(f"no test was run:\n{output[-2000:]}")
        endless = code == -signal.SIGPROF
        nothing = code == WRONG_ARGUMENTS and _GONE.search(output) is not None
        return Outcome(
            code == 0 or nothing,
            endless or seconds >= limit_s,
            endless,
            tuple(_FAILED.findall(output)),
            seconds,
            output,
        )

    def _answer(self) -> int:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("tests.mutation.server has ended")
        return int(json.loads(line))

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def _kill(session: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(session, signal.SIGKILL)


def _files(root: Path) -> list[str]:
    argv = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split("\0")
    return [file for file in listed if file and (root / file).is_file()]


def _walk(copy: Path) -> list[str]:
    files = (file for file in copy.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return [file.relative_to(copy).as_posix() for file in files]
