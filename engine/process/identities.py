"""Shows, links and splits identities from the command line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from engine.clock import wall_ms
from engine.customer_id import CustomerId
from engine.errors import BadSettings
from engine.kafka.producer import KafkaLog
from engine.kafka.topics import make_topics, topics_of
from engine.placeholder_ids import words
from engine.ports.kafka import AuditAction, AuditEntry
from engine.process.erasure import engine_time, opened
from engine.settings import Settings
from engine.web.api.customers import Identities, asked_for
from engine.web.api.identities import (
    OFF,
    IdentityReceipt,
    checked_link,
    checked_split,
    identities_of,
    write_link,
    write_split,
)
from engine.web.api.known_links import KnownLinks

OPERATOR = "cueline identity"  # in the audit, and by whom links are known to be


async def show(settings: Settings, text: str) -> Identities:
    """Whose the id `text` is, and how its links came. Raises `BadRequest`, `NotFound` and `Unavailable`."""
    async with opened(settings) as store:
        return await identities_of(KnownLinks(store), _asked(settings, text))


async def link(settings: Settings, text: str, into: str) -> IdentityReceipt:
    """Write to the log that the id `text` is the customer `into`. Raises as `show`, and `BadSettings` where links
    are off."""
    customer, upper = _asked(settings, text), _asked(settings, into)
    _require_links(settings)
    now = await engine_time(settings)
    async with opened(settings) as store:
        checked = await checked_link(KnownLinks(store), customer, upper, now, OPERATOR)
    return await _written(settings, customer, AuditAction.LINK_ASKED, lambda log: write_link(log, checked))


async def split(settings: Settings, text: str) -> IdentityReceipt:
    """Write to the log that the id `text` is its own again. Raises as `link`."""
    customer = _asked(settings, text)
    _require_links(settings)
    now = await engine_time(settings)
    async with opened(settings) as store:
        checked = await checked_split(KnownLinks(store), customer, now, OPERATOR)
    return await _written(settings, customer, AuditAction.SPLIT_ASKED, lambda log: write_split(log, checked))


async def _written(
    settings: Settings,
    customer: CustomerId,
    action: AuditAction,
    write: Callable[[KafkaLog], Awaitable[IdentityReceipt]],
) -> IdentityReceipt:
    async with _opened_log(settings) as log:
        receipt = await write(log)
        await log.publish_audit([AuditEntry(OPERATOR, action, customer, wall_ms())])
        return receipt


@asynccontextmanager
async def _opened_log(settings: Settings) -> AsyncIterator[KafkaLog]:
    log = KafkaLog(settings.kafka)
    await make_topics(settings.kafka, topics_of(settings.kafka))
    try:
        await log.open()
        yield log
    finally:
        await log.close()


def _asked(settings: Settings, text: str) -> CustomerId:
    return asked_for(text, "ID", words(settings.payloads.placeholder_ids))


def _require_links(settings: Settings) -> None:
    if not settings.identity.links:
        raise BadSettings(OFF)
