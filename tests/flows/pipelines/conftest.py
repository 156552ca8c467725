"""Fixtures of tests that look at what an api process and a worker do together."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.flows.api import serving
from tests.flows.pipelines.pipeline import Pipeline


@pytest.fixture
async def pipeline(request: pytest.FixtureRequest) -> Pipeline:
    """A pipeline of the RULES of the test's file, whose worker has every partition."""
    built = Pipeline(request.module.RULES)
    await built.own()
    return built


@pytest.fixture
async def api(pipeline: Pipeline) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the pipeline's api process, over a socket: its event streams are read as they are written."""
    async with serving(pipeline.process) as client:
        yield client
