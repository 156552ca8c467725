"""Settings that are missing or unusual."""

from __future__ import annotations

import ssl
from collections.abc import Iterable

from engine.errors import BadSettings
from engine.process.access import faults_of_access, is_loopback
from engine.process.doctor.finding import Finding
from engine.settings import Kafka, Redis, Settings
from engine.store.endpoint import endpoint


def of_settings(settings: Settings) -> Iterable[Finding]:
    """Of what is unsafe, and of what contradicts nothing, but may not be meant."""
    if settings.stream.clock == "replay":
        yield Finding("clock", "warning", "stream.clock is replay: the time is what the last replay set")
    yield from _readable_secrets(settings.kafka)
    yield from _unverified(settings.redis)
    yield from _shared_address(settings)
    yield from (Finding("web", "bad", fault) for fault in faults_of_access(settings))


def _readable_secrets(kafka: Kafka) -> Iterable[Finding]:
    """Secrets that others on the network can read."""
    name = "kafka.security_protocol"
    if kafka.security_protocol == "SASL_PLAINTEXT" and kafka.sasl_mechanism in ("PLAIN", "OAUTHBEARER"):
        what = "the password" if kafka.sasl_mechanism == "PLAIN" else "a token"
        yield Finding(name, "warning", f"is SASL_PLAINTEXT: {what} is sent as it is; write SASL_SSL")
    if kafka.oauth_token_url.startswith("http://"):
        yield Finding(
            "kafka.oauth_token_url", "warning", "begins with http://: the client's secret is sent as it is"
        )


def _unverified(redis: Redis) -> Iterable[Finding]:
    """TLS that a third party can take part in."""
    try:
        context = endpoint(redis).context
    except BadSettings:  # found where Redis is looked at
        return
    if context and (context.verify_mode == ssl.CERT_NONE or not context.check_hostname):
        yield Finding(
            "redis.url", "warning",
            "leaves the certificate or its name unverified, so anybody on the way can pose as Redis: leave out "
            "what stands behind its ?, and name the authority in redis.ca_file",
        )  # fmt: skip


def _shared_address(settings: Settings) -> Iterable[Finding]:
    """Rates of addresses, where a proxy's address may be that of everybody."""
    web, rates = settings.web, settings.rates
    bounded = (
        rates.address_per_second
        or rates.failures_per_second
        or rates.address_events_per_second
        or rates.streams_per_address
    )
    if bounded and not web.trusted_proxies and not is_loopback(web.host):
        yield Finding(
            "web.trusted_proxies", "warning",
            "is empty: behind a proxy all visitors have its address, and together what [rates] gives to one; name "
            "its network, such as 10.0.0.0/8",
        )  # fmt: skip
