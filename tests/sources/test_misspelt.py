"""An event name with a slip counts as another kind, and somebody should know."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import Kind
from engine.sources.segment.commerce import KINDS
from engine.sources.segment.misspelt import OTHERS, meant
from tests.sources.payloads import left_out, read, track

NAMES = sorted(KINDS)


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("Product Veiwed", "Product Viewed"),
        ("Porduct Veiwed", "Product Viewed"),
        ("product_viewed", "Product Viewed"),
        ("ProductViewed", "Product Viewed"),
        ("Produkt Viewed", "Product Viewed"),
        ("Product View", "Product Viewed"),
        ("Product Searched", "Products Searched"),
        ("Started Checkout", "Checkout Started"),
        ("Order Canceled", "Order Cancelled"),
        ("Order Completed!", "Order Completed"),
    ],
)
def test_the_name_that_was_meant_is_in_the_warning(name: str, right: str) -> None:
    made = read(track(name, anonymousId="a1"))
    assert (Kind(made.event.kind), left_out(made)) == (Kind.OTHER, [("misspelt_event", "event")])
    assert made.left_out[0].detail == f"did you mean {right}? It counts as kind other"


@pytest.mark.parametrize(
    "name",
    [*OTHERS, "Button Clicked", "Video Played", "Cart", "order", "x" * 41, "Prodxxx Viewed", "Катя", "!!", ""],
)
def test_names_of_ones_own_are_no_slips(name: str) -> None:
    assert meant(name) == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_known_name_is_no_slip(name: str) -> None:
    made = read(track(f" {name.upper()} ", anonymousId="a1"))
    assert "misspelt_event" not in dict(left_out(made))


@given(st.sampled_from(NAMES), st.data())
def test_any_slip_in_a_known_name_is_found(name: str, data: st.DataObject) -> None:
    """One letter left out, changed, added, or swapped with the next."""
    letters = name.replace(" ", "")
    at = data.draw(st.integers(1, len(letters) - 2))
    before, here, after = letters[:at], letters[at], letters[at + 1 :]
    slips = before + after, f"{before}q{after}", f"{before}{here}q{after}", before + after[0] + here + after[1:]
    written = data.draw(st.sampled_from(slips))
    assert meant(written) or written in {other.lower().replace(" ", "") for other in OTHERS}
