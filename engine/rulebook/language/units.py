"""Numbers with units in a condition, ``8m`` or ``20%``, put into plain terms before it is parsed.

Python has no such numbers, and would call them a fault of its own. What stands there instead keeps its place: the
offset of each character in the text as it was written is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal

#: A unit of time -> the call that means it, and how many of these it is.
TIMES = {
    "s": ("seconds", 1), "m": ("minutes", 1), "min": ("minutes", 1), "h": ("hours", 1), "d": ("days", 1),
    "w": ("days", 7),
}  # fmt: skip
NUMBER = re.compile(r"(?<![\w.])([0-9]{1,15}(?:\.[0-9]{1,15})?)(s|min|m|h|d|w|%)(?![\w.(%])")
#: Texts as Python has them, over lines and with quotes in them too.
_TEXT = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", re.DOTALL)


def plain(text: str) -> tuple[str, Callable[[int], int]]:
    """The condition without units, and where an offset of that was in `text`.

    >>> plain("idle.seconds >= 8m and trait.share > 12.5%")[0]
    'idle.seconds >= minutes(8) and trait.share > 0.125'
    >>> plain("8m < idle.seconds")[1](13)
    5
    """
    parts: list[str] = []
    origin: list[int] = []
    end = 0
    for found in _numbers(text):
        instead = _in_plain_terms(found[1], found[2])
        parts += text[end : found.start()], instead
        origin += [*range(end, found.start()), *[found.start()] * len(instead)]
        end = found.end()
    if not parts:
        return text, lambda offset: offset
    parts.append(text[end:])
    origin += range(end, len(text))
    return "".join(parts), lambda offset: origin[offset] if offset < len(origin) else len(text)


def _numbers(text: str) -> Iterator[re.Match[str]]:
    quoted = [found.span() for found in _TEXT.finditer(text)]
    for found in NUMBER.finditer(text):
        if not any(start <= found.start() < end for start, end in quoted):
            yield found


def _in_plain_terms(number: str, unit: str) -> str:
    if unit == "%":
        return f"{Decimal(number).scaleb(-2):f}"
    call, times = TIMES[unit]
    return f"{call}({number})" if times == 1 else f"{call}({number} * {times})"
