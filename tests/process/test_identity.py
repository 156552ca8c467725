"""Settings of links: each fault in a sentence that shows no secret, and off by default."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import BadSettings
from engine.process.identity import faults_of_identity, identification_of
from engine.settings import Settings

SECRET = "0123456789abcdef0123456789abcdef"


def settings(post: bool = True, **identity: Any) -> Settings:
    return Settings.model_validate({"post": {"on": post}, "identity": identity})


def faults(post: bool = True, **identity: Any) -> list[str]:
    found = list(faults_of_identity(settings(post, **identity)))
    secret = identity.get("secret")
    assert not any(secret in fault for fault in found if secret)
    return [fault.partition(":")[0].partition(" ")[0] for fault in found]


def test_links_are_off_by_default_and_make_no_names() -> None:
    assert not Settings().identity.links
    assert identification_of(Settings()) is None
    assert identification_of(settings(post=False, secret=SECRET, region="DE")) is None


def test_links_that_are_on_make_names_and_cannot_be_without_what_they_need() -> None:
    assert identification_of(settings(links=True, secret=SECRET)) is not None
    with pytest.raises(BadSettings, match=r"identity\.links is true, and post\.on is not"):
        identification_of(settings(post=False, links=True, secret=SECRET))


def test_what_links_need() -> None:
    assert faults(links=True, secret=SECRET) == []
    assert faults(links=True, secret=SECRET, post=False) == ["identity.links"]
    assert faults(links=True) == ["identity.secret"]


@pytest.mark.parametrize(
    ("secret", "good"),
    [(SECRET, True), (SECRET[1:], False), ("a" * 64, False), ("0123456" * 10, False), ("01234567" * 4, True)],
)
def test_a_secret_has_128_random_bits_at_least(secret: str, good: bool) -> None:
    assert faults(secret=secret) == ([] if good else ["identity.secret"])


def test_countries_and_lists_are_checked_before_they_are_used() -> None:
    assert faults(region="DE", regions={"twilio": "US"}, shared=["030 1234567", "+4930*", "info@shop.de"]) == []
    assert faults(region="Germany", regions={"twilio": "us"}) == ["identity.region", "identity.regions.twilio"]
    assert faults(shared=["030 1234567", "desk"]) == ["identity.shared[0]", "identity.shared[1]"]


def test_the_secret_is_printed_nowhere() -> None:
    assert SECRET not in repr(settings(secret=SECRET))
    assert SECRET not in settings(secret=SECRET).model_dump_json()
