"""A row in two parts: joined again they are the row, and what orders count lies in one of them alone."""

from __future__ import annotations

import asyncio
import random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.events import CartLine, Kind, More, Traits
from engine.kernels.catalogue import ENTRIES
from engine.state.joined_rows import joined_rows
from engine.state.profile import profile_of
from engine.state.row_codec import read
from engine.state.row_parts import own_part, used_part
from tests.state.stored import stored
from tests.stream.link_world import BESIDE, LinkWorld, named

U = named("u", 1)
KINDS = [
    Kind.ITEM_VIEWED, Kind.CART_ADDED, Kind.CART_ADDED, Kind.CART_REMOVED, Kind.CART_VIEWED, Kind.ORDER_COMPLETED,
    Kind.ORDER_REFUNDED, Kind.CONTACT_ABANDONED, Kind.WISHLISTED, Kind.TRAITS_SET,
]  # fmt: skip
DAY_S = 86_400


async def lived(seed: int, kinds: list[Kind]) -> bytes:
    """The stored row of somebody with some events of these kinds, over a year or an hour."""
    chance, world = random.Random(seed), LinkWorld()
    span = chance.choice([3_600, 20 * DAY_S, 300 * DAY_S])
    for number in sorted(chance.sample(range(span), chance.randint(1, 60))):
        kind = chance.choice(kinds)
        fields: dict[str, object] = {"item": f"i{chance.randrange(20)}", "category": f"c{chance.randrange(14)}"}
        fields |= {"value": chance.choice([0.0, 5.0, 12.5]), "order": f"o{chance.randrange(20)}"}
        if kind is Kind.CART_VIEWED:
            lines = [CartLine(f"i{chance.randrange(20)}", 2_000, 1_000) for _ in range(chance.randint(1, 3))]
            fields = {"more": More(lines=tuple(lines))}
        if kind is Kind.TRAITS_SET:
            said = Traits(2, "crm", {f"t{chance.randrange(4)}": chance.random()})
            fields = {"more": More(kind=int(Kind.TRAITS_SET), traits=said)}
        world.happens(U, number, kind, **fields)
    await world.done()
    row = await world.stored(U)
    assert row is not None
    return row


@settings(max_examples=60)
@given(st.integers(0, 2**32))
@example(2_147_483_647)  # all orders but the newest twelve were taken back
def test_joined_again_they_are_the_row(seed: int) -> None:
    row = asyncio.run(lived(seed, KINDS))
    whole = read([row])
    parts = [bytes(stored(part)[0]) for part in (used_part(whole), own_part(whole))]
    joined = read([joined_rows(parts)])
    for name in set(whole.dtype.names or ()) - BESIDE:
        np.testing.assert_array_equal(joined[name], whole[name], name)


@pytest.mark.parametrize("seed", range(5))
async def test_of_orders_alone_nothing_is_counted_with_the_device(seed: int) -> None:
    """But that there were events, of which the newest tell the session and the cart."""
    row = read([await lived(seed, [Kind.ORDER_COMPLETED, Kind.ORDER_REFUNDED, Kind.TRAITS_SET])])
    used = used_part(row)
    now = int(row["life_last_at"][0]) + 1
    orders = [entry.name for entry in ENTRIES if entry.name.startswith(("purchases.", "orders."))]
    orders += ["category.ordered", "category.top_orders"]
    assert len(orders) > 10
    values = features(used, now)
    assert {name: values[name] for name in orders if values[name] not in (0.0, None)} == {}
    assert any(features(own_part(row), now)[name] for name in orders)


async def test_a_cart_that_was_ordered_is_empty_with_the_device_and_what_came_since_is_in_it() -> None:
    world = LinkWorld()
    world.happens(U, 1, Kind.CART_ADDED, item="tv", value=90.0, quantity=2)
    world.happens(U, 2, Kind.ORDER_COMPLETED, order="o", value=180.0)
    world.happens(U, 3, Kind.CART_ADDED, item="radio", value=20.0)
    await world.done()
    row = read([await world.stored(U)])
    merged = read([joined_rows([bytes(stored(used_part(row))[0]), bytes(stored(used_part(row))[0])])])
    assert int(merged["cart_value"][0]) == 2 * 2_000  # joining adds it up anew, without the order


async def test_who_ordered_nothing_and_said_nothing_has_no_own_part() -> None:
    row = read([await lived(1, [Kind.ITEM_VIEWED, Kind.CART_ADDED, Kind.CONTACT_ABANDONED])])
    nothing = own_part(row)
    assert not nothing.tobytes()[8:].strip(b"\0")
    assert used_part(row).tobytes() == row.tobytes()


def features(row: np.ndarray, now: int) -> dict[str, float | str | None]:
    return {name: one["value"] for name, one in profile_of(bytes(stored(row)[0]), now).features.items()}
