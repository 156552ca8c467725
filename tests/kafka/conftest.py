"""Apache Kafka as a deployment secures it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from engine.errors import BadSettings
from tests.kafka.secured import Secured, secured_kafka
from tests.services import missing


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """One broker for the whole run: topics need names of their own (`unique`)."""
    try:
        server = secured_kafka(tmp_path_factory.mktemp("secured"))
    except BadSettings as reason:
        missing(str(reason))
    with asyncio.Runner() as runner:
        runner.run(server.broker.start())
    yield server
    server.broker.kill()
