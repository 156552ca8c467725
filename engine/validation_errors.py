"""Parse msgspec's validation errors, which name the field only in their text."""

from __future__ import annotations

import re

_FIELD = re.compile(r"Object (?:missing required|contains unknown) field `(.*)`", re.DOTALL)


def describe_validation_error(fault: str) -> tuple[str, str]:
    """Detail and field (a path, empty for the whole) of a ValidationError's text.

    >>> describe_validation_error("Expected `int`, got `str` - at `$.limit`")
    ('Expected `int`, got `str`', 'limit')
    >>> describe_validation_error("Object missing required field `channel`")
    ('Object missing required field `channel`', 'channel')
    """
    # from the end: a value that is quoted before it may look the same
    detail, at, path = fault.rpartition(" - at `$")
    if not at:
        detail, path = fault, ""
    named = _FIELD.fullmatch(detail)
    parts = (path.removesuffix("`").lstrip("."), named[1] if named else "")
    return detail, ".".join(filter(None, parts))
