"""Vendors' signatures: made by hand as each publishes it, and every change of what is signed is noticed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import NotAuthorised
from engine.ports.sources import Delivery
from engine.sources.contacts.signature import Signature, addresses_of
from engine.sources.registry import contact_sources
from tests.sources.contacts import ROOT

SECRET = "the-secret-that-the-vendor-shows"
PUBLIC = "https://cueline.example"
SIGNING = contact_sources(
    ROOT / "config" / "sources",
    secrets={name: [b"the-one-of-before", SECRET.encode()] for name in ("twilio", "zendesk")},
    public_url=PUBLIC,
)
URL = f"{PUBLIC}/v1/contact-events/twilio?region=eu"


def twilio(fields: dict[str, str], url: str = URL, secret: str = SECRET) -> str:
    """As https://www.twilio.com/docs/usage/security has it."""
    text = url + "".join(name + fields[name] for name in sorted(fields))
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()


FIELDS = {"TaskSid": "WT1", "EventType": "task.created", "Empty": "", "Mark": "ü +&="}


@pytest.mark.parametrize("url", [URL, URL.replace("example", "example:443")])
def test_a_form_is_signed_over_the_public_address_with_its_port_or_without(url: str) -> None:
    body = urlencode(FIELDS).encode()
    SIGNING["twilio"].check(Delivery(body, {"x-twilio-signature": twilio(FIELDS, url)}, URL))


@pytest.mark.parametrize(
    ("fields", "url", "signature"),
    [
        (FIELDS, URL, twilio(FIELDS, secret="another")),
        (FIELDS, URL, twilio(FIELDS, URL + "&more=1")),
        (FIELDS, URL.replace("https", "http"), twilio(FIELDS)),
        (FIELDS, "", twilio(FIELDS)),
        ({**FIELDS, "TaskSid": "WT2"}, URL, twilio(FIELDS)),
        ({**FIELDS, "More": ""}, URL, twilio(FIELDS)),
        (FIELDS, URL, twilio(FIELDS).lower()),
        (FIELDS, URL, "ü"),
        (FIELDS, URL, ""),
    ],
)
def test_what_is_not_signed_so_is_refused(fields: dict[str, str], url: str, signature: str) -> None:
    with pytest.raises(NotAuthorised) as refused:
        SIGNING["twilio"].check(Delivery(urlencode(fields).encode(), {"x-twilio-signature": signature}, url))
    assert refused.value.field == "X-Twilio-Signature"
    assert SECRET not in str(refused.value)


def test_a_time_in_a_header_is_signed_before_the_body() -> None:
    """As https://developer.zendesk.com/documentation/webhooks/verifying/ has it."""
    body, at = '{"type":"ü"}'.encode(), "2023-11-14T22:13:20Z"
    signature = base64.b64encode(hmac.new(SECRET.encode(), at.encode() + body, hashlib.sha256).digest()).decode()
    headers = {"x-zendesk-webhook-signature": signature, "x-zendesk-webhook-signature-timestamp": at}
    SIGNING["zendesk"].check(Delivery(body, headers))
    for changed in (
        Delivery(body + b" ", headers),
        Delivery(body, {**headers, "x-zendesk-webhook-signature-timestamp": "2023-11-14T22:13:21Z"}),
        Delivery(body, {"x-zendesk-webhook-signature": signature}),
        Delivery(body, {}),
    ):
        with pytest.raises(NotAuthorised):
            SIGNING["zendesk"].check(changed)


def test_where_no_secret_is_known_and_where_nobody_signs_nothing_is_asked_for() -> None:
    contact_sources(ROOT / "config" / "sources")["twilio"].check(Delivery(b"", {}))
    SIGNING["genesys"].check(Delivery(b"", {}))


@given(
    st.binary(max_size=60),
    st.sampled_from(["sha1", "sha256", "sha512"]),
    st.sampled_from(["hex", "base64"]),
    st.binary(min_size=1, max_size=20),
    st.text("abc=", max_size=4),
)
def test_any_body_is_signed_as_the_table_says(
    body: bytes, name: str, encoding: str, key: bytes, prefix: str
) -> None:
    signature = Signature("X-Sign", "v0:{X-At}:{body}", name, encoding, prefix)  # type: ignore[arg-type]
    digest = hmac.new(key, b"v0:7:" + body, name).digest()
    shown = prefix + (digest.hex() if encoding == "hex" else base64.b64encode(digest).decode())
    signature.check(Delivery(body, {"x-sign": shown, "x-at": "7"}), [key])
    with pytest.raises(NotAuthorised):
        signature.check(Delivery(body, {"x-sign": shown, "x-at": "8"}), [key])


@pytest.mark.parametrize(
    ("url", "others"),
    [
        ("https://a.example/x", ["https://a.example:443/x"]),
        ("https://a.example:443/x", ["https://a.example/x"]),
        ("http://a.example/x", ["http://a.example:80/x"]),
        ("https://a.example:8443/x", []),
        ("https://k:s@a.example/x", ["https://k:s@a.example:443/x"]),
        ("https://[::1]/x", ["https://[::1]:443/x"]),
        ("https://[::1]:444/x", []),
        ("", []),
        ("nonsense", []),
    ],
)
def test_an_address_has_its_schemes_port_or_not(url: str, others: list[str]) -> None:
    assert addresses_of(url) == [url, *others]
