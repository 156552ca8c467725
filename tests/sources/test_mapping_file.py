"""Mapping files: what is wrong with one is said at its place, and the shipped ones are right."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadRule, BadSettings
from engine.sources.contacts.mapping_file import load, read_texts
from engine.sources.registry import contact_sources, sources
from tests.sources.contacts import ROOT, SHIPPED

GOOD = """source: shop
contact: call.id
kinds:
  - kind: started
    when: {type: begun}
"""


def faults(text: str) -> list[str]:
    with pytest.raises(BadRule) as bad:
        read_texts({"shop.yaml": text})
    return bad.value.faults


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "shop.yaml:1:1: file: holds no mapping"),
        ("- a\n", "shop.yaml:1:1: source: must be a mapping with source, kinds, contact"),
        (GOOD.replace("contact: call.id\n", ""), "shop.yaml:1:1: shop: contact is missing"),
        (GOOD + "contcat: x\n", "shop.yaml:6:1: shop: unknown key 'contcat'; did you mean contact?"),
        (GOOD + "source: again\n", "shop.yaml:6:1: shop: source is given twice"),
        (GOOD.replace("source: shop", "source: Shop"), "shop.yaml:1:9: Shop: source 'Shop': lower case letters,"),
        (GOOD.replace("call.id", "call..id"), "shop.yaml:2:10: shop: contact 'call..id' is no path"),
        (GOOD.replace("call.id", "[]"), "shop.yaml:2:10: shop: contact must be one, or a list of up to 8"),
        (GOOD.replace("call.id", "{a: b}"), "shop.yaml:2:10: shop: contact must be text"),
        (GOOD.replace("call.id", "x" * 201), "shop.yaml:2:10: shop: contact is longer than 200 characters"),
        (GOOD.replace("call.id", ".".join("a" * 13)), "shop.yaml:2:10: shop: contact 'a.a.a.a"),
        (
            GOOD.replace("kind: started", "kind: begun"),
            "shop.yaml:4:11: shop: kind must be one of started,",
        ),
        (GOOD.replace("kind: started", "also: x\n    kind: started"), "shop.yaml:4:11: shop: also must be one of"),
        (GOOD.replace("kind: started", "word: [x]\n    kind: started"), "shop.yaml:4:11: shop: word must be text"),
        (GOOD.replace("call.id", "{path: call.id}"), "shop.yaml:2:10: shop: when is missing"),
        (GOOD.replace("call.id", "{path: a..b, when: {c: d}}"), "shop.yaml:2:17: shop: contact 'a..b' is no path"),
        (GOOD.replace("call.id", "{path: a, when: []}"), "shop.yaml:2:26: shop: when must be a mapping of paths"),
        (GOOD.replace("kind: started", "kind: starte"), "not 'starte'; did you mean started?"),
        (
            GOOD.replace("{type: begun}", "begun"),
            "shop.yaml:5:11: shop: when must be a mapping of paths",
        ),
        (GOOD.replace("{type: begun}", "{}"), "shop.yaml:5:11: shop: when must be a mapping of paths"),
        (GOOD.replace("begun", "[]"), "shop.yaml:5:18: shop: when must be one, or a list of up to 32"),
        (GOOD.replace("begun", "null"), "shop.yaml:5:18: shop: when must be text"),
        (GOOD.replace("    when: {type: begun}\n", ""), "shop.yaml:4:5: shop: when is missing"),
        ("source: shop\ncontact: id\nkinds: []\n", "shop.yaml:3:8: shop: kinds must be a list of 1 to 64"),
        ("source: shop\ncontact: id\nkinds: started\n", "shop.yaml:3:8: shop: kinds must be a list"),
        (GOOD + "body: xml\n", "shop.yaml:6:7: shop: body must be one of json, form, not 'xml'"),
        (GOOD + "each: [a, b]\n", "shop.yaml:6:7: shop: each must be one, or a list of up to 1"),
        (GOOD + "prefix: 'a b'\n", "shop.yaml:6:9: shop: prefix 'a b': up to 16 letters"),
        (GOOD + "channel: phone\n", "shop.yaml:6:10: shop: channel must be one of voice, chat, email, messaging"),
        (GOOD + "channel: {voice: tel}\n", "shop.yaml:6:10: shop: from is missing"),
        (GOOD + "channel: {from: a, fax: b}\n", "shop.yaml:6:20: shop: unknown key 'fax'"),
        (GOOD + "signature: {over: '{body}'}\n", "shop.yaml:6:12: shop: header is missing"),
        (GOOD + "signature: {header: 'X Y'}\n", "shop.yaml:6:21: shop: header 'X Y': letters, digits and -"),
        (GOOD + "signature: {header: X, hash: md5}\n", "shop.yaml:6:30: shop: hash must be one of sha1, sha256,"),
        (
            GOOD + "signature: {header: X, over: '{url}'}\n",
            "shop.yaml:6:30: shop: over must hold {body}",
        ),
        (
            GOOD + "signature: {header: X, time: At}\n",
            "shop.yaml:6:30: shop: time must stand in over, as {At}: else",
        ),
        (GOOD + "signature: {header: X, key: none}\n", "shop.yaml:6:29: shop: key must be one of shared, public"),
        (
            GOOD + "signature: {header: X, key: public, hash: sha1}\n",
            "shop.yaml:6:43: shop: hash of a public key must be one of sha256, sha512",
        ),
        (GOOD + "time: 'a: b\n", "shop.yaml:6:"),
        (GOOD + "when: [\n", "shop.yaml:"),
        ("\t", "shop.yaml:1:1: file:"),
        ("x: &a [*a]", "shop.yaml:1:"),
        ("[" * 1_000, "shop.yaml:1:25: file: "),
        (GOOD.replace("begun", "!!python/object:os.system x"), "shop.yaml:5:18: shop: when must be text"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(text: str, fault: str) -> None:
    found = faults(text)
    assert any(fault in line for line in found), found


def test_all_faults_of_all_files_are_said_at_once() -> None:
    with pytest.raises(BadRule) as bad:
        read_texts({"a.yaml": GOOD + "body: xml\nchannel: fax\n", "b.yaml": "", "c.yaml": GOOD, "d.yaml": GOOD})
    assert [line.split(": ")[0] for line in bad.value.faults] == [
        "a.yaml:6:7",
        "a.yaml:7:10",
        "b.yaml:1:1",
        "d.yaml:1:1",
    ]


def test_a_name_that_another_source_has_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(GOOD.replace("shop", "segment", 1))
    with pytest.raises(BadRule, match="there is another source of this name"):
        contact_sources(tmp_path)


def test_numbers_and_truths_are_written_as_they_come() -> None:
    (mapping,) = read_texts({"a": GOOD.replace("{type: begun}", "{a: 4, b: 1.5, c: yes, d: no, e: 'yes', 0: x}")})
    conditions = {".".join(one.path): (one.patterns != (), one.absent) for one in mapping.kinds[0].when}
    assert conditions == {
        "a": (True, False), "b": (True, False), "c": (False, False), "d": (False, True), "e": (True, False),
        "0": (True, False),
    }  # fmt: skip


def test_a_company_adds_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(GOOD)
    (tmp_path / "notes.txt").write_text("not read")
    found = contact_sources(tmp_path)
    assert "shop" in found
    assert found["shop"].name == "shop"
    assert {"segment", "shop"} <= set(sources(contacts=found))


def test_no_directory_is_no_mapping_and_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    assert load(tmp_path / "none") == []
    (tmp_path / "shop.yaml").write_bytes(b"source: \xff")
    with pytest.raises(BadRule, match=r"shop\.yaml:1:9: file: is not UTF-8"):
        load(tmp_path)


def test_secrets_that_nobody_signs_with_are_said(tmp_path: Path) -> None:
    shipped = ROOT / "config" / "sources"
    for name in ("nobody", "genesys"):
        with pytest.raises(BadSettings, match=rf"secrets: {name}: no source that signs; there are .*twilio"):
            contact_sources(shipped, secrets={name: [b"x"]})
    with pytest.raises(BadSettings, match=r"contacts\.public_url is needed: twilio signs the address"):
        contact_sources(shipped, secrets={"twilio": [b"x"]})
    assert contact_sources(shipped, secrets={"zendesk": [b"x"]})


def test_what_is_shipped() -> None:
    assert {"genesys", "twilio", "zendesk", "asterisk", "email"} <= set(SHIPPED)


@given(st.text(max_size=200) | st.text("source: kinds\n-[]{}\"'*&!when|>#", max_size=200).map(GOOD.__add__))
def test_any_text_is_a_mapping_or_has_faults(text: str) -> None:
    with suppress(BadRule):
        read_texts({"any.yaml": text})
