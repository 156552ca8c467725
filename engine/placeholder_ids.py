"""Ids that stand for nobody: what programs write where they know no id. One list for sources and for questions.

All visitors that bear one of them would be one customer, so none of them is taken for an id.
"""

from __future__ import annotations

from collections.abc import Iterable
from string import ascii_letters

from engine.errors import BadRequest

#: In lower case, without the blanks, quotes and brackets around them.
WORDS = frozenset(
    {
        "undefined", "null", "none", "nil", "nan", "n/a", "na", "#n/a", "\\n", "-1",
        "not set", "not_set", "notset", "not available", "not_available", "not provided", "not_provided",
        "unset", "object object", "dbnull", "nonetype", "optional(nil", "redacted", "filtered", "masked",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "anonymous", "anonymoususer", "anonymous user", "anonymous_user", "anon", "guest", "guest user",
        "guest_user", "guestuser", "unknown", "unknown user", "unknown_user", "nobody", "not_authenticated",
        "not authenticated", "unauthenticated", "not logged in", "not_logged_in", "logged out", "logged_out",
        "true", "false", "id", "userid", "user_id", "user.id", "customerid", "customer_id", "customer.id",
        "anonymousid", "anonymous_id", "distinctid", "distinct_id", "visitorid", "visitor_id",
    }
)  # fmt: skip

_AROUND = " \t\r\n\v\f\0\xa0\u200b\u2060\ufeff\ufffd\"'`()[]{}<>"
_ZEROS = "0.-_,;:?/*"  # what zero UUIDs, 0, 0.0, --, ? and *** are made of
_PLAIN = frozenset(ascii_letters + "123456789")  # begins most ids, and no zeros, blanks or templates
#: Templates that nobody filled in, what scripts write of an object or a function, and Go of a missing text.
_TEMPLATES = (
    ("{{", "}}"), ("${", "}"), ("#{", "}"), ("<%", "%>"), ("%", "%"),
    ("[object ", "]"), ("function", "}"), ("%!", ")"),
)  # fmt: skip


def words(more: Iterable[str]) -> frozenset[str]:
    """`WORDS` and `more` of a deployment's own, in any case."""
    return WORDS | {word.strip(_AROUND).lower() for word in more}


def is_plain(text: str, known: frozenset[str] = WORDS) -> bool:
    """Whether `text` is of ASCII, begins and ends with a letter or digit, and is surely no placeholder."""
    return text[:1] in _PLAIN and text.isascii() and text[-1].isalnum() and text.lower() not in known


def is_placeholder(text: str, known: frozenset[str] = WORDS) -> bool:
    """Whether `text` is no id, without regard to case: blank, one of `known`, all zeros and dashes, or a template.

    >>> [is_placeholder(text) for text in ("[object Object]", "00000000-0000-0000-0000-000000000000", "u-0")]
    [True, True, False]
    """
    if is_plain(text, known):
        return False
    bare, whole = text.strip(_AROUND).lower(), text.strip().lower()
    return (
        not bare.strip(_ZEROS)
        or bare in known
        or any(whole.startswith(begin) and whole.endswith(end) for begin, end in _TEMPLATES)
    )


def refuse_placeholder(text: str, field: str, known: frozenset[str] = WORDS) -> None:
    """Raises `BadRequest` that names `field` when `text` is a placeholder."""
    if is_placeholder(text, known):
        raise BadRequest("stands for nobody: a placeholder, as programs write it that know no id", field)
