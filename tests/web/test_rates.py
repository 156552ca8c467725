"""Rates and addresses: what one caller may take, and who that caller is."""

from __future__ import annotations

import pytest
from blacksheep import Request
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RateLimited
from engine.web.server.addresses import UNKNOWN, ClientAddresses
from engine.web.server.rates import BURST_S, Draught, RateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def taken(limiter: RateLimiter, name: str, rate: float, times: int, cost: float = 1.0) -> int:
    """How many of `times` attempts were let in."""
    let_in = 0
    for _ in range(times):
        try:
            limiter.take(name, rate, cost)
        except RateLimited:
            continue
        let_in += 1
    return let_in


def test_a_burst_of_ten_seconds_is_let_in_and_then_the_rate() -> None:
    clock = Clock()
    limiter = RateLimiter(now=clock)
    assert taken(limiter, "a", 4.0, 100) == 40
    assert taken(limiter, "b", 4.0, 100) == 40
    clock.now += 1
    assert taken(limiter, "a", 4.0, 100) == 4
    clock.now += 60
    assert taken(limiter, "a", 4.0, 100) == 40


def refused_for(limiter: RateLimiter, rate: float) -> int:
    """Seconds; 0: it was let in."""
    try:
        limiter.take("a", rate)
    except RateLimited as refused:
        return refused.retry_after
    return 0


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 3.0, 100.0])
def test_whoever_waits_as_long_as_said_is_let_in(rate: float) -> None:
    clock = Clock()
    limiter, waited = RateLimiter(now=clock), 0
    for _ in range(2_000):
        if seconds := refused_for(limiter, rate):
            clock.now += seconds
            limiter.take("a", rate)
            waited += 1
    assert waited > 0


def test_a_large_batch_is_let_in_and_paid_for() -> None:
    clock = Clock()
    limiter = RateLimiter(now=clock)
    limiter.take("a", 10.0, cost=500)
    with pytest.raises(RateLimited) as refused:
        limiter.take("a", 10.0)
    assert refused.value.retry_after == 41  # 50 s' worth were taken, 10 s' worth may be ahead
    clock.now += 40
    with pytest.raises(RateLimited):
        limiter.take("a", 10.0)
    clock.now += 1
    limiter.take("a", 10.0)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 3)), max_size=60), st.floats(0.2, 50))
def test_never_more_than_a_burst_and_the_rate_and_one_request(steps: list[tuple[float, int]], rate: float) -> None:
    clock = Clock()
    limiter, began, cost, last = RateLimiter(now=clock), clock.now, 0, 0
    for wait, size in steps:
        clock.now += wait
        if taken(limiter, "a", rate, 1, size):
            cost, last = cost + size, size
    assert cost <= rate * (clock.now - began + max(BURST_S, 1 / rate)) + max(last, 3) + 1e-6


def test_the_quietest_is_forgotten_when_there_are_too_many() -> None:
    clock = Clock()
    limiter = RateLimiter(most=2, now=clock)
    assert [taken(limiter, name, 1.0, 11) for name in "ab"] == [10, 10]
    assert taken(limiter, "a", 1.0, 1) == 0
    limiter.take("c", 1.0)
    assert taken(limiter, "a", 1.0, 1) == 0
    assert taken(limiter, "b", 1.0, 1) == 1


def test_where_one_bucket_is_empty_nothing_is_taken_of_the_others() -> None:
    clock = Clock()
    limiter = RateLimiter(now=clock)
    assert taken(limiter, "empty", 1.0, 11) == 10
    for _ in range(50):
        with pytest.raises(RateLimited):
            limiter.take_all([Draught("full", 1.0), Draught("empty", 1.0)])
    assert taken(limiter, "full", 1.0, 11) == 10


def asked(peer: str | None, *forwarded: str) -> Request:
    request = Request("GET", b"/", [(b"x-forwarded-for", value.encode()) for value in forwarded])
    request.scope = {"client": None if peer is None else (peer, 1)}  # type: ignore[typeddict-item]
    return request


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.7, 10.9.9.9"], "198.51.100.7"),
        ("10.0.0.1", ["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7, nonsense"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7,"], "198.51.100.7"),  # RFC 9110, 5.6.1: empty elements count for nothing
        ("10.0.0.1", ["1.1.1.1, 198.51.100.7:4711"], "198.51.100.7"),
        ("10.0.0.1", ["198.51.100.7:4711, 10.9.9.9:80, "], "198.51.100.7"),
        ("10.0.0.1", ["198.51.100.7:"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7:4711:1"], "10.0.0.1"),
        ("10.0.0.1", ["[2001:db8:1:2:3:4:5:6]:443"], "2001:db8:1:2::/64"),
        ("10.0.0.1", ["[2001:db8:1:2:3:4:5:6]"], "2001:db8:1:2::/64"),
        ("10.0.0.1", ["[2001:db8:1:2:3:4:5:6]443"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9," * 500 + "198.51.100.7"], "198.51.100.7"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        ("::ffff:10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", [], "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", [], "2001:db8:1:3::/64"),
        ("", [], UNKNOWN),
        (None, [], UNKNOWN),
    ],
)
def test_whose_request_it_is(peer: str | None, forwarded: list[str], address: str) -> None:
    assert ClientAddresses(["10.0.0.0/8"]).of(asked(peer, *forwarded)) == address


@pytest.mark.parametrize("proxy", ["::ffff:10.0.0.0/104", "::ffff:0:0/96", "::ffff:10.0.0.1", "10.0.0.0/8"])
def test_a_proxy_mapped_into_ipv6_is_believed_however_it_is_written(proxy: str) -> None:
    for peer in ("10.0.0.1", "::ffff:10.0.0.1"):
        assert ClientAddresses([proxy]).of(asked(peer, "198.51.100.7")) == "198.51.100.7"
    if proxy != "::ffff:0:0/96":
        assert ClientAddresses([proxy]).of(asked("11.0.0.1", "198.51.100.7")) == "11.0.0.1"


def test_nobody_is_believed_by_default() -> None:
    assert ClientAddresses([]).of(asked("10.0.0.1", "198.51.100.7")) == "10.0.0.1"
