"""The largest values that the row's narrow fields hold: a count stays there."""

from __future__ import annotations

U2_MAX = 0xFFFF
U4_MAX = 0xFFFFFFFF
