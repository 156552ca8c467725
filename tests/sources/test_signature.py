"""Vendors' signatures: made by hand as each publishes it, and every change of what is signed is noticed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from urllib.parse import urlencode

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadSettings, NotAuthorised
from engine.ports.sources import Delivery
from engine.sources.contacts.signature import Signature, addresses_of
from engine.sources.registry import contact_sources
from tests.sources.contacts import NOW, ROOT, SECOND

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


SIGNED_AT = NOW // SECOND
WITHIN = 300


def chatwoot(at: str, body: bytes = b"{}") -> Delivery:
    """As `app/jobs/webhooks` of Chatwoot signs."""
    digest = hmac.new(SECRET.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
    return Delivery(body, {"x-chatwoot-signature": f"sha256={digest}", "x-chatwoot-timestamp": at})


def zendesk(at: str, body: bytes = b"{}") -> Delivery:
    """As https://developer.zendesk.com/documentation/webhooks/verifying/ has it."""
    digest = hmac.new(SECRET.encode(), at.encode() + body, hashlib.sha256).digest()
    shown = base64.b64encode(digest).decode()
    return Delivery(body, {"x-zendesk-webhook-signature": shown, "x-zendesk-webhook-signature-timestamp": at})


KEY = ec.derive_private_key(7, ec.SECP256R1())  # a test has one name in every run
PUBLIC_KEY = base64.b64encode(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def sendgrid(at: str, body: bytes = b"[]", key: ec.EllipticCurvePrivateKey = KEY) -> Delivery:
    """As https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
    has it: ECDSA of time and body, with SHA-256."""
    shown = base64.b64encode(key.sign(at.encode() + body, ec.ECDSA(SHA256()))).decode()
    headers = {"signature": shown, "timestamp": at}
    return Delivery(body, {f"x-twilio-email-event-webhook-{name}": value for name, value in headers.items()})


TIMED = contact_sources(
    ROOT / "config" / "sources",
    secrets={"chatwoot": [SECRET.encode()], "zendesk": [SECRET.encode()], "email": [PUBLIC_KEY]},
)
MAKERS = [("chatwoot", chatwoot, str(SIGNED_AT)), ("zendesk", zendesk, "2023-11-14T22:13:20Z"),
          ("email", sendgrid, str(SIGNED_AT))]  # fmt: skip


@pytest.mark.parametrize(("source", "made", "at"), MAKERS)
def test_what_was_signed_long_ago_is_refused(source: str, made: Callable[[str], Delivery], at: str) -> None:
    for age in (0, WITHIN, -WITHIN):
        TIMED[source].check(made(at), NOW + age * SECOND)
    for age in (WITHIN + 1, -WITHIN - 1, 86_400):
        with pytest.raises(NotAuthorised) as refused:
            TIMED[source].check(made(at), NOW + age * SECOND)
        assert refused.value.field.lower().endswith("timestamp")
    for unreadable in ("", "yesterday", "nan"):
        with pytest.raises(NotAuthorised):
            TIMED[source].check(made(unreadable), NOW)


@pytest.mark.parametrize(("source", "made", "at"), MAKERS)
def test_nobody_makes_an_old_signature_young(source: str, made: Callable[[str], Delivery], at: str) -> None:
    delivery = made(at)
    later = {
        name: "1700086400" if name.endswith("timestamp") else value for name, value in delivery.headers.items()
    }
    with pytest.raises(NotAuthorised) as refused:
        TIMED[source].check(msgspec.structs.replace(delivery, headers=later), NOW + 86_400 * SECOND)
    assert "wrong" in str(refused.value)


def test_how_old_it_may_be_is_a_setting() -> None:
    for within, age, fits in ((0, 10**6, True), (10, 10, True), (10, 11, False)):
        known = {"chatwoot": [SECRET.encode()]}
        source = contact_sources(ROOT / "config" / "sources", secrets=known, signed_within_ms=within * SECOND)
        try:
            source["chatwoot"].check(chatwoot(str(SIGNED_AT)), NOW + age * SECOND)
        except NotAuthorised:
            assert not fits
        else:
            assert fits


def test_a_signature_with_a_private_key_is_checked_with_the_public_one() -> None:
    good = sendgrid(str(SIGNED_AT), b'[{"event":"open"}]')
    TIMED["email"].check(good, NOW)
    name = "x-twilio-email-event-webhook-signature"
    other = ec.generate_private_key(ec.SECP256R1())
    for changed in (
        msgspec.structs.replace(good, body=good.body + b" "),
        sendgrid(str(SIGNED_AT), good.body, other),
        msgspec.structs.replace(good, headers={**good.headers, name: "AAAA"}),
        msgspec.structs.replace(good, headers={**good.headers, name: "no base64"}),
        msgspec.structs.replace(good, headers={**good.headers, name: "ü"}),
        msgspec.structs.replace(good, headers={**good.headers, name: good.headers[name].lower()}),
        msgspec.structs.replace(good, headers={}),
    ):
        with pytest.raises(NotAuthorised):
            TIMED["email"].check(changed, NOW)


def test_a_key_is_written_in_pem_as_well_and_may_be_changed() -> None:
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    other = ec.generate_private_key(ec.SECP384R1()).public_key()
    before = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    source = contact_sources(ROOT / "config" / "sources", secrets={"email": [before, pem]})["email"]
    source.check(sendgrid(str(SIGNED_AT)), NOW)


EDWARDS = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()


@pytest.mark.parametrize(
    "key",
    [b"x", b"c2VjcmV0", b"-----BEGIN PUBLIC KEY-----", PUBLIC_KEY[:-8], b"\xff",
     base64.b64encode(EDWARDS.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))],
)  # fmt: skip
def test_what_is_no_key_is_said_at_the_start(key: bytes) -> None:
    with pytest.raises(BadSettings, match="the one of email is not a public key of an elliptic curve") as refused:
        contact_sources(ROOT / "config" / "sources", secrets={"email": [PUBLIC_KEY, key]})
    assert key.decode("latin-1") not in str(refused.value) or key == b"x"
