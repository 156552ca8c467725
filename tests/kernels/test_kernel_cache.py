"""Kernels are what their source says: a copied tree is edited, made read-only, run by others, in processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
KERNELS = Path("engine/kernels")
OTHER = 54_321

#: a kernel whose callees lie in session_steps.py and message_id.py, and which reads row_limits.py through another
PROBE_KERNEL = """
from engine.kernels.groups.message_id import keep
from engine.kernels.groups.session_steps import go_on
from engine.kernels.jit import kernel
from engine.kernels.wire import Kind

@kernel
def probe(row):
    for at in (10_000_000, 10_001_000):
        go_on(row, at, Kind.PAGE_VIEWED, 0, 0, 0)
    keep(row, 1)
"""

RUN = """
import json, numpy as np
from engine.kernels import probe, row
rows = np.zeros(1, row.ROW)
probe.probe(rows[0])
stats = probe.probe.stats
print(json.dumps({
    "bursts": int(rows[0]["session_bursts"]), "counted": int(rows[0]["message_total"]), "path": stats.cache_path,
    "hits": sum(stats.cache_hits.values()), "misses": sum(stats.cache_misses.values()),
}))
"""


@pytest.fixture
def tree() -> Iterator[Path]:
    """A tree with the kernels alone, where every user can read."""
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name)
        tree.chmod(0o755)
        shutil.copytree(ROOT / KERNELS, tree / KERNELS, ignore=shutil.ignore_patterns("__pycache__"))
        (tree / "engine" / "__init__.py").touch()
        (tree / KERNELS / "probe.py").write_text(PROBE_KERNEL)
        yield tree
        subprocess.run(["chmod", "-R", "u+w", name], check=True)


def run(tree: Path, *, as_other: bool = False, **environment: str) -> tuple[dict[str, Any], list[str]]:
    """What the probe printed, and the lines on standard error. `as_other`: as a user who may write nowhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    home = {"HOME": "/nonexistent"} | environment
    done = subprocess.run(
        [*(other_user() if as_other else ()), sys.executable, "-c", RUN],
        cwd=tree,
        env={name: value for name, value in kept.items() if name != "XDG_CACHE_HOME"} | home,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr.splitlines()


def other_user() -> list[str]:
    """Root may write everywhere, so it becomes somebody else; anybody else is one already."""
    if os.geteuid() != 0:
        return []
    if not (setpriv := shutil.which("setpriv")):
        pytest.skip("root needs setpriv to become another user")
    command = [setpriv, f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups"]
    if subprocess.run([*command, sys.executable, "-c", ""], capture_output=True).returncode:
        pytest.skip(f"another user cannot run {sys.executable}")
    return command


def edit(file: Path, old: str, new: str) -> None:
    source = file.read_text()
    assert source.count(old) == 1
    file.write_text(source.replace(old, new))


def read_only(tree: Path) -> None:
    subprocess.run(["chmod", "-R", "a-w,a+rX", str(tree)], check=True)


def test_an_edit_changes_the_result_and_nothing_else_does(tree: Path) -> None:
    first, lines = run(tree)
    assert (first["bursts"], first["counted"], first["misses"], lines) == (0, 1, 1, [])
    again, _ = run(tree)
    assert (again["hits"], again["misses"]) == (1, 0)

    edit(tree / KERNELS / "row_limits.py", "BURST_VIEWS = 3", "BURST_VIEWS = 2")
    edited, _ = run(tree)
    assert (edited["bursts"], edited["counted"], edited["misses"]) == (1, 1, 1)

    ids = tree / KERNELS / "groups" / "message_id.py"
    edit(ids, "row.message_total += 1", "row.message_total += 2")
    edited, _ = run(tree)
    assert (edited["bursts"], edited["counted"], edited["misses"]) == (1, 2, 1)

    edit(ids, "row.message_total += 2", "row.message_total += 1")
    edit(tree / KERNELS / "row_limits.py", "BURST_VIEWS = 2", "BURST_VIEWS = 3")
    back, _ = run(tree)
    assert (back["bursts"], back["counted"], back["path"]) == (0, 1, first["path"])
    assert (back["hits"], back["misses"]) == (1, 0)


def test_compiler_options_have_their_own_kernels(tree: Path) -> None:
    plain, _ = run(tree)
    checked, _ = run(tree, NUMBA_BOUNDSCHECK="1")
    assert (checked["misses"], checked["path"] != plain["path"]) == (1, True)


def test_a_filled_cache_serves_another_user_on_a_read_only_tree(tree: Path) -> None:
    filled, _ = run(tree)
    read_only(tree)
    found, lines = run(tree, as_other=True)
    assert (found["hits"], found["misses"], found["path"], lines) == (1, 0, filled["path"], [])


def test_without_a_place_it_compiles_in_memory_and_says_so_once(tree: Path) -> None:
    read_only(tree)
    result, lines = run(tree, as_other=True)
    assert (result["bursts"], result["counted"], result["path"], result["misses"]) == (0, 1, None, 1)
    assert len(lines) == 1
    assert lines[0].startswith("kernels are compiled in memory")
    assert "NUMBA_CACHE_DIR" in lines[0]


def test_what_is_missing_from_a_read_only_cache_is_compiled_in_memory(tree: Path) -> None:
    filled, _ = run(tree)
    folder = Path(filled["path"])
    kernels = list(folder.glob("*.probe.*"))
    assert len(kernels) == 1
    kernels[0].unlink()
    read_only(tree)
    result, lines = run(tree, as_other=True)
    assert (result["counted"], result["misses"], len(lines)) == (1, 1, 1)
    assert "compiled in memory" in lines[0]


def test_a_cache_that_others_may_write_is_refused(tree: Path) -> None:
    filled, _ = run(tree)
    Path(filled["path"]).chmod(0o777)
    result, lines = run(tree, HOME=str(tree / "home"))
    assert (result["hits"], result["misses"]) == (0, 1)
    assert result["path"].startswith(str(tree / "home" / ".cache" / "cueline"))
    assert lines == [f"compiled kernels were refused ({filled['path']}: others may write there)"]


def test_a_kernel_that_others_may_write_is_refused_and_replaced(tree: Path) -> None:
    filled, _ = run(tree)
    (file,) = Path(filled["path"]).glob("*.probe.*")
    file.chmod(0o666)
    result, _ = run(tree)
    assert (result["hits"], result["misses"]) == (0, 1)
    again, _ = run(tree)
    assert (again["hits"], again["misses"]) == (1, 0)


def test_the_named_directory_is_used(tree: Path) -> None:
    result, _ = run(tree, NUMBA_CACHE_DIR=str(tree / "named"))
    assert result["path"].startswith(str(tree / "named"))
    assert not list((tree / KERNELS / "__pycache__").glob("kernels-*"))
