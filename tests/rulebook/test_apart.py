"""Rules compiled in another process are those compiled here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from engine.decisions.funnel.run import match_offers
from engine.errors import BadRule
from engine.kernels import predicates
from engine.kernels.catalogue import FEATURES
from engine.rulebook import apart, directory
from engine.rulebook.apart import load_beside
from engine.rulebook.model import Rulebook
from engine.rulebook.wire import AT_ONCE, from_bytes, to_bytes
from engine.steps import finish
from tests.rulebook import large

SHIPPED = Path(__file__).parent.parent.parent / "rules"


def assert_same(one: Rulebook, other: Rulebook) -> None:
    assert one.revision == other.revision
    assert (one.indicators, one.offers, one.mentions) == (other.indicators, other.offers, other.mentions)
    arrays = zip(
        (*one.program, *one.moments, one.codes),
        (*other.program, *other.moments, other.codes),
        strict=True,
    )
    for ours, theirs in arrays:
        assert (ours.dtype, ours.shape, ours.flags.writeable) == (theirs.dtype, theirs.shape, True)
        np.testing.assert_array_equal(ours, theirs)


def test_a_rulebook_comes_back_from_its_bytes_in_steps(tmp_path: Path) -> None:
    large.write(tmp_path, AT_ONCE + 1)
    for folder, pieces in ((SHIPPED, 1), (tmp_path, 2)):
        rulebook = directory.load(folder)
        steps, taken = from_bytes(to_bytes(rulebook)), 0
        while True:
            try:
                next(steps)
                taken += 1
            except StopIteration as done:
                assert_same(done.value, rulebook)
                break
        assert taken == 2 + 3 * pieces


def test_the_kernels_take_it_without_being_compiled_anew() -> None:
    rulebook = directory.load(SHIPPED)
    features = np.full((3, FEATURES), 5.0)
    before = match_offers(rulebook, features)
    kernel: Any = predicates.match_many
    compiled = list(kernel.signatures)
    np.testing.assert_array_equal(match_offers(finish(from_bytes(to_bytes(rulebook))), features), before)
    assert list(kernel.signatures) == compiled


@pytest.mark.parametrize("content", [b"", b"\x97", b"no MessagePack"])
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        finish(from_bytes(content))


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every rulebook is a large one, and cannot be compiled here."""
    monkeypatch.setattr(apart, "LARGE", 0)

    def refuse(folder: Path) -> Rulebook:
        raise AssertionError(f"{folder} is compiled in this process")

    monkeypatch.setattr(apart, "load", refuse)


@pytest.mark.usefixtures("elsewhere")
async def test_a_large_rulebook_is_compiled_in_another_process(tmp_path: Path) -> None:
    large.write(tmp_path, 300)
    assert_same(await load_beside(tmp_path), directory.load(tmp_path))


@pytest.mark.usefixtures("elsewhere")
async def test_its_faults_are_those_found_here(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("indicators:\n  - {name: a, when: no.such >= 1}\n  - {name: b}\n")
    with pytest.raises(BadRule) as here:
        directory.load(tmp_path)
    with pytest.raises(BadRule) as there:
        await load_beside(tmp_path)
    assert there.value.faults == here.value.faults
    assert len(here.value.faults) == 2


@pytest.mark.parametrize("size", [-1, 0])
async def test_size_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    large.write(tmp_path, 3)
    monkeypatch.setattr(apart, "LARGE", sum(path.stat().st_size for path in tmp_path.iterdir()) - size)
    started, run = [], subprocess.run

    def noted(command: list[str], **how: Any) -> Any:
        started.append(command)
        return run(command, **how)

    monkeypatch.setattr(subprocess, "run", noted)
    await load_beside(tmp_path)
    assert len(started) == (size == 0)


@pytest.mark.parametrize("program", ["/bin/false", "/bin/true", "/no/such/program"])
async def test_without_another_process_it_is_compiled_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, program: str
) -> None:
    large.write(tmp_path, 3)
    monkeypatch.setattr(apart, "LARGE", 0)
    monkeypatch.setattr(sys, "executable", program)
    assert (await load_beside(tmp_path)).revision == directory.load(tmp_path).revision
    assert "compiled in this process, since another failed" in caplog.text
