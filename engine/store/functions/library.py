"""The function library (`cueline.lua`): its name, and loading it into a server that does not have it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from string import Template
from typing import Any

from engine.consent import MOST_CONSENTS
from engine.decisions.record import WITHHELD
from engine.ports import agents
from engine.ports.offer_history import FROZEN
from engine.ports.traits import MARK, ORDER, PLACE
from engine.store.keys import DAY_S, HISTORY, LESSONS_KEPT_DAYS, RECENT_CUES
from engine.store.resp import pack
from engine.traits import MOST_TRAITS

LIBRARY = "cueline_21"
CUES = f"{LIBRARY}_cues"
RESERVE = f"{LIBRARY}_reserve"
TAKEN = f"{LIBRARY}_taken"
CONSENT = f"{LIBRARY}_consent"
TURN = f"{LIBRARY}_turn"
ERASE = f"{LIBRARY}_erase"
LEARN = f"{LIBRARY}_learn"
NAME = f"{LIBRARY}_name"
ADMIT_LESSON = f"{LIBRARY}_admit_lesson"
FORGET = f"{LIBRARY}_forget"
SPEND = f"{LIBRARY}_spend"
TRAITS = f"{LIBRARY}_traits"
AGENTS = f"{LIBRARY}_agents"


def code() -> bytes:
    """`cueline.lua` with the constants that Python shares with it filled in."""
    text = Path(__file__).with_name("cueline.lua").read_text()
    filled_in = {
        "LIBRARY": LIBRARY,
        "HISTORY": HISTORY,
        "FROZEN": FROZEN,
        "WITHHELD": WITHHELD,
        "MOST_CONSENTS": MOST_CONSENTS,
        "RECENT_CUES": RECENT_CUES,
        "DAY_S": DAY_S,
        "KEPT_S": LESSONS_KEPT_DAYS * DAY_S,
        "MOST_TRAITS": MOST_TRAITS,
        "MARK": MARK,
        "ORDER": ORDER,
        "PLACE": PLACE,
        "MOST_AGENTS": agents.MOST_AGENTS,
        "TIME": agents.TIME,
        "AGENT_ORDER": agents.ORDER,
    }
    return Template(text).substitute(filled_in).encode()


async def ensure(call: Callable[[bytes], Awaitable[Any]]) -> None:
    """Load the library unless the server has the same code."""
    own = code()
    stored = await call(pack(("FUNCTION", "LIST", "LIBRARYNAME", LIBRARY, "WITHCODE")))
    if not any(own in library for library in stored):
        await call(pack(("FUNCTION", "LOAD", "REPLACE", own)))
