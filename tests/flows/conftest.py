"""Fixtures of the flows."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flows.demos import Demos


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Demos]:
    """Starts demos, which end with the test."""
    demos = Demos(tmp_path)
    yield demos
    await demos.end()
