"""E-mail addresses and phone numbers: one form for each, and those that are nobody's own."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadEvent
from engine.events import Rank
from engine.identity.addresses import LONGEST, SHARED, email, phone
from engine.identity.identification import Identification
from engine.reserved_ids import is_reserved

SECRET = b"s" * 32


def refusal(read: Callable[..., object], written: str, *more: object) -> str:
    with pytest.raises(BadEvent) as refused:
        read(written, *more)
    assert len(written) < 4 or written not in str(refused.value)  # what is refused is not quoted
    return refused.value.code


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("ann@shop.de", "ann@shop.de"),
        ("  Ann@SHOP.de\n", "ann@shop.de"),
        ("Ann+News@gmail.com", "ann+news@gmail.com"),  # another mailbox, as far as anybody knows
        ("a.b@gmail.com", "a.b@gmail.com"),
        ("ann@xn--bcher-kva.de", "ann@bücher.de"),
        ("ann@BÜCHER.de", "ann@bücher.de"),
        ("u\u0308nal@shop.de", "ünal@shop.de"),
    ],
)
def test_an_e_mail_address_has_one_form(written: str, normal: str) -> None:
    assert email(written) == normal
    assert email(normal) == normal


@pytest.mark.parametrize(
    "written", ["", "ann", "ann@", "ann@localhost", "ann@shop", "Ann <ann@shop.de>", "a b@x.de"]
)
def test_what_is_no_e_mail_address_is_refused(written: str) -> None:
    assert refusal(email, written) == "bad_field"


@pytest.mark.parametrize("local", ["noreply", "No-Reply", "info", "TEST", "nobody", "mailer-daemon", "unknown"])
def test_an_e_mail_address_that_is_nobodys_own_is_refused(local: str) -> None:
    assert refusal(email, f"{local}@shop.de") == SHARED


@pytest.mark.parametrize(
    ("written", "region", "normal"),
    [
        ("+49 30 1234567", "", "+49301234567"),
        ("+49 30 1234567", "US", "+49301234567"),
        ("030/123 45 67", "DE", "+49301234567"),
        ("(0)30 1234567", "DE", "+49301234567"),
        ("0049 30 1234567", "DE", "+49301234567"),
        ("tel:+49-30-1234567", "", "+49301234567"),
        ("06 1234 5678", "IT", "+390612345678"),
        ("(202) 555-0123", "US", "+12025550123"),
        ("０３０ １２３４５６７", "DE", "+49301234567"),
    ],
)
def test_a_phone_number_has_one_form(written: str, region: str, normal: str) -> None:
    assert phone(written, region) == normal
    assert phone(normal, region) == normal


@pytest.mark.parametrize(
    ("written", "region"), [("", "DE"), ("30 1234567", ""), ("112", "DE"), ("0000000000", "DE"), ("ann", "DE")]
)
def test_what_is_no_phone_number_is_refused(written: str, region: str) -> None:
    assert refusal(phone, written, region) == "bad_field"


@pytest.mark.parametrize(
    "written",
    ["anonymous", "Anonymous", '"Anonymous"', "<anonymous>", "Withheld", "PRIVATE", "restricted", "unknown",
     "+266696687", "266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"],
)  # fmt: skip
def test_a_withheld_number_is_refused(written: str) -> None:
    assert refusal(phone, written, "US") == SHARED


@pytest.mark.parametrize(
    "written", ["+1 800 356 9377", "+49 800 1234567", "+49 900 1234567", "+12025550123 ext. 5"]
)
def test_a_companys_number_is_refused(written: str) -> None:
    assert refusal(phone, written, "") == SHARED


@pytest.mark.parametrize(("size", "code"), [(LONGEST, "bad_field"), (LONGEST + 1, "too_large")])
def test_what_is_too_long_is_not_looked_at(size: int, code: str) -> None:
    assert (refusal(email, "a" * size), refusal(phone, "7" * size, "DE")) == (code, code)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (email, phone):
        with suppress(BadEvent):
            found = read(text)
            assert read(found) == found


def test_a_name_is_the_hmac_of_the_normal_form_and_its_kind() -> None:
    names = Identification(SECRET, "DE")
    digest = hmac.new(SECRET, b"email\0ann@shop.de", hashlib.sha256).hexdigest()[:32]
    found = names.email("ANN@shop.de ", "traits.email")
    assert (found.id, found.rank, found.field) == (f"email:{digest}", Rank.ADDRESS, "traits.email")
    assert found.vouched
    assert not found.alias
    digest = hmac.new(SECRET, b"phone\0+49301234567", hashlib.sha256).hexdigest()[:32]
    assert names.phone("030 1234567", "phone", "twilio", False).id == f"phone:{digest}"
    assert names.email("ann@shop.de", "").id != Identification(b"t" * 32).email("ann@shop.de", "").id
    assert is_reserved(found.id)


def test_a_source_may_have_a_region_of_its_own() -> None:
    names = Identification(SECRET, "DE", {"twilio": "US"})
    german, american = names.phone("+49301234567", "", "genesys"), names.phone("+12025550123", "", "genesys")
    assert names.phone("030 1234567", "", "genesys") == german
    assert names.phone("202 555 0123", "", "twilio") == american


def test_listed_numbers_and_addresses_are_nobodys() -> None:
    names = Identification(SECRET, "DE", shared=["030 1234567", "+4940777*", "Desk@Shop.DE", "info@shop.de"])
    for written in ("+49 30 1234567", "040 7771234"):
        assert refusal(names.phone, written, "phone", "x") == SHARED
    assert refusal(names.email, "desk@shop.de", "email") == SHARED
    assert names.phone("030 1234568", "", "x").id
    assert names.email("desk@shop.com", "").id
    with pytest.raises(BadEvent, match=r"^shared_id: traits\.email: "):
        names.email("desk@shop.de", "traits.email")


@pytest.mark.parametrize("listed", ["", "*", "+4*", "ann", "+49*30*", "ann@"])
def test_a_list_that_names_neither_is_refused(listed: str) -> None:
    with pytest.raises(ValueError, match="neither an e-mail address nor a phone number"):
        Identification(SECRET, "DE", shared=[listed])
