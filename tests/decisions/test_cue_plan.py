"""What the cues of several moments share is no more than they have in common."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.customer_id import CustomerId
from engine.decisions.arbitration import HighestPriority
from engine.decisions.experiments import ARMS, Arm
from engine.decisions.policy import make_policy
from engine.decisions.record import read_record
from engine.decisions.scoring import ExpectedValue, Scores
from engine.decisions.triggers import choose
from engine.events import Cue
from engine.kernels.catalogue import INDEX
from engine.kernels.evaluate import ACTIVATION
from engine.kernels.provenance import ANONYMOUS, SIGNED
from engine.ports.stream_store import CueChoice
from engine.rulebook.model import Offer
from models.propensity import Counts, fit
from tests.decisions.builders import NOW, shop

BURSTY, CARTED = 0, 1


class PropensityOnly(ExpectedValue):
    """What an offer is worth does not count."""

    def fit(self, offers: Sequence[Offer], counts: Counts) -> Scores:
        table = fit(offers, counts)
        return Scores(table.channels, table.mean, table.mean)


class LowestPriority(HighestPriority):
    """The other way round."""

    def order(
        self, offers: Sequence[Offer], positions: Sequence[int], priority: NDArray[np.float64]
    ) -> NDArray[np.intp]:
        return super().order(offers, positions, priority)[::-1]


class ByLetter:
    """The first letter of the customer says which."""

    arms = (
        ARMS[0],
        Arm("worst", ExpectedValue(), LowestPriority()),
        Arm("likely", PropensityOnly(), HighestPriority()),
    )

    def assign(self, customer: CustomerId) -> Arm:
        return self.arms["abc".index(customer[0])]


BY_LETTER = make_policy(shop(), {}, ByLetter())


def asked_at_once(moments_of: Sequence[tuple[bytes, tuple[int, ...], int, int]]) -> list[CueChoice]:
    """Each of (customer, indicators, bursts, flags) at its own moment."""
    made = []
    for place, (_, indicators, bursts, provenance) in enumerate(moments_of):
        one = np.zeros(len(indicators), ACTIVATION)
        one["indicator"], one["at"], one["event"], one["slot"] = indicators, NOW + place, place, place
        one["provenance"] = provenance
        one["features"][:, [INDEX.session_bursts, INDEX.cart_items, INDEX.cart_value]] = bursts, 2, 80
        made.append(one)
    customers = [customer for customer, indicators, *_ in moments_of for _ in indicators]
    ids = np.arange(100, 100 + len(moments_of), dtype=np.uint64)
    return choose(BY_LETTER, customers, np.concatenate(made), ids, "€", 0)


def without_moments(choice: CueChoice) -> list[object]:
    """All of a choice that does not say when it was and which event made it."""
    found: list[object] = [choice.customer]
    for one in choice.candidates:
        cue, record = msgspec.json.decode(one.payload, type=Cue), read_record(one.record)
        found += [
            msgspec.structs.replace(cue, at=0, expires_at=0, decision_id=cue.decision_id.rpartition("-")[2]),
            msgspec.structs.replace(record, at=0),
            (one.offer_id, one.cap_max, one.cap_period_ms, one.places, one.needs, one.ends > 0),
        ]
    return found


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"ada", b"anna", b"bob", b"cyd"]),
            st.sampled_from([(BURSTY,), (CARTED,), (BURSTY, CARTED)]),
            st.sampled_from([0, 3, 9]),
            st.sampled_from([0, SIGNED, ANONYMOUS]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_what_moments_share_does_not_mix_them_up(
    moments_of: list[tuple[bytes, tuple[int, ...], int, int]],
) -> None:
    """Of three arms: each is answered as if it were asked alone."""
    alone = [choice for one in moments_of for choice in asked_at_once([one])]
    at_once = asked_at_once(moments_of)
    assert list(map(without_moments, at_once)) == list(map(without_moments, alone))
    for choice in at_once:
        (arm,) = {read_record(one.record).arm for one in choice.candidates}
        assert arm == {b"a": "all", b"b": "worst", b"c": "likely"}[choice.customer[:1]]
