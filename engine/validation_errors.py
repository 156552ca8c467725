"""What msgspec raises, and its validation errors in plain words; they name the field only in their text."""

from __future__ import annotations

import re

import msgspec

#: All that msgspec raises for bytes that others wrote. Only the first is its own: the second comes of a text that
#: is not UTF-8, the third of arrays within arrays, also where nobody reads them.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_FIELD = re.compile(r"Object (?:missing required|contains unknown) field `(.*)`", re.DOTALL)
_TYPES = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_UNKNOWN = re.compile(r"Invalid enum value (.*)", re.DOTALL)
_NOUNS = {
    "object": "an object",
    "array": "an array",
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "datetime": "a time",
    "null": "null",
}


def describe_validation_error(fault: str) -> tuple[str, str]:
    """Detail and field (a path, empty for the whole) of a ValidationError's text.

    >>> describe_validation_error("Expected `int`, got `str` - at `$.limit`")
    ('a whole number is needed, not a text', 'limit')
    >>> describe_validation_error("Object missing required field `channel`")
    ('it is needed', 'channel')
    """
    # from the end: a value that is quoted before it may look the same
    detail, at, path = fault.rpartition(" - at `$")
    if not at:
        detail, path = fault, ""
    named = _FIELD.fullmatch(detail)
    parts = (path.removesuffix("`").lstrip("."), named[1] if named else "")
    return _in_words(detail), ".".join(filter(None, parts))


def _in_words(detail: str) -> str:
    """As it is where it is no type, field or value that is wrong."""
    if found := _TYPES.fullmatch(detail):
        wanted = [noun for noun in found[1].split(" | ") if noun != "null"] or ["null"]
        return f"{' or '.join(map(_noun, wanted))} is needed, not {_noun(found[2])}"
    if detail.startswith("Object missing"):
        return "it is needed"
    if detail.startswith("Object contains unknown"):
        return "there is no such field"
    if found := _UNKNOWN.fullmatch(detail):
        return f"unknown value {found[1]}"
    return detail


def _noun(kind: str) -> str:
    return _NOUNS.get(kind, kind)
