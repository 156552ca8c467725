"""When an event happened: RFC 3339 or epoch, the sender's clock skew taken out."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from engine.errors import BadEvent
from engine.events import AHEAD_MS

SECOND, DAY = 1_000, 86_400_000
AGE_MS = 400 * DAY
TRAVEL_MS = 5 * SECOND  # a request may take so long, on a first connection or after a retry
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_999  # the years 1 to 9999, which RFC 3339 can say
_SECONDS_BELOW = 1e11  # an epoch number below is in seconds (to the year 5138), else in milliseconds

#: As Ruby writes times: the zone behind a blank.
_RUBY = re.compile(r"(.{19,29}) (UTC|[+-][0-9]{2}:?[0-9]{2})", re.ASCII)


def epoch_ms(value: object, field: str) -> int | None:
    """Epoch milliseconds of an RFC 3339 text, or of an epoch number (seconds or milliseconds, also as text).

    A text without an offset is UTC. None where no time is stated: absent, blank, or PHP's false for nothing.
    Raises `BadEvent` (bad_time).
    """
    if isinstance(value, str):
        text = value.strip()
        return _from_text(text, field) if text else None
    if value is None or value is False:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_number(value, field)
    raise BadEvent("bad_time", "an RFC 3339 time or an epoch number is needed", field)


def _from_text(text: str, field: str) -> int:
    if "-" not in text:
        return _from_number(_number(text, field), field)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        if text.endswith("z"):  # RFC 3339 allows it
            return _from_text(text[:-1] + "Z", field)
        if (ruby := _RUBY.fullmatch(text)) is not None:
            return _from_text(ruby[1] + ruby[2].replace("UTC", "Z"), field)
        raise BadEvent("bad_time", "not an RFC 3339 time", field) from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return round(at.timestamp() * SECOND)


def _number(text: str, field: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadEvent("bad_time", "neither an RFC 3339 time nor an epoch number", field) from None


def _from_number(value: float, field: str) -> int:
    ms = value * SECOND if abs(value) < _SECONDS_BELOW else value
    if not _FIRST_MS <= ms <= _LAST_MS:  # compared as they are, so NaN and whole numbers of any length are refused
        raise BadEvent("bad_time", "not a time", field)
    return round(ms)


def happened_at(original: int | None, sent_at: int | None, received_at: int) -> int:
    """Event time in epoch ms: ``receivedAt - (sentAt - originalTimestamp)`` where the sender says when it
    sent, so that only how long the event waited is taken from the sender's clock (Segment's rule).

    A difference of no more than `TRAVEL_MS` is the way here and no wrong clock: then the sender's times stay as
    they are, else requests that travel at different speeds would put a visitor's events into another order."""
    if original is None:
        return received_at
    if sent_at is None or abs(received_at - sent_at) <= TRAVEL_MS:
        return original
    return received_at - (sent_at - original)


def engine_time(received_at: int, now: int) -> int:
    """`now` (engine time) to store in the event, 0 where it equals the wall's `received_at` or that is missing: in
    production it takes no bytes."""
    return now if received_at and abs(now - received_at) >= SECOND else 0


def within(at: int, now: int, field: str) -> int:
    """`at`, but not after `now`; raises `BadEvent` when it is over 24 h ahead or older than 400 days."""
    if at > now + AHEAD_MS:  # not a fast clock, but a wrong time
        raise BadEvent("bad_time", "more than 24 hours in the future", field)
    if at < now - AGE_MS:
        raise BadEvent("bad_time", "more than 400 days ago", field)
    return min(at, now)


def kept(at: int, earliest_ms: int, latest_ms: int, field: str) -> int:
    """`at`, where a customer's row can hold it; raises `BadEvent`. The worker's decoder refuses the same."""
    if at < earliest_ms:
        raise BadEvent("bad_time", f"before {_date(earliest_ms)}, the earliest time that is kept", field)
    if at > latest_ms:
        raise BadEvent("bad_time", f"after {_date(latest_ms)}, the latest time that is kept", field)
    return at


def _date(at: int) -> str:
    return datetime.fromtimestamp(at / SECOND, UTC).date().isoformat()
