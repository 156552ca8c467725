"""A directory to write to, also where the usual one is read-only."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from engine.errors import BadSettings
from engine.local.writable import fault_of, temporary


def test_a_directory_is_made_and_left_empty(tmp_path: Path) -> None:
    assert fault_of(tmp_path / "a" / "b") == ""
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_why_a_directory_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert fault_of(tmp_path / "file" / "below") == "Not a directory"
    assert fault_of(tmp_path / "file") == "File exists"
    assert fault_of(Path("/proc/self")) != ""  # nobody can, root neither


def test_a_temporary_one_is_new_and_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first, second = temporary("x-"), temporary("x-")
    assert first != second
    assert first.parent == tmp_path
    assert first.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "away"))
    with pytest.raises(BadSettings, match="no directory to write to"):
        temporary("x-")
