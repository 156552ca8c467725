"""The items of an array cut out of JSON that no decoder takes, so that what is wrong with one harms no other."""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_BRACKETS = 60_000  # looked at, in some 25 to 55 ms: 12 objects and arrays in each of 2,500 events

#: Up to the next bracket outside of strings, which matches wherever it is tried.
_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\[\s\S])*+(?:"|\\?\Z))*+(?:([\[\]{}])|\Z)')
_BLANK = b" \t\r\n\xef\xbb\xbf"  # and byte order marks
_NAME_BYTES = 64  # before a bracket: a name, a colon and blanks


def array_items(document: bytes, name: bytes) -> tuple[bytes, list[bytes] | None]:
    """`document`, an object, with its array `name` emptied, and the items of that array as they stand there; None
    where there is no such array or its brackets do not match.

    >>> array_items(b'{"a":[{"x":NaN},{"y":[1,"]"]}],"b":2}', b"a")
    (b'{"a":[],"b":2}', [b'{"x":NaN}', b'{"y":[1,"]"]}'])
    """
    named = re.compile(rb'"%b"[ \t\r\n]*+:[ \t\r\n]*+\Z' % name)
    brackets = _brackets(document)
    depth = 0
    for at, bracket in brackets:
        if depth == 1 and bracket == b"[" and named.search(document, max(0, at - _NAME_BYTES), at):
            break
        depth += 1 if bracket in b"[{" else -1
    else:
        return document, None
    return _cut(document, at + 1, brackets)


def _brackets(document: bytes) -> Iterator[tuple[int, bytes]]:
    """Place and byte of each bracket outside of strings; no more than `MAX_BRACKETS`."""
    for count, found in enumerate(_BRACKET.finditer(document)):
        if found[1] is None or count == MAX_BRACKETS:
            return
        yield found.start(1), found[1]


def _cut(document: bytes, begin: int, brackets: Iterator[tuple[int, bytes]]) -> tuple[bytes, list[bytes] | None]:
    """As `array_items`, of the array whose content begins at `begin`."""
    items: list[bytes] = []
    depth, done = 0, begin
    for at, bracket in brackets:
        if bracket in b"[{":
            if depth == 0:
                items += _scalars(document[done:at])
                done = at
            depth += 1
        elif depth == 0:
            items += _scalars(document[done:at])
            return document[:begin] + document[at:], items
        else:
            depth -= 1
            if depth == 0:
                items.append(document[done : at + 1])
                done = at + 1
    return document, None


def _scalars(between: bytes) -> list[bytes]:
    """What stands between two items beside commas and blanks: items that are no array and no object."""
    return [item for part in between.split(b",") if (item := part.strip(_BLANK))]
