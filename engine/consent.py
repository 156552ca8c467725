"""Consent of a customer, by purpose and channel: what was stated, and whether it allows what an offer needs.

What is kept is the newest time of each statement, so statements may come in any order and any number of times: the
same is kept in the end. The newest word wins, and of the same moment the one that allows less.
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Mapping, Sequence

import msgspec

from engine.errors import BadEvent
from engine.events import CHANNELS

MARKETING = "marketing"
SERVICE = "service"  # what the customer asked for: it needs no consent, and none can be revoked

#: Before the name of a consent in an offer history; no offer's id begins with it.
MARK = "!"
#: Behind such a name: when consent was asked for by who only knows an address; it is none until it is confirmed.
REQUESTED = "+"

MOST_CONSENTS = 256  # of a customer, by purpose and channel: every decision reads them all

_PURPOSE = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)


class ConsentState(enum.IntEnum):
    """What is stated. The codes are stored and travel on Kafka: never renumber.

    Granting is the first step of a double opt-in, and all of a single one; confirming is the second.
    """

    REVOKED = 0
    GRANTED = 1
    CONFIRMED = 2


class ConsentLevel(enum.IntEnum):
    """What an offer needs on a channel. The codes are arguments of functions in Redis."""

    UNLESS_REVOKED = 0
    GRANTED = 1
    CONFIRMED = 2


class ConsentStatement(msgspec.Struct, frozen=True, gc=False):
    """One statement, `at` epoch ms: for a ``purpose`` by a channel of `engine.events.CHANNELS`. ``by_address``:
    who states it is known by an address alone, which anybody may have entered, so that granting is no more than a
    request."""

    purpose: str
    channel: str
    state: ConsentState
    at: int
    by_address: bool = False

    @property
    def name(self) -> str:
        """Under which it is kept."""
        requested = self.by_address and self.state is ConsentState.GRANTED
        return name_of(self.purpose, self.channel) + REQUESTED * requested


def name_of(purpose: str, channel: str) -> str:
    """Under which a consent is kept in an offer history: ``!marketing/email``."""
    return f"{MARK}{purpose}/{channel}"


def purpose_of(text: str, field: str) -> str:
    """`text` as a purpose that consent can be given for. Raises `BadEvent`."""
    if text == SERVICE:
        raise BadEvent("bad_field", f"{SERVICE} is what the customer asked for: it needs no consent", field)
    if not is_purpose(text):
        raise BadEvent("bad_field", "1 to 32 of a-z, 0-9 and _, a letter first, such as marketing", field)
    return text


def is_purpose(text: str) -> bool:
    """Whether `text` can be a purpose."""
    return _PURPOSE.fullmatch(text) is not None


def joined(times: Sequence[int], statement: ConsentStatement) -> list[int]:
    """`times`, the newest of each state (epoch ms, 0: never), with `statement`."""
    found = [*times] if times else [0] * len(ConsentState)
    found[statement.state] = max(found[statement.state], statement.at)
    return found


def with_request(times: Sequence[int], requested: Sequence[int]) -> Sequence[int]:
    """`times` when there was a request, too (its own times; empty: none). Confirmed, it is granted: as of the
    earlier of the two, so that it holds against what was revoked before both alone. A function of the newest
    times, which only grows, so any order leads to the same.

    >>> with_request([3, 0, 5], [0, 4, 0]), with_request([3, 0, 5], [0, 6, 0]), with_request([3, 0, 0], [0, 4, 0])
    ([3, 4, 5], [3, 5, 5], [3, 0, 0])
    """
    if not times or not requested:
        return times
    revoked, granted, confirmed = times
    return [revoked, max(granted, min(requested[ConsentState.GRANTED], confirmed)), confirmed]


def allows(times: Sequence[int], level: ConsentLevel) -> bool:
    """Whether what was stated (empty: nothing was) allows what needs `level`.

    >>> allows((), ConsentLevel.UNLESS_REVOKED), allows((), ConsentLevel.GRANTED)
    (True, False)
    >>> allows((5, 9, 0), ConsentLevel.GRANTED), allows((5, 9, 0), ConsentLevel.CONFIRMED), allows((9, 9, 9), 0)
    (True, False, False)
    """
    if not times:
        return level == ConsentLevel.UNLESS_REVOKED
    revoked, granted, confirmed = times
    if level == ConsentLevel.UNLESS_REVOKED and not revoked:
        return True
    return granted > revoked and (level < ConsentLevel.CONFIRMED or confirmed > revoked)


def state_of(times: Sequence[int]) -> ConsentState:
    """What holds after `times` (not empty): what was confirmed after it was revoked, and granted anew, holds."""
    if allows(times, ConsentLevel.CONFIRMED):
        return ConsentState.CONFIRMED
    return ConsentState.GRANTED if allows(times, ConsentLevel.GRANTED) else ConsentState.REVOKED


class ConsentNeed(msgspec.Struct, frozen=True, gc=False):
    """What an offer needs on a channel: the consent's name, as kept, and the level."""

    name: str
    level: ConsentLevel

    @property
    def argument(self) -> str:
        """As the functions in Redis read it: ``1!marketing/email``; several with blanks between."""
        return f"{int(self.level)}{self.name}"


#: What each channel needs, of offers with a purpose; a channel that is missing: `UNLESS_REVOKED`.
Levels = Mapping[str, ConsentLevel]
NO_LEVELS: Levels = {}


def need_of(purpose: str, channel: str, levels: Levels) -> ConsentNeed | None:
    """What an offer of `purpose` needs on `channel`; None: nothing."""
    if purpose == SERVICE:
        return None
    return ConsentNeed(name_of(purpose, channel), levels.get(channel, ConsentLevel.UNLESS_REVOKED))


@functools.lru_cache(maxsize=4096)  # of the offers and channels of a rulebook
def arguments_of(*needs: ConsentNeed | None) -> str:
    """`needs` as one argument; empty: nothing is needed."""
    return " ".join(need.argument for need in needs if need is not None)


def parsed(argument: str) -> list[tuple[str, ConsentLevel]]:
    """Name and level of each need in what `arguments_of` made."""
    return [(part[1:], ConsentLevel(int(part[0]))) for part in argument.split()]


def split_name(name: str) -> tuple[str, str] | None:
    """Purpose and channel of a consent's name in an offer history; None: it is an offer's."""
    purpose, slash, channel = name.removeprefix(MARK).partition("/")
    return (purpose, channel) if slash and name.startswith(MARK) and channel in CHANNELS else None
