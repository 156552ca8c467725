"""What is drawn, what is run, what is kept, and what it comes to: on a checkout of a few files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest

from engine.settings_sources import read_settings
from tests.mutation.clean import CleanRuns
from tests.mutation.graph import Graph
from tests.mutation.interpreted import interpreted
from tests.mutation.ledger import KILLED, SURVIVED, TIMEOUT, Ledger, Result
from tests.mutation.mutant import Mutant
from tests.mutation.report import figures, in_words, survivors
from tests.mutation.run import ROOT, alone, equivalents
from tests.mutation.sample import of_file, sample, sources
from tests.mutation.sandbox import LIMIT, Sandbox
from tests.mutation.targets import AREAS, area_of
from tests.mutation.trial import Trials

Make = Callable[[], tuple[Trials, Sandbox]]

SOURCE = "engine/rulebook/bounds.py"
FILES = {
    "engine/__init__.py": "",
    SOURCE: "def small(a: int) -> bool:\n    return a < 3\n\n\ndef big(a: int) -> bool:\n    return a > 9\n",
    "tests/rulebook/test_bounds.py": "from engine.rulebook.bounds import small\n\n\ndef test_small() -> None:\n"
    "    assert [a for a in range(9) if small(a)] == [0, 1, 2]\n",
    "tests/rulebook/test_other.py": "def test_other() -> None:\n    assert False\n",
    "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '--import-mode=importlib --strict-markers'\n"
    "markers = ['slow', 'kafka']\n",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a function whose bound is tested and one whose is not."""
    root = tmp_path / "checkout"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for tool in ("plugin.py", "interpreted.py", "server.py"):
        source = Path(__file__).with_name(tool)
        target = root / "tests" / "mutation" / tool
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source.read_text())
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    return root


@pytest.fixture
def trials(checkout: Path) -> Iterator[Make]:
    """Makes trials of the checkout as it is then, each time from what was kept."""
    with ExitStack() as opened:

        def make() -> tuple[Trials, Sandbox]:
            folder, graph = checkout.parent / "kept", Graph(checkout)
            sandbox = opened.enter_context(closing(Sandbox(checkout, folder / "tree")))
            clean = CleanRuns(folder / "clean.json", graph)
            return Trials(checkout, Ledger(folder / "results.jsonl"), clean, graph), sandbox

        yield make


def boundary(root: Path, function: str) -> Mutant:
    return next(m for m in of_file(root, SOURCE) if m.edit.where == function and m.edit.operator == "boundary")


def test_a_bound_that_a_test_holds_is_killed_and_another_survives(checkout: Path, trials: Make) -> None:
    (checkout / "tests/rulebook/test_other.py").unlink()
    tried, sandbox = trials()
    killed = tried.run(boundary(checkout, "small"), sandbox)
    assert (killed.outcome, killed.by) == (KILLED, "tests/rulebook/test_bounds.py::test_small")
    assert tried.run(boundary(checkout, "big"), sandbox).outcome == SURVIVED
    assert (sandbox.folder / "tree" / SOURCE).read_text() == FILES[SOURCE]
    again, _ = trials()
    assert again.known(boundary(checkout, "small")) == killed
    (checkout / SOURCE).write_text(FILES[SOURCE] + "\n\nLIMIT = 3\n")
    edited, _ = trials()
    assert edited.known(boundary(checkout, "small")) is None


