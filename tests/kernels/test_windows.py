"""Windows are a table: a line more, and row, features and catalogue have it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.kernels.catalogue import ENTRIES, INDEX
from engine.kernels.entry import spoken
from engine.kernels.windows import RINGS

ROOT = Path(__file__).parent.parent.parent
PARTS = ("__init__.py", "errors.py", "kernels", "state")
LAST = '    Ring("1d", DAY, 30, (Window("7d", 7), Window("30d", 30))),\n'
MORE = '    Ring("1w", 7 * DAY, 9, (Window("1w", 1), Window("9w", 9))),\n'

#: counts an event a week, ten in all, and reads them back
USE = """
import json, numpy as np
from engine.kernels import row
from engine.kernels.advance import count_in_windows
from engine.kernels.features import read
from engine.state.catalogue import BY_NAME, CATALOGUE
WEEK = 7 * 86_400_000
rows, values = np.zeros(1, row.ROW), np.zeros(len(CATALOGUE))
for week in range(100, 110):
    count_in_windows(rows[0], week * WEEK)
read(rows[0], 109 * WEEK, values)
covered = sum(kind.itemsize for kind, *_ in row.ROW.fields.values())
print(json.dumps({
    "fields": row.ROW.names, "bytes": row.ROW_BYTES, "covered": covered,
    "names": [feature.name for feature in CATALOGUE], "meaning": BY_NAME["events.count_9w"].meaning,
    **{name: values[BY_NAME[name].index] for name in BY_NAME if name.startswith("events.count")},
}))
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Kernels and state alone."""
    (tmp_path / "engine").mkdir()
    for part in PARTS:
        source = ROOT / "engine" / part
        if source.is_dir():
            shutil.copytree(source, tmp_path / "engine" / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / "engine" / part)
    return tmp_path


def run(tree: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", USE]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_new_window_is_one_line(tree: Path) -> None:
    table = tree / "engine" / "kernels" / "windows.py"
    source = table.read_text()
    assert source.count(LAST) == 1
    table.write_text(source.replace(LAST, LAST + MORE))
    got = run(tree)
    assert {"pane_1w", "pane_1w_newest"} <= set(got["fields"])
    assert got["bytes"] == got["covered"]
    assert got["bytes"] % 8 == 0
    places = [got["names"].index(f"events.count_{name}") for name in ("30d", "1w", "9w")]
    assert places == [places[0], places[0] + 1, places[0] + 2]
    assert len(got["names"]) == len(ENTRIES) + 2
    assert got["meaning"] == "events in the last 9 weeks"
    assert (got["events.count_1w"], got["events.count_9w"]) == (1, 9)
    assert (got["events.count_5m"], got["events.count_7d"], got["events.count_30d"]) == (1, 1, 5)


def test_a_window_is_no_longer_than_its_ring() -> None:
    assert [window for ring in RINGS for window in ring.windows if not 0 < window.panes <= ring.panes] == []


@pytest.mark.parametrize(
    ("length", "words"),
    [("5m", "5 minutes"), ("1h", "hour"), ("24h", "24 hours"), ("30d", "30 days"), ("52w", "52 weeks")],
)
def test_a_length_is_said_in_words(length: str, words: str) -> None:
    assert spoken(length) == words


def test_a_feature_is_found_under_its_name_with_an_underscore() -> None:
    assert [getattr(INDEX, entry.name.replace(".", "_")) for entry in ENTRIES] == list(range(len(ENTRIES)))
