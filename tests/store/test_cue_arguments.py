"""The command that writes cues is, byte for byte, what hiredis packs of the same arguments."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.ports.stream_store import CueCandidate, CueChoice
from engine.store.cue_arguments import write_cues
from engine.store.functions.library import CUES
from engine.store.resp import pack

NUMBERS = st.integers(0, 2**53)


@st.composite
def choices(draw: st.DrawFn) -> CueChoice:
    slots = draw(st.integers(1, 3))
    places = st.tuples(*[st.integers(0, 3)] * slots)
    candidates = st.builds(
        CueCandidate, st.text(), NUMBERS, NUMBERS, places, st.text(), st.binary(), st.binary(), NUMBERS, st.text()
    )
    return CueChoice(draw(st.binary(max_size=300)), draw(NUMBERS), tuple(draw(st.lists(candidates, max_size=4))))


@given(st.lists(choices(), max_size=4), NUMBERS)
def test_it_is_what_hiredis_packs(chosen: list[CueChoice], length: int) -> None:
    expected = pack(("FCALL", CUES, 2, b"{p}:c", b"{p}:n", length, *(one for c in chosen for one in plain(c))))
    assert b"".join(write_cues((b"{p}:c", b"{p}:n"), length, chosen)) == expected


def test_a_cue_above_64_kb() -> None:
    one = CueChoice(b"ann", 7, (CueCandidate("call", 1, 2, (1,), "0-1", b"x" * 65_535, b"y" * 65_536, 9),))
    expected = pack(("FCALL", CUES, 2, b"{p}:c", b"{p}:n", 100, *plain(one)))
    for _ in range(2):  # made, and found again
        assert b"".join(write_cues((b"{p}:c", b"{p}:n"), 100, [one])) == expected


def plain(choice: CueChoice) -> list[bytes | str | int]:
    """The arguments of one choice, as the function in Lua reads them."""
    slots = len(choice.candidates[0].places) if choice.candidates else 0
    found: list[bytes | str | int] = [choice.customer, choice.at, slots, len(choice.candidates)]
    for cue in choice.candidates:
        found += [cue.offer_id, cue.cap_max, cue.cap_period_ms, cue.ends]
        found += [cue.decision_id, cue.payload, cue.record, cue.needs, *cue.places]
    return found
