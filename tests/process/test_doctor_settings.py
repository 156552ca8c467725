"""What `cueline doctor` finds unusual in the settings alone."""

from __future__ import annotations

from typing import Any

import pytest

from engine.process.doctor.settings import of_settings
from engine.settings import Settings

NO_RATES = dict.fromkeys(
    ("address_per_second", "failures_per_second", "address_events_per_second", "streams_per_address"), 0
)


@pytest.mark.parametrize(
    ("web", "rates", "warned"),
    [
        ({"host": "0.0.0.0"}, {}, True),
        ({"host": "0.0.0.0"}, {**NO_RATES, "streams_per_address": 1}, True),
        ({"host": "0.0.0.0"}, {**NO_RATES, "failures_per_second": 1}, True),
        ({"host": "0.0.0.0"}, NO_RATES, False),
        ({"host": "0.0.0.0", "trusted_proxies": ["10.0.0.0/8"]}, {}, False),
        ({"host": "127.0.0.1"}, {}, False),
        ({"host": "localhost"}, {}, False),
    ],
)
def test_a_proxy_that_nobody_named_makes_all_visitors_one(
    web: dict[str, Any], rates: dict[str, Any], warned: bool
) -> None:
    found = list(of_settings(Settings.model_validate({"web": web, "rates": rates})))
    assert [(one.name, one.state) for one in found] == [("web.trusted_proxies", "warning")] * warned


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("redis://redis:6379/0", False),
        ("rediss://redis:6379/0", False),
        ("rediss://redis:6379/0?ssl_cert_reqs=required", False),
        ("rediss://redis:6379/0?ssl_cert_reqs=none", True),
        ("rediss://redis:6379/0?ssl_check_hostname=false", True),
        ("rediss://redis:6379/0?ssl_cert_reqs=nonsense", False),  # no such thing, which is said of Redis
    ],
)
def test_tls_that_verifies_nothing_is_warned_of(url: str, warned: bool) -> None:
    settings = Settings.model_validate({"redis": {"url": url}, "web": {"host": "127.0.0.1"}})
    assert [(one.name, one.state) for one in of_settings(settings)] == [("redis.url", "warning")] * warned
