"""A copy of the checkout in which one file is changed, and pytest runs there."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import NamedTuple

NO_TESTS = 5  # pytest's exit code
NOT_RUN = "not slow and not kafka"
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


class Step(NamedTuple):
    """Test files that are run together; kernels ``interpreted``, or compiled anew (``fresh_cache``)."""

    tests: tuple[str, ...]
    interpreted: bool = False
    fresh_cache: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a run of tests ended: ``failed`` are the names of those that did."""

    passed: bool
    timeout: bool
    failed: tuple[str, ...]
    seconds: float
    output: str


class Sandbox:
    """A copy of the files that git knows, or would take, at `copy`. One process at a time."""

    def __init__(self, root: Path, copy: Path) -> None:
        self.folder = copy.parent
        self._root = root
        self._copy = copy
        self._changes = 0

    def refresh(self) -> None:
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
        self, step: Step, limit_s: float, *, left_out: Iterable[str] = (), to_the_end: Path | None = None
    ) -> Outcome:
        """Run the step's tests without those `left_out`: until one fails, or `to_the_end` and report there."""
        with tempfile.TemporaryDirectory(prefix="cueline-mutant-") as temporary:
            cache = (
                Path(temporary) / "numba" if step.fresh_cache else self._copy.with_name(f"{self._copy.name}-numba")
            )
            argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.mutation.plugin"]
            argv += ["-m", NOT_RUN, "--tb=line", "--basetemp", f"{temporary}/pytest"]
            argv += [f"--junitxml={to_the_end}"] if to_the_end else ["-x"]
            argv += ["-W", "ignore"] if step.interpreted else []
            argv += [f"--deselect={name}" for name in left_out]
            return _run([*argv, *step.tests], self._copy, self._environment(cache, step.interpreted), limit_s)

    def _environment(self, cache: Path, interpreted: bool) -> dict[str, str]:
        """As here, but nothing is read from the checkout itself."""
        data = os.environ.get("CUELINE_DATA", str(self._root.parent / "shared" / "data"))
        ours = {"PYTHONPATH": str(self._copy), "CUELINE_DATA": data, "NUMBA_CACHE_DIR": str(cache)}
        return {**os.environ, **ours, "NUMBA_DISABLE_JIT": "1" if interpreted else "0"}


def _run(argv: Sequence[str], directory: Path, environment: dict[str, str], limit_s: float) -> Outcome:
    began, output, timeout = monotonic(), "", False
    with subprocess.Popen(
        argv,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as child:
        try:
            output, _ = child.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            timeout = True
        finally:
            # with all of its session: a service that a killed test began, say
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    if child.returncode == NO_TESTS:
        raise RuntimeError(f"no test was run:\n{output[-2000:]}")
    passed = child.returncode == 0 and not timeout
    return Outcome(passed, timeout, tuple(_FAILED.findall(output)), monotonic() - began, output)


def _files(root: Path) -> list[str]:
    argv = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split("\0")
    return [file for file in listed if file and (root / file).is_file()]


def _walk(copy: Path) -> list[str]:
    files = (file for file in copy.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return [file.relative_to(copy).as_posix() for file in files]
