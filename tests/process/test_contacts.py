"""The contact centre's sources as settings have them, and what `cueline doctor` says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import BadRule, BadSettings, NotAuthorised
from engine.ports.sources import Delivery
from engine.process.contacts import configured_contacts
from engine.process.doctor.contacts import of_contacts
from engine.settings import Settings
from engine.sources.segment.limits import LIMITS

ROOT = Path(__file__).parents[2]
SHIPPED = str(ROOT / "config" / "sources")


def settings(**contacts: Any) -> Settings:
    return Settings.model_validate({"contacts": {"mappings": SHIPPED, **contacts}})


def test_without_settings_all_sources_are_there_and_nothing_is_signed() -> None:
    found = of_contacts(settings())
    assert (found.name, found.state) == ("contacts", "good")
    assert found.detail.startswith("amazon_connect, asterisk, chatwoot, cloudevents, email, email_mailgun, ")
    assert found.detail.endswith("; no signature is checked")


def test_a_secret_makes_signatures_needed_and_two_may_be_valid() -> None:
    secrets = [{"source": "chatwoot", "secret": "of-before"}, {"source": "chatwoot", "secret": "of-now"}]
    given = settings(secrets=secrets)
    with pytest.raises(NotAuthorised):
        configured_contacts(given, LIMITS)["chatwoot"].check(Delivery(b"{}"))
    detail = of_contacts(given).detail
    assert detail.endswith("signatures are checked of chatwoot")
    assert "of-now" not in detail


@pytest.mark.parametrize("url", ["https://a.example", "http://a:8080", "https://[::1]:1/prefix", "https://a/"])
def test_where_the_api_is_may_have_a_port_and_a_path(url: str) -> None:
    assert of_contacts(settings(public_url=url)).state == "good"


@pytest.mark.parametrize(
    ("contacts", "said"),
    [
        ({"secrets": [{"source": "genesys", "secret": "s"}]}, "no source that signs"),
        ({"secrets": [{"source": "twilio", "secret": "s"}]}, "contacts.public_url is needed"),
        ({"secrets": [{"source": "chatwoot", "secret": "s"}, {"source": "chatwoot", "secret": ""}]}, "is empty"),
        ({"secrets": [{"source": "chatwoot", "secret": " "}]}, "of chatwoot, is empty"),
        *(
            ({"public_url": url}, "contacts.public_url: write")
            for url in ("cueline.example", "https://", "https://a b", "https://a/?x=1", "ftp://a", "https://[::1")
        ),
    ],
)
def test_settings_that_contradict_each_other_are_said(contacts: dict[str, Any], said: str) -> None:
    found = of_contacts(settings(**contacts))
    assert (found.state, said in found.detail) == ("bad", True)
    with pytest.raises(BadSettings, match=said):
        configured_contacts(settings(**contacts), LIMITS)


def test_faults_of_mapping_files_are_said(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text("source: shop\nkinds: 7\n")
    found = of_contacts(settings(mappings=str(tmp_path)))
    assert (found.state, len(found.detail.splitlines())) == ("bad", 2)
    with pytest.raises(BadRule):
        configured_contacts(settings(mappings=str(tmp_path)), LIMITS)


def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    found = of_contacts(settings(mappings=str(tmp_path / "nowhere")))
    assert found.state == "warning"
    assert f"{tmp_path / 'nowhere'}: no such directory" in found.detail
    assert found.detail.startswith("amazon_connect, chatwoot, cloudevents only")
