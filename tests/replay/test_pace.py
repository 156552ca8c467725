"""When events are due, and that sending many at once keeps each customer's order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.customer_id import customer_id
from engine.events import Event, Message
from engine.ports.clock import ClockAnchor
from engine.replay.outbox import Outbox
from engine.replay.pace import due, parse_speed


@given(
    st.integers(0, 10**13),
    st.integers(10**12, 2 * 10**12),
    st.one_of(st.integers(1, 10_000).map(float), st.floats(0.01, 10_000)),
    st.integers(0, 10**9),
)
def test_the_engine_has_reached_an_event_when_it_is_due_and_not_long_before(
    engine_ms: int, wall_ms: int, speed: float, later: int
) -> None:
    anchor, at = ClockAnchor(engine_ms, wall_ms, speed), engine_ms + later

    def engine(wall: int) -> int:
        return anchor.engine_ms + int((wall - anchor.wall_ms) * anchor.speed)

    assert engine(due(at, anchor)) >= at
    assert due(at, anchor) - wall_ms <= later / speed + 1.001


def test_a_standing_clock_makes_everything_due() -> None:
    assert due(10**15, ClockAnchor(5, 77, 0)) == 77


def test_speeds() -> None:
    assert parse_speed("max") == 0
    assert parse_speed("300") == 300
    for bad in ("0", "-1", "nan", "inf", "fast"):
        with pytest.raises(ValueError, match=r".+"):
            parse_speed(bad)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(0, 3)),
            st.tuples(st.just("take"), st.integers(1, 4)),
            st.tuples(st.just("done"), st.integers(0, 3)),
        ),
        max_size=80,
    )
)
def test_no_customer_is_under_way_twice_and_none_overtakes_itself(steps: list[tuple[str, int]]) -> None:
    outbox, under_way = Outbox(), list[list[Message]]()
    arrived, put = list[Message](), list[Message]()
    for operation, number in steps:
        if operation == "add":
            message = Message(customer_id(str(number)), Event(1, 2, len(put), str(len(put))))
            put.append(message)
            outbox.add(message)
        elif operation == "take":
            batch = outbox.take(number)
            assert len(batch) <= number
            customers = {message.customer for message in batch}
            assert not customers & {message.customer for other in under_way for message in other}
            if batch:
                under_way.append(batch)
        elif under_way:
            batch = under_way.pop(number % len(under_way))
            arrived.extend(batch)
            outbox.done(batch)
        assert len(outbox) + sum(map(len, under_way)) + len(arrived) == len(put)
    while under_way or len(outbox):
        if under_way:
            batch = under_way.pop()
            arrived.extend(batch)
            outbox.done(batch)
        batch = outbox.take(3)
        if batch:
            under_way.append(batch)
    for customer in "0123":
        assert [m for m in arrived if m.customer == customer] == [m for m in put if m.customer == customer]
