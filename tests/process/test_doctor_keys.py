"""What `cueline doctor` says of the keys that let callers in."""

from __future__ import annotations

import pytest

from engine.access import KeyRecord, Scope, Trust, hash_of
from engine.process.doctor.keys import keys_finding

NOW = 1_700_000_000_000


def key(name: str, expires_at: int = 0) -> KeyRecord:
    return KeyRecord(name, hash_of(name), Trust.SECRET, (Scope.ADMIN,), expires_at=expires_at)


GOOD, LAST, ENDED = key("good"), key("last", NOW + 1), key("ended", NOW)
NOBODY = "nobody is let in; `cueline keys create` makes one"
UNREAD = "no key records, so they open nothing: 1 of those in Redis"


@pytest.mark.parametrize(
    ("configured", "kept", "unread", "state", "detail"),
    [
        ([], [], 0, "warning", f"none in the settings, none in Redis: {NOBODY}"),
        ([GOOD], [], 0, "good", "1 in the settings, none in Redis"),
        ([], [GOOD, LAST], 0, "good", "none in the settings, 2 in Redis"),
        ([GOOD], [ENDED], 0, "good", "1 in the settings, 1 in Redis; expired: 1"),
        ([ENDED], [ENDED], 0, "warning", f"1 in the settings, 1 in Redis; expired: 2: {NOBODY}"),
        ([GOOD], [], 1, "warning", f"1 in the settings, 1 in Redis; {UNREAD}"),
        ([], [], 1, "warning", f"none in the settings, 1 in Redis; {UNREAD}: {NOBODY}"),
    ],
)
def test_keys_are_counted_where_they_are_and_by_whether_they_open_anything(
    configured: list[KeyRecord], kept: list[KeyRecord], unread: int, state: str, detail: str
) -> None:
    found = keys_finding(configured, kept, unread, NOW)
    assert (found.state, found.detail) == (state, detail)
