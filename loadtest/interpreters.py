"""Which Python runs a laid-out commit: this one when it has what the commit's lock names, else one of its own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from shutil import rmtree

from engine.errors import Unavailable
from loadtest.layouts import ROOT, remove_stale

LOCK = "requirements.lock"
KEPT = 2
LOG_TAIL = 1_500  # characters
BUILT_WITHIN_S = 900.0


def pins(lock: str) -> frozenset[str]:
    """The requirements of a lock file, ``name==version`` each with its marker if it has one; hashes left out."""
    lines = (line.removesuffix("\\").strip() for line in lock.splitlines())
    return frozenset(line for line in lines if line and not line.startswith(("#", "--hash")))


def fits(folder: Path, ours: Path = ROOT) -> bool:
    """Whether what is locked for the checkout `ours` holds all that is locked for `folder`; one without a lock
    asks for nothing."""
    lock = folder / LOCK
    return not lock.exists() or pins(lock.read_text()) <= pins((ours / LOCK).read_text())


def interpreter_for(folder: Path, home: Path) -> Path:
    """The Python that runs `folder`; one that has to be made is kept below `home`, and takes a minute.

    Raises `Unavailable` when it cannot be made.
    """
    if fits(folder):
        return Path(sys.executable)
    lock = folder / LOCK
    named = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    python = home / f"venv-{named}" / "bin" / "python"
    if python.exists() and (python.parent / "ready").exists():
        os.utime(python.parent.parent)
    else:
        _make(python, lock, home / "environment.log")
    remove_stale(home, "venv-*", KEPT)
    return python


def _make(python: Path, lock: Path, log: Path) -> None:
    folder, uv = python.parent.parent, Path(sys.executable).with_name("uv")
    rmtree(folder, ignore_errors=True)
    install = (
        [str(uv), "pip", "install", "--python", str(python)]
        if uv.exists()
        else [str(python), "-m", "pip", "install"]
    )
    with log.open("wb") as output:
        for command in (
            [sys.executable, "-m", "venv", str(folder)],
            [*install, "--quiet", "--require-hashes", "-r", str(lock)],
        ):
            try:
                subprocess.run(command, stdout=output, stderr=output, check=True, timeout=BUILT_WITHIN_S)
            except (OSError, subprocess.SubprocessError) as error:
                end = log.read_text(errors="replace")[-LOG_TAIL:]
                raise Unavailable(f"no environment for {lock}: {error}; {log} ends:\n{end}") from error
    (python.parent / "ready").touch()
