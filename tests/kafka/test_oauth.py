"""Tokens for SASL OAUTHBEARER: one for many connections, a new one before it ends, and none in an error."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.kafka.oauth import LIFETIME_S, RENEWED_AT, NoToken, TokenEndpoint, TokenFile
from engine.settings import Kafka
from tests.kafka.secured import CLIENT_ID, CLIENT_SECRET, Issuer, issuing


class Time:
    """A clock that stands where it is set."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as answering:
        yield answering


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def tokens(issuer: Issuer, time: Time) -> TokenEndpoint:
    return TokenEndpoint(
        Kafka.model_validate(
            {"oauth_token_url": issuer.url, "oauth_client_id": CLIENT_ID, "oauth_client_secret": CLIENT_SECRET}
        ),
        time,
    )


async def test_connections_share_a_token_until_most_of_its_life_is_over(
    tokens: TokenEndpoint, issuer: Issuer, time: Time
) -> None:
    first = await asyncio.gather(*(tokens.token() for _ in range(5)))
    assert len(set(first)) == len(issuer.asked) == 1
    time.now += RENEWED_AT * issuer.lifetime_s - 0.001
    assert await tokens.token() == first[0]
    time.now += 0.001
    assert await tokens.token() != first[0]
    assert len(issuer.asked) == 2


def test_several_event_loops_share_a_token(tokens: TokenEndpoint, issuer: Issuer) -> None:
    assert asyncio.run(tokens.token()) == asyncio.run(tokens.token())
    assert len(issuer.asked) == 1


async def test_a_token_without_a_lifetime_has_ours(tokens: TokenEndpoint, issuer: Issuer, time: Time) -> None:
    issuer.body = b'{"access_token": "one"}'
    assert await tokens.token() == "one"
    issuer.body = b'{"access_token": "two"}'
    time.now += RENEWED_AT * LIFETIME_S - 0.001
    assert await tokens.token() == "one"
    time.now += 0.001
    assert await tokens.token() == "two"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, None, "refuses the client with status 400"),
        (403, None, "refuses the client with status 403"),
        (500, None, "answers with status 500"),
        (200, b"", "gives no access_token"),
        (200, b'{"access_token": 5}', "gives no access_token"),
        (200, b"\xff", "gives no access_token"),
    ],
)
async def test_an_endpoint_that_gives_none(
    tokens: TokenEndpoint, issuer: Issuer, status: int, body: bytes | None, said: str
) -> None:
    issuer.status, issuer.body = status, body
    with pytest.raises(NoToken) as refused:
        await tokens.token()
    assert refused.value.detail.startswith(f"kafka.oauth_token_url {said}")
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    issuer.status, issuer.body = 200, None
    assert await tokens.token()


async def test_a_file_is_read_each_time(tmp_path: Path) -> None:
    tokens = TokenFile(str(tmp_path / "token"))
    for content in (None, "", " \n", "two words", "ü"):
        if content is not None:
            (tmp_path / "token").write_text(content)
        with pytest.raises(NoToken, match=r"kafka\.oauth_token_file"):
            await tokens.token()
    for content in ("one\n", "two"):
        (tmp_path / "token").write_text(content)
        assert await tokens.token() == content.strip()