@pytest.mark.slow
def test_tests_that_fail_anyway_are_not_taken_for_a_kill(
    checkout: Path, trials: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    with (checkout / "tests/rulebook/test_bounds.py").open("a") as file:
        file.write("\n\ndef test_wrong() -> None:\n    assert not small(1)\n")
    tried, sandbox = trials()
    assert tried.run(boundary(checkout, "big"), sandbox).outcome == SURVIVED
    assert "left out: tests/rulebook/test_bounds.py::test_wrong" in capsys.readouterr().err


def test_only_tests_that_reach_a_file_are_run_for_it(checkout: Path) -> None:
    tests = ["tests/rulebook/test_bounds.py", "tests/rulebook/test_other.py"]
    assert Graph(checkout).nearest(SOURCE, tests) == tests[:1]


def test_a_test_reaches_what_its_child_processes_import(checkout: Path) -> None:
    (checkout / "engine/__main__.py").write_text("from engine.rulebook import bounds\n")
    with (checkout / "tests/rulebook/test_other.py").open("a") as file:
        file.write("\n\nCOMMAND = ['python', '-m', 'engine', 'work']\n")
    assert Graph(checkout).nearest(SOURCE, ["tests/rulebook/test_other.py"])


def test_the_workers_flows_are_run_for_what_the_worker_is_made_of() -> None:
    flows = ["tests/flows/test_outcomes.py", "tests/flows/test_stream.py"]
    for source in ("engine/stream/worker.py", "engine/stream/commit.py", "engine/kernels/records.py"):
        assert sorted(Graph(ROOT).nearest(source, flows)) == flows


def test_the_sample_is_the_same_for_the_same_seed_and_tree() -> None:
    drawn = {mutant.id for mutant in sample(ROOT, 40, 7)}
    assert len(drawn) == 40
    assert {mutant.id for mutant in sample(ROOT, 20, 7)} < drawn
    assert {mutant.id for mutant in sample(ROOT, 40, 8)} != drawn


def test_every_name_in_the_table_is_there() -> None:
    for area in AREAS:
        assert all((ROOT / name).exists() for name in area.sources), area
        assert all((ROOT / name).exists() for step in area.tests for name in step), area
        assert [path for path in sources(ROOT) if area_of(path) is area], area


@pytest.mark.slow
def test_a_test_that_noticed_and_is_gone_notices_nothing_any_more(checkout: Path, trials: Make) -> None:
    (checkout / "tests/rulebook/test_other.py").unlink()
    file, mutant = checkout / "tests/rulebook/test_bounds.py", boundary(checkout, "small")
    head, _ = file.read_text().split("def test_small")
    each = head.replace("from", "import pytest\nfrom", 1) + "@pytest.mark.parametrize('a', [3], ids=['a b c'])\n"
    file.write_text(each + "def test_small(a: int) -> None:\n    assert not small(a)\n")
    for _ in range(2):
        tried, sandbox = trials()
        assert tried.run(mutant, sandbox).by == "tests/rulebook/test_bounds.py::test_small[a b c]"
    file.write_text(head + "def test_none() -> None:\n    assert small(1)\n")
    tried, sandbox = trials()
    assert tried.run(mutant, sandbox).outcome == SURVIVED


@pytest.mark.slow
def test_where_the_table_names_no_test_that_reaches_a_file_any_that_does_is_run(
    checkout: Path, trials: Make
) -> None:
    (checkout / "tests/rulebook/test_bounds.py").rename(checkout / "tests/test_bounds.py")
    (checkout / "tests/rulebook/test_other.py").unlink()
    tried, sandbox = trials()
    assert tried.run(boundary(checkout, "small"), sandbox).by == "tests/test_bounds.py::test_small"


def test_every_equivalent_has_a_reason() -> None:
    assert all(len(reason) > 20 for reason in equivalents().values())


def test_the_engine_that_a_test_starts_takes_no_variable_of_the_run_for_a_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(LIMIT, "60")
    read_settings()


def test_figures_leave_equivalents_out_of_the_score_and_count_an_endless_loop_as_noticed(checkout: Path) -> None:
    drawn = of_file(checkout, SOURCE)[:5]
    ends = (KILLED, SURVIVED, TIMEOUT, None, None)
    results = [Result(end, drawn[0].id, end, "", "compiled", 1.0) if end else None for end in ends]
    found = list(zip(drawn, results, strict=True))
    counted = figures(found, {drawn[4].id: "the reason"})
    assert counted == {
        "sampled": 5, "killed": 1, "survived": 1, "equivalent": 1, "timeout": 1, "notRun": 1, "score": 0.667,
    }  # fmt: skip
    assert [one["id"] for one in survivors(checkout, found)] == [drawn[1].id]
    assert figures([], {})["score"] is None
    assert "left out, since they fail without a mutant:\n  a::b\n" in in_words(checkout, found, {}, ["a::b"])
    assert "left out" not in in_words(checkout, found, {}, [])


def test_the_command_lists_what_it_would_change() -> None:
    argv = [sys.executable, "-m", "tests.mutation.run", "--sample", "5", "--list"]
    listed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout
    assert listed.count("\n@@ ") == 5
    argv = [*argv[:-1], "--minutes", "0", "--json"]
    done = json.loads(
        subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout
    )
    assert (done["sampled"], done["leftOut"]) == (5, [])


ROW = np.dtype([("count", "u2"), ("at", "i8"), ("panes", "u1", (2,))])


def test_an_interpreted_kernel_reads_wide_and_stores_narrow_as_a_compiled_one_does() -> None:
    @interpreted
    def inner(row, amount):  # type: ignore[no-untyped-def]
        row.count = row.count + amount
        row.panes[1] = row.panes[1] - 1
        return max(row.count, 0) / 0 if amount == 0 else min(row.count + 1, 0xFFFF)

    @interpreted
    def outer(rows, amounts):  # type: ignore[no-untyped-def]
        last = 0
        for i in range(rows.shape[0]):
            last = inner(rows[i], amounts[i])
        return last

    rows = np.zeros(2, ROW)
    rows["count"] = 0xFFFF
    assert outer(rows, (np.int64(0xFFFF), 0xFFFF)) == 0xFFFF
    assert rows["count"].tolist() == [0xFFFE, 0xFFFE]
    assert rows["panes"].tolist() == [[0, 255], [0, 255]]


def test_a_second_run_in_a_checkout_is_refused_while_the_first_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "mutate"
    with alone(folder), pytest.raises(SystemExit) as refused, alone(folder):
        pytest.fail("two at once")
    message = "mutation testing runs here already (process %d): wait for it, or end it"
    assert refused.value.code == message % os.getpid()
    with alone(folder):
        pass
