"""`say`: a text with the customer's own numbers, ``{cart.value:money}``.

A number may be formatted ``{name}`` (as it is, at most two decimals), ``{name:.0f}`` (so many decimals),
``{name:,.0f}`` (and thousands apart), ``{name:money}`` (the shop's currency) or ``{name:duration}`` (a
feature that is a time, as "2 hours"). ``{{`` and ``}}`` are braces. A feature without a value reads "–".
Traits and words (a queue, an agent, an outcome) cannot be shown: what rules read of them is no text.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.rulebook.faults import shown, suggestion
from engine.rulebook.language.quantity import UNIT_SECONDS
from engine.state.catalogue import BY_NAME
from engine.state.words import WORD_FEATURES

PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
DECIMALS = re.compile(r",?\.[0-9]f")
NOTHING = "–"

_INSTEAD = 'Write an offer for each word, as in when: contact.queue_now == "billing"'

#: Units of a duration, by the largest unit it holds at least once (twice for days).
WORDS = ((172_800.0, 86_400.0, "day"), (3_600.0, 3_600.0, "hour"), (60.0, 60.0, "minute"), (0.0, 1.0, "second"))

Wording = Callable[[float, str], str]
Features = Sequence[float] | NDArray[np.float64]


def faults(say: str) -> Iterator[tuple[int, str]]:
    """What is wrong with a template: offset and reason of each."""
    for piece in PIECE.finditer(say):
        if piece.group() in ("{", "}"):
            close = "close it with }, or " if piece.group() == "{" else ""
            yield piece.start(), f"a lone {piece.group()}: {close}write it twice to show it"
        elif piece.group(1) is not None and (reason := _fault(piece.group(1))):
            yield piece.start() + 1, reason


def _fault(field: str) -> str:
    name, colon, form = field.partition(":")
    if name not in BY_NAME and name.partition(".")[0] in ("trait", "member"):
        return f"{shown(name)} cannot be shown: what rules read of a trait is no text"
    if name not in BY_NAME:
        return f"no feature {shown(name)}{suggestion(name, BY_NAME)}"
    if name in WORD_FEATURES:
        return f"{name} cannot be shown: a row keeps a word's hash, not its letters. {_INSTEAD}"
    if form == "duration" and BY_NAME[name].unit not in UNIT_SECONDS:
        return f"{name} is not a time"
    if colon and form not in ("money", "duration") and not DECIMALS.fullmatch(form):
        known = "there are .0f, ,.2f, money, duration"
        return f"no format {shown(form)}{suggestion(form, ('money', 'duration'))}; {known}"
    return ""


@functools.lru_cache(maxsize=4096)
def _parts(say: str) -> tuple[tuple[str, int, Wording | None], ...]:
    """The template as (text before, feature, wording), cut once."""
    parts: list[tuple[str, int, Wording | None]] = []
    text, end = "", 0
    for piece in PIECE.finditer(say):
        text, end = text + say[end : piece.start()], piece.end()
        if piece.group(1) is None:
            text += piece.group()[0]
            continue
        name, _, form = piece.group(1).partition(":")
        parts.append((text, BY_NAME[name].index, _wording(name, form)))
        text = ""
    return (*parts, (text + say[end:], 0, None))


def named(say: str) -> frozenset[int]:
    """The places of the features that a template without `faults` names."""
    return frozenset(feature for _, feature, wording in _parts(say) if wording is not None)


def render(say: str, features: Features, currency: str, hidden: Collection[int] = ()) -> str:
    """The text for a customer; `features` (F), a template that has no `faults`, the sign of the currency. Features
    at the places `hidden` read as if they had no value."""
    parts = _parts(say)
    if len(parts) == 1:
        return parts[0][0]
    out = []
    for text, feature, wording in parts:
        out.append(text)
        if wording is not None:
            value = math.nan if feature in hidden else features[feature]
            out.append(wording(value, currency) if math.isfinite(value) else NOTHING)
    return "".join(out)


def _wording(name: str, form: str) -> Wording:
    if form == "money":
        return money
    if form == "duration":
        seconds = UNIT_SECONDS[BY_NAME[name].unit]
        return lambda value, currency: duration(value * seconds)
    if form:
        return lambda value, currency: format(value, form)
    return lambda value, currency: plain(value)


def plain(value: float) -> str:
    """A finite number with at most two decimals: 3, 2.5, 0.33."""
    if value.is_integer():
        return str(int(value))  # most of them, in half the time
    return f"{value:.2f}".rstrip("0").rstrip(".")


def money(value: float, currency: str) -> str:
    """€1,249.50; a word such as EUR is set apart."""
    return f"{currency}{' ' if currency[-1:].isalpha() else ''}{value:,.2f}"


def duration(seconds: float) -> str:
    """Rounded down to whole units, so that nothing is said too early: 90 s are "1 minute"."""
    for least, unit, word in WORDS:
        if seconds >= least:
            count = int(seconds // unit)
            return f"{count} {word}{'' if count == 1 else 's'}"
    return "0 seconds"
