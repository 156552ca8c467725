"""Fixtures of the tests with clients of other makers."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.browser.running import needed_chromium
from tests.flows.test_stream import deployed
from tests.sdks.site import Site, served
from tests.services import Broker, Valkey, missing

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FETCHED = Path(os.environ.get("CUELINE_SDKS", ROOT / ".cueline" / "sdks"))


@pytest.fixture
async def site(
    broker: Broker, valkey: Valkey, unique: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[Site]:
    """A deployment of the test's own."""
    async with deployed(broker, valkey, unique, tmp_path) as deployment, served(deployment) as built:
        yield built


@pytest.fixture(scope="session")
def fetched() -> Path:
    """Where the clients lie."""
    if not (FETCHED / "ready").exists():
        missing(f"no clients in {FETCHED}: `make sdks` fetches them (needs npm and Maven)")
    return FETCHED


@pytest.fixture(scope="session")
def command(fetched: Path) -> Callable[[str], list[str]]:
    """The command of a program of this folder, without its arguments."""
    runners = {
        ".cjs": [_found("node")],
        ".py": [str(fetched / "python" / "bin" / "python")],
        ".java": [_found("java"), "-cp", f"{fetched / 'jars'}/*"],
    }
    return lambda name: [*runners[Path(name).suffix], str(HERE / name)]


def _found(program: str) -> str:
    return shutil.which(program) or missing(f"no {program} on the path")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program; asked for before anything is started."""
    return needed_chromium()
