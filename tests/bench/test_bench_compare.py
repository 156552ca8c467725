"""What the comparison of two commits rests on, and the comparison in short. No figure is asserted."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from engine.cli.app import app
from engine.errors import BadSettings, Unavailable
from loadtest.compare import in_turns
from loadtest.compare_stream import Spent, window
from loadtest.interpreters import fits, pins
from loadtest.interval import T_975, interval, t_975
from loadtest.layouts import Layouts, remove_stale
from loadtest.process_time import cpu_seconds
from loadtest.side import ProcessSample, Side

ROOT = Path(__file__).parent.parent.parent


def student_share(t: float, freedom: int, steps: int = 20_000) -> float:
    """The oracle: the density of Student's t integrated from -t to t (Simpson)."""
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)

    def density(x: float) -> float:
        return scale * math.pow(1 + x * x / freedom, -(freedom + 1) / 2)

    width = t / steps
    inner = sum(density(i * width) * (4 if i % 2 else 2) for i in range(1, steps))
    return 2 * width / 3 * (density(0) + inner + density(t))


@pytest.mark.parametrize("freedom", [*range(1, len(T_975) + 1), 31, 45, 120, 1_000])
def test_the_quantiles_hold_95_of_100(freedom: int) -> None:
    assert student_share(t_975(freedom), freedom) == pytest.approx(0.95, abs=1e-4)


def test_the_interval_of_two_pairs_by_hand() -> None:
    found = interval([1.0, 4.0])
    assert found.ratio == pytest.approx(2.0)
    half = 12.706 * math.log(2)  # the logarithms lie log 2 on either side of their mean
    assert (found.low, found.high) == pytest.approx((2 * math.exp(-half), 2 * math.exp(half)))


def test_no_spread_is_no_width_and_one_pair_no_interval() -> None:
    found = interval([1.25] * 5)
    assert (found.ratio, found.low, found.high) == pytest.approx((1.25, 1.25, 1.25))
    for few in ([], [1.0]):
        with pytest.raises(ValueError, match="two pairs"):
            interval(few)


@given(st.lists(st.floats(0.2, 5), min_size=2, max_size=12))
def test_swapping_the_sides_turns_the_interval_over(ratios: list[float]) -> None:
    found, other = interval(ratios), interval([1 / ratio for ratio in ratios])
    assert (other.low, other.high) == pytest.approx((1 / found.high, 1 / found.low))
    assert found.low <= found.ratio <= found.high


async def test_turns_alternate_and_pairs_belong_together() -> None:
    sides = tuple(Side(name, Path(), Path(), Path()) for name in ("this", "other"))
    order: list[str] = []

    async def measure(side: Side) -> Spent:
        order.append(side.name)
        return Spent(float(len(order)), 1)

    found = await in_turns(measure, (sides[0], sides[1]), 3, lambda: None)
    assert order == ["this", "other", "other", "this", "this", "other"]
    assert [(ours.cpu_seconds, theirs.cpu_seconds) for ours, theirs in found] == [(1, 2), (4, 3), (5, 6)]


def test_each_side_reads_mapping_files_of_its_own(tmp_path: Path) -> None:
    side = Side("this", tmp_path, Path(), Path())
    assert "CUELINE_CONTACTS__MAPPINGS" not in side.environment({})
    (files := tmp_path / "config" / "sources").mkdir(parents=True)
    assert side.environment({})["CUELINE_CONTACTS__MAPPINGS"] == str(files)


def seen(*samples: tuple[float, float]) -> Sequence[ProcessSample]:
    return [ProcessSample(*sample) for sample in samples]


def test_the_window_begins_after_the_warm_up() -> None:
    spent = window(seen((0, 1.0), (99, 5.0), (100, 6.0), (600, 7.0), (1_000, 8.0)), 1_000)
    assert spent == Spent(2.0, 900)
    assert spent.microseconds == pytest.approx(2.0 / 900 * 1e6)


def test_a_window_that_misses_most_is_none() -> None:
    assert window(seen((0, 0.0), (500, 1.0), (1_000, 2.0)), 1_000).count == 500
    with pytest.raises(Unavailable, match="--events"):
        window(seen((0, 0.0), (501, 1.0), (1_000, 2.0)), 1_000)


LOCK = """# by make lock
alpha==1.0 \\
    --hash=sha256:00 \\
    --hash=sha256:01
beta==2.1 ; sys_platform != 'win32' \\
    --hash=sha256:02
"""


def test_pins_are_names_versions_and_markers() -> None:
    assert pins(LOCK) == {"alpha==1.0", "beta==2.1 ; sys_platform != 'win32'"}


