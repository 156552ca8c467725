"""``make picture``, as it is run for the README."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.browser.picture import SIZE, take

LARGEST = 300_000  # bytes, in a repository


@pytest.mark.slow
async def test_the_picture_is_of_the_page_and_small(tmp_path: Path, chromium: str) -> None:
    await take(target := tmp_path / "docs" / "page.png", chromium)
    written = target.read_bytes()
    assert written.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", written[16:24]) == (SIZE["width"], SIZE["height"])
    assert 50_000 < len(written) < LARGEST


def test_the_readme_shows_it() -> None:
    root = Path(__file__).parents[2]
    assert "(docs/page.png)" in (root / "README.md").read_text()
    assert (root / "docs" / "page.png").stat().st_size < LARGEST
