"""Shared fixtures: real services, free ports, the folder of data sets."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import pytest

from engine.errors import BadSettings
from engine.local import loopback
from loadtest.apache_kafka import apache_kafka
from tests.services import Broker, Service, Valkey, missing, tansu

ROOT = Path(__file__).parent.parent

S = TypeVar("S", bound=Service)

# a shell's background job ignores Ctrl-C, and so would every process that a test starts and interrupts
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A shared machine may stall for longer than any example takes, or take too long to make them up. CI tries the same
# examples every time, and `--hypothesis-profile many` as many others as CUELINE_EXAMPLES says.
hypothesis.settings.register_profile(
    "here", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile(
    "ci", hypothesis.settings.get_profile("here"), derandomize=True, print_blob=True
)
hypothesis.settings.register_profile(
    "many", hypothesis.settings.get_profile("here"), max_examples=int(os.environ.get("CUELINE_EXAMPLES", 5_000))
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--broker kafka`` runs every test that uses `broker` on Apache Kafka itself."""
    parser.addoption("--broker", choices=("tansu", "kafka"), default="tansu", help="what `broker` is")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What uses `broker` is a test of Kafka when that is what `broker` is; else tests of Kafka on it are left out,
    since tansu has no transactions."""
    embedded = config.getoption("--broker") == "tansu"
    for item in items:
        if "broker" not in getattr(item, "fixturenames", ()):
            continue
        if not embedded:
            item.add_marker("kafka")
        elif item.get_closest_marker("kafka"):
            item.add_marker(pytest.mark.skip(reason="needs --broker kafka"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of public data sets, which is not part of the project: ``CUELINE_DATA``."""
    folder = Path(os.environ.get("CUELINE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data sets at {folder}; name their folder in CUELINE_DATA")
    return folder


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """A function that returns a loopback port nobody listens on."""
    return loopback.free_port


@pytest.fixture
def unique() -> Callable[[str], str]:
    """A function that makes a topic's, group's or key's name this test's own."""
    suffix = uuid.uuid4().hex[:8]
    return lambda name: f"{name}.{suffix}"


@pytest.fixture(scope="session")
def _valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    yield from _running(Valkey(tmp_path_factory.mktemp("valkey"), cluster=True))


@pytest.fixture
def valkey(_valkey_server: Valkey) -> Valkey:
    """An empty Valkey (``url``, ``socket_url``), one server for the whole run. To kill one, make one."""
    _wait_for(_valkey_server.empty())
    return _valkey_server


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey of the test's own, to be killed."""
    yield from _running(Valkey(tmp_path))


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A Kafka broker (``bootstrap``) for the whole run: topics and groups need names of their own (`unique`).

    A test that kills it starts it again; what it then holds depends on ``durable``.
    """
    if request.config.getoption("--broker") == "kafka":
        yield request.getfixturevalue("kafka")
    else:
        yield from _running(tansu(tmp_path_factory.mktemp("tansu")))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Apache Kafka itself, one process in KRaft mode."""
    try:
        server = apache_kafka(tmp_path_factory.mktemp("kafka"))
    except BadSettings as reason:
        missing(str(reason))
    yield from _running(server)


def _running(service: S) -> Iterator[S]:
    _wait_for(service.start())
    yield service
    service.kill()


def _wait_for(work: Coroutine[Any, Any, None]) -> None:
    """Run it in a loop of its own: a fixture of the session has no test's loop."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()
