"""A directory to write to, also where the usual one is read-only."""

from __future__ import annotations

import tempfile
from pathlib import Path

from engine.errors import BadSettings


def fault_of(directory: Path) -> str:
    """Why nothing can be written to `directory`, made where it is missing; empty when something can."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def temporary(prefix: str) -> Path:
    """A new directory of our own where the system keeps temporary files. Raises `BadSettings` where it cannot."""
    try:
        return Path(tempfile.mkdtemp(prefix=prefix))
    except OSError as error:
        raise BadSettings(f"there is no directory to write to: {error.strerror or error}") from None
