"""Which keys are valid when, and what their records may say."""

from __future__ import annotations

import msgspec
import pytest

from engine.access import (
    CLIENT_KINDS,
    SERVER_KINDS,
    KeyRecord,
    Scope,
    Trust,
    faults_of,
    hash_of,
    kinds_of,
    make_key,
)
from engine.kernels.wire import Kind
from engine.web.auth.keys import KeyRing

KEY = make_key(Trust.SECRET)
RECORD = KeyRecord("shop", hash_of(KEY), Trust.SECRET, (Scope.DECISIONS,))


def holder(ring: KeyRing, key: str = KEY, now: int = 0) -> str | None:
    found = ring.holder(key.encode(), now)
    return found.id if found else None


def test_a_new_key_has_256_bits_and_is_never_the_same() -> None:
    keys = {make_key(trust) for trust in Trust for _ in range(50)}
    assert len(keys) == 100
    for key in keys:
        random = key.split("_", 2)[2]
        assert len(random) == 43  # 256 bits, six in a character
    assert {key.split("_")[1] for key in keys} == {"public", "secret"}


def test_nobody_holds_what_is_no_key() -> None:
    ring = KeyRing([RECORD])
    assert holder(ring) == "shop"
    for wrong in ("", KEY[:-1], KEY + " ", KEY.upper(), RECORD.hash):
        assert holder(ring, wrong) is None
    assert holder(KeyRing([]), "") is None


@pytest.mark.parametrize(("now", "valid"), [(999, True), (1_000, False), (1_001, False)])
def test_a_key_ends_at_its_time(now: int, valid: bool) -> None:
    ring = KeyRing([msgspec.structs.replace(RECORD, expires_at=1_000)])
    assert (holder(ring, now=now) is not None) == valid


def test_the_store_adds_and_takes_away_and_the_settings_win() -> None:
    ring, other = KeyRing([RECORD]), make_key(Trust.SECRET)
    stored = KeyRecord("desk", hash_of(other), Trust.SECRET, (Scope.ADMIN,))
    ring.follow([stored])
    assert (holder(ring), holder(ring, other)) == ("shop", "desk")
    ring.follow([msgspec.structs.replace(stored, id="shop"), msgspec.structs.replace(RECORD, id="thief")])
    assert (holder(ring), holder(ring, other)) == ("shop", None)
    ring.follow([])
    assert (holder(ring), holder(ring, other), len(ring)) == ("shop", None, 1)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": "Shop"}, "id"),
        ({"id": "a" * 65}, "id"),
        ({"hash": "sha256:" + "0" * 63}, "hash"),
        ({"hash": KEY}, "hash"),
        ({"scopes": ()}, "scopes"),
        ({"trust": Trust.PUBLIC}, "scopes"),
        ({"trust": Trust.PUBLIC, "scopes": (Scope.CUES_READ, Scope.ADMIN)}, "scopes"),
        ({"origins": ("shop.example",)}, "origins"),
        ({"origins": ("https://shop.example/",)}, "origins"),
        ({"origins": ("*",)}, "origins"),
        ({"origins": ("https://*.shop.example",)}, "origins"),
        ({"origins": ("https://bücher.example",)}, "origins"),  # a browser sends xn--bcher-kva.example
        ({"origins": ('https://a"b.example',)}, "origins"),
        ({"origins": ("https://shop.example:65536",)}, "origins"),
        ({"origins": ("https://shop.example:",)}, "origins"),
        ({"origins": ("https://shop.example:0443",)}, "origins"),
        ({"kinds": ("item_viewed", "page")}, "kinds"),
        ({"kinds": ("erased",)}, "kinds"),
        ({"rate": -1.0}, "rate"),
    ],
)
def test_a_record_that_is_wrong_says_where(changed: dict[str, object], field: str) -> None:
    (fault,) = faults_of(msgspec.structs.replace(RECORD, **changed))
    assert fault.startswith(f"{field}: ")


def test_a_record_that_is_right_has_no_fault() -> None:
    for good in (
        RECORD,
        msgspec.structs.replace(RECORD, id="a" * 64),
        msgspec.structs.replace(
            RECORD, origins=("http://[::1]:8080", "https://a_b.c-d.example:65535", "http://10.0.0.1")
        ),
        KeyRecord(
            "w", RECORD.hash, Trust.PUBLIC, (Scope.EVENTS_WRITE,), ("https://a.b:8443",), ("searched",), 0.5
        ),
    ):
        assert list(faults_of(good)) == []


def test_which_events_a_key_may_write() -> None:
    def kinds(trust: Trust, *scopes: Scope, named: tuple[str, ...] = ()) -> frozenset[Kind]:
        return kinds_of(KeyRecord("k", RECORD.hash, trust, scopes, (), named))

    contacts = {kind for kind in Kind if 30 <= kind <= 41}
    consents = {Kind.CONSENT_REVOKED, Kind.CONSENT_GRANTED, Kind.CONSENT_CONFIRMED}
    erasure = {Kind.ERASED}
    assert len(contacts) == 12
    assert kinds(Trust.PUBLIC, Scope.EVENTS_WRITE) == CLIENT_KINDS
    assert CLIENT_KINDS.isdisjoint({*contacts, *consents, *erasure, *SERVER_KINDS})
    assert {
        Kind.ORDER_REFUNDED,
        Kind.ORDER_CANCELLED,
        Kind.ORDER_UPDATED,
        Kind.TRAITS_SET,
    } == SERVER_KINDS
    assert {Kind.ORDER_COMPLETED, Kind.ITEM_VIEWED, Kind.OTHER} <= CLIENT_KINDS
    assert kinds(Trust.SECRET, Scope.EVENTS_WRITE) == frozenset(Kind) - contacts - consents - erasure
    assert kinds(Trust.SECRET, Scope.EVENTS_WRITE, Scope.CONTACTS_WRITE) == frozenset(Kind) - erasure
    assert kinds(Trust.SECRET, Scope.ADMIN) == frozenset(Kind) - erasure
    assert kinds(Trust.PUBLIC, Scope.EVENTS_WRITE, named=("contact_started",)) == {Kind.CONTACT_STARTED}


def test_a_key_that_was_shown_is_refused_once_it_is_gone() -> None:
    ring, other = KeyRing([RECORD]), make_key(Trust.SECRET)
    stored = KeyRecord("desk", hash_of(other), Trust.SECRET, (Scope.ADMIN,), expires_at=5)
    ring.follow([stored])
    assert [holder(ring, other, now) for now in (4, 5, 4)] == ["desk", None, "desk"]
    ring.follow([stored])
    assert holder(ring, other, 4) == "desk"
    ring.follow([msgspec.structs.replace(stored, id="till")])
    assert holder(ring, other, 4) == "till"
    ring.follow([])
    assert (holder(ring, other, 4), holder(ring)) == (None, "shop")
