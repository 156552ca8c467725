"""What a decision needs compiled is so before the first one, for customers of several ids, too."""

from __future__ import annotations

import subprocess
import sys

FIRST_JOIN = """
import numpy as np
from engine.kernels.row import ROW
from engine.kernels.warm import tally, warm_up_decisions
from engine.state.joined_rows import joined_rows
from engine.state.row_codec import as_words, write

warm_up_decisions()
before = sum(tally())
rows = np.zeros(2, ROW)
rows["version"], rows["life_last_at"] = 2, 1_700_000_000_000
assert joined_rows([bytes(row) for row in write(as_words(rows), np.arange(2, dtype=np.int32))])
print(before, sum(tally()))
"""


def test_rows_of_two_ids_are_joined_without_a_kernel_more() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_JOIN], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert 0 < before == after