def test_a_subset_of_the_lock_runs_here(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
    (ours / "requirements.lock").write_text(LOCK)
    assert fits(theirs, ours)  # it has no lock
    for lock, fitting in ((LOCK, True), ("alpha==1.0\n", True), ("alpha==1.1\n", False), ("gamma==1\n", False)):
        (theirs / "requirements.lock").write_text(lock)
        assert fits(theirs, ours) is fitting, lock


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git checkout with one commit: ``engine/a.py`` and an ignored folder."""
    root = tmp_path / "checkout"
    (root / "engine").mkdir(parents=True)
    (root / "engine" / "a.py").write_text("first")
    (root / ".gitignore").write_text(".cueline/\n")
    git(root, "init", "--quiet")
    commit_all(root)
    return root


def git(root: Path, *arguments: str) -> str:
    identity = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    named = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    command = ["git", "-C", str(root), *named, *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **identity}
    ).stdout.strip()


def commit_all(root: Path) -> None:
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "one")


def test_a_clean_checkout_is_its_commit(checkout: Path) -> None:
    layouts = Layouts(checkout)
    with layouts.held():
        this, other = layouts.working_tree(), layouts.commit(layouts.resolve("HEAD"))
    assert this == other
    assert (this.folder / "engine" / "a.py").read_text() == "first"
    assert this.commit == git(checkout, "rev-parse", "HEAD")
    assert not this.dirty


def test_changes_and_new_files_are_laid_out_and_nothing_of_the_checkout_moves(checkout: Path) -> None:
    (checkout / "engine" / "a.py").write_text("second")
    (checkout / "engine" / "b.py").write_text("new")
    (checkout / "notes.txt").write_text("not of the product")
    before = git(checkout, "status", "--porcelain"), git(checkout, "count-objects")
    layouts = Layouts(checkout)
    with layouts.held():
        this, other = layouts.working_tree(), layouts.commit(layouts.resolve("HEAD"))
    assert this.dirty
    assert this.commit == other.commit
    laid_out = {str(path.relative_to(this.folder)) for path in this.folder.rglob("*") if path.is_file()}
    assert laid_out == {".gitignore", "engine/a.py", "engine/b.py"}
    assert (this.folder / "engine" / "a.py").read_text() == "second"
    assert (other.folder / "engine" / "a.py").read_text() == "first"
    assert (git(checkout, "status", "--porcelain"), git(checkout, "count-objects")) == before


def test_a_commit_is_laid_out_once(checkout: Path) -> None:
    layouts = Layouts(checkout)
    with layouts.held():
        commit = layouts.resolve("HEAD")
        first = layouts.commit(commit).folder
        (first / "compiled").write_text("kept")
        assert (layouts.commit(commit).folder / "compiled").read_text() == "kept"


@pytest.mark.parametrize("revision", ["nothing", "--all", "HEAD:engine", ""])
def test_an_unknown_revision_is_named(checkout: Path, revision: str) -> None:
    with pytest.raises(BadSettings, match="no commit") as printed:
        Layouts(checkout).resolve(revision)
    assert repr(revision) in str(printed.value)


def test_no_checkout_is_said(tmp_path: Path, checkout: Path) -> None:
    for place in (tmp_path, checkout / "engine"):
        with pytest.raises(BadSettings, match="no git checkout"):
            Layouts(place).resolve("HEAD")


def test_one_comparison_at_a_time(checkout: Path) -> None:
    with (
        Layouts(checkout).held(),
        pytest.raises(BadSettings, match="another comparison"),
        Layouts(checkout).held(),
    ):
        pass
    with Layouts(checkout).held():
        pass


def test_the_oldest_layouts_go(tmp_path: Path) -> None:
    for age, name in enumerate(("tree-a", "tree-b", "tree-c", "venv-d", "half-e")):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (1_000 - age, 1_000 - age))
    remove_stale(tmp_path, "tree-*", 2)
    assert {path.name for path in tmp_path.iterdir()} == {"tree-a", "tree-b", "venv-d"}


BUSY = "import sys, time\nwhile time.process_time() < 0.2: pass\nprint('done', flush=True)\nsys.stdin.read()"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}])"


@pytest.mark.skipif(sys.platform != "linux", reason="reads clocks of Linux")
@pytest.mark.parametrize("program", [BUSY, PARENT], ids=["own", "of a child"])
def test_processor_time_of_another_process(program: str) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"done\n"
        assert cpu_seconds(process.pid) >= 0.2
        process.stdin.close()
    for gone in (process.pid, 0):
        with pytest.raises(Unavailable, match="gone"):
            cpu_seconds(gone)


def test_wrong_arguments_are_told_in_words() -> None:
    for arguments, said in (
        (["nothing-of-that-name", "stream"], "no commit"),
        (["HEAD", "streams"], "stream"),
        (["HEAD", "stream", "--pairs", "1"], "pairs"),
    ):
        result = CliRunner().invoke(app, ["bench", "compare", *arguments])
        assert result.exit_code in (1, 2), result.output
        assert said in result.output
        assert "Traceback" not in result.output


@pytest.mark.slow
@pytest.mark.parametrize("subject", ["stream", "decisions"])
def test_this_checkout_beside_its_commit(subject: str) -> None:
    small = ["--events", "1000000", "--decisions", "2000", "--customers", "2000"]
    result = CliRunner().invoke(app, ["bench", "compare", "HEAD", subject, "--pairs", "2", *small, "--json"])
    assert result.exit_code == 0, result.output
    printed = msgspec.json.decode(result.stdout)
    assert 0 < printed["low"] <= printed["ratio"] <= printed["high"]
    assert len(printed["ratios"]) == printed["pairs"] == 2
    assert printed["this"] > 0
    assert printed["commit"] == printed["thisCommit"] == git(ROOT, "rev-parse", "HEAD")
