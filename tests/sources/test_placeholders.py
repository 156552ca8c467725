"""Texts that stand for nobody are no ids."""

from __future__ import annotations

import pytest

from engine.errors import BadEvent
from engine.placeholder_ids import words
from engine.sources.segment.limits import Limits
from engine.sources.segment.payload import canonical, message
from tests.sources.payloads import NOW, left_out, read, refusal, track

NOBODY = [
    "undefined", "null", "NULL", " None ", "nil", "<nil>", "(null)", "NaN", "N/A", "[object Object]", "anonymous",
    "Guest", "unknown", "0", "0.0", "-0", "-1", "-", "?", '""', "{}", "[]", "\u200b", "\ufeff", "\x00", "\ufffd",
    "00000000-0000-0000-0000-000000000000", "{00000000-0000-0000-0000-000000000000}", "0" * 32, "'undefined'",
    "{{user.id}}", "${userId}", "<%= id %>", "%%USER_ID%%", "%user_id%", "#{user.id}",
    "[object HTMLInputElement]", "[Object Map]", "function () { [native code] }", "%!s(<nil>)", "Optional(nil)",
    "***", "[Filtered]", "REDACTED", "ffffffff-ffff-ffff-ffff-ffffffffffff", " {{id}} ", 0, 0.0, -0.0, -1,
]  # fmt: skip
SOMEBODY = [
    "ann", "0x1", "00000000-0000-0000-0000-000000000001", "guest-7", "Nil Smith", "10", 10, -7, "{ann}",
    "#7", "[vip] ann", "object 7", "functional", "100%", "*ann*", "fffffffe",
]  # fmt: skip


@pytest.mark.parametrize("nobody", NOBODY)
def test_the_other_id_counts(nobody: object) -> None:
    made = read(track("Products Searched", userId=nobody, anonymousId="visitor-a"))
    assert (made.customer, left_out(made)) == ("visitor-a", [("placeholder_id", "userId")])
    assert read(track(userId="ann", anonymousId=nobody)).customer == "ann"


@pytest.mark.parametrize("nobody", NOBODY)
def test_without_another_id_the_event_is_refused(nobody: object) -> None:
    assert refusal(track(userId=nobody)) == ("missing_customer", "userId")
    assert refusal(track(userId=None, anonymousId=nobody)) == ("missing_customer", "anonymousId")
    assert refusal(track(userId=nobody, anonymousId=nobody)) == ("missing_customer", "userId")


@pytest.mark.parametrize("blank", [None, "", "  ", "\xa0"])
def test_blank_ids_are_simply_missing(blank: object) -> None:
    made = read(track(userId=blank, anonymousId="visitor-a"))
    assert (made.customer, left_out(made)) == ("visitor-a", [])
    assert refusal(track(userId=blank)) == ("missing_customer", "userId")


@pytest.mark.parametrize("odd", [False, True, [], {}, 1.5, "é" * 129])
def test_an_id_that_cannot_be_read_harms_no_other(odd: object) -> None:
    made = read(track(userId=odd, anonymousId="a1"))
    assert made.customer == "a1"
    assert [field for _, field in left_out(made)] == ["userId"]
    assert read(track(anonymousId=odd)).customer == "ann"
    assert refusal(track(userId=odd))[1] == "userId"


@pytest.mark.parametrize("somebody", SOMEBODY)
def test_what_only_looks_a_little_like_one_is_an_id(somebody: object) -> None:
    made = read(track(userId=somebody, anonymousId="visitor-a"))
    assert (made.customer, left_out(made)) == (str(somebody), [])


@pytest.mark.parametrize("nobody", ["undefined", "00000000-0000-0000-0000-000000000000", False])
def test_a_placeholder_is_no_message_id(nobody: object) -> None:
    """All events that bear it would be repeats of one."""
    made = read(track(messageId=nobody), fallback_id="made")
    assert made.event.id == "made"
    assert [field for _, field in left_out(made)] == ["messageId"]
    assert refusal(track(messageId="undefined")) == ("missing_id", "messageId")


def test_the_key_of_a_record_is_held_to_the_same() -> None:
    payload = b'{"type":"page","messageId":"m","userId":"undefined"}'
    assert canonical(payload, b"ann", NOW)[0] == b"ann"
    assert refusal(payload, fallback_customer="null") == ("missing_customer", "userId")


@pytest.mark.parametrize("key", [b"\xff", b"k" * 257, b"undefined"])
def test_a_key_that_is_none_harms_no_record_that_names_its_customer(key: bytes) -> None:
    assert canonical(b'{"type":"page","messageId":"m","userId":"ann"}', key, NOW)[0] == b"ann"
    with pytest.raises(BadEvent) as refused:
        canonical(b'{"type":"page","messageId":"m"}', key, NOW)
    assert refused.value.field == "key"


def test_a_deployment_may_have_more_of_them() -> None:
    limits = Limits(placeholders=words(["Kiosk", "test user"]))
    payload = b'{"type":"page","messageId":"m","userId":"KIOSK","anonymousId":"a"}'
    assert message(payload, NOW, NOW, limits).customer == "a"
    assert message(payload, NOW, NOW).customer == "KIOSK"
