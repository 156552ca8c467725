"""Links between ids: whether all processes follow them, so that they may be switched on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from engine.errors import BadSettings, Unavailable
from engine.identity.link import RULES
from engine.ports.health import ApiReport, WorkerReport
from engine.post.ledger import Ledger
from engine.process.doctor.finding import Finding
from engine.process.identity import faults_of_identity
from engine.settings import Settings
from engine.store.redis import RedisStore

NAME = "links"


class Seen(msgspec.Struct, frozen=True):
    """``workers`` of all partitions, None where none gives a sign of life; the ``apis`` that do, and how many
    processes are ``listeners`` for cues; which partitions are ``mailing``."""

    workers: Sequence[WorkerReport | None] = ()
    apis: Sequence[ApiReport] = ()
    listeners: int = 0
    mailing: Sequence[bool] = ()


async def of_links(settings: Settings) -> list[Finding]:
    """Of the settings, and of what processes report in Redis, which was found to answer."""
    try:
        return [*link_findings(settings, await _seen(settings))]
    except (BadSettings, Unavailable) as error:
        return [Finding(NAME, "warning", f"what processes report cannot be read: {error}")]


async def _seen(settings: Settings) -> Seen:
    store = RedisStore(settings.redis, settings.kafka.partitions)
    try:
        ledgers = await asyncio.gather(*map(store.post, range(settings.kafka.partitions)))
        mailing = [Ledger(fields).mails_from is not None for fields in ledgers]
        listeners = await store.listeners()  # before the reports: who begins meanwhile is not taken for an old one
        return Seen(await store.reports(), await store.api_reports(), listeners, mailing)
    finally:
        await store.close()


def link_findings(settings: Settings, seen: Seen) -> Iterable[Finding]:
    """Whether what is `seen` suits `settings`."""
    faults = list(faults_of_identity(settings))
    yield from (Finding(NAME, "bad", fault) for fault in faults)
    if not settings.identity.links:
        others = list(_set_otherwise(seen, False))
        yield from (Finding(NAME, "warning", f"off here, but {why}") for why in others)
        if not (faults or others):
            yield Finding(NAME, "good", _off(seen))
        return
    wrong = [*_old_workers(seen), *_not_mailing(seen)]
    strangers = [*_old_apis(seen), *_set_otherwise(seen, True)]
    yield from (Finding(NAME, "bad", f"on, but {why}: links are dead letters there") for why in wrong)
    yield from (Finding(NAME, "warning", f"on, but {why}") for why in strangers)
    if not (faults or wrong or strangers):
        yield Finding(NAME, "good", f"on; {len(seen.apis)} api processes, and every worker follows links")


def _off(seen: Seen) -> str:
    waits = [*_old_workers(seen), *_old_apis(seen), *_not_mailing(seen)]
    if not any(seen.workers):
        waits = ["no worker is running"]
    if waits:
        return f"off, and stays so for now: {'; '.join(waits)}"
    return "off; every process follows links, so identity.links may become true in the apis"


def _old_workers(seen: Seen) -> Iterator[str]:
    old = [p for p, report in enumerate(seen.workers) if report is not None and (report.links or 0) < RULES]
    if old:
        yield f"partitions {', '.join(map(str, old))} have workers of a release that does not follow links"


def _old_apis(seen: Seen) -> Iterator[str]:
    """An api process of before reports nothing, and listens for cues all the same."""
    old = max(seen.listeners - len(seen.apis), 0) + sum(one.links < RULES for one in seen.apis)
    if old:
        yield (
            f"{old} of those who listen for cues are no api processes of this release: of a linked id "
            "they know nothing, and give fallbacks"
        )


def _set_otherwise(seen: Seen, on: bool) -> Iterator[str]:
    """Api processes of this release whose settings say another word than these do."""
    others = sum(one.links_on is not on for one in seen.apis)
    if others:
        which = f"{others} of {len(seen.apis)} api processes have them {'off' if on else 'on'}"
        harm = "the ids of what comes in there are not linked" if on else "ids that come in there are linked"
        yield f"{which}: {harm}. Give all the same identity.links, and start them again, one after the other"


def _not_mailing(seen: Seen) -> Iterator[str]:
    silent = [p for p, mails in enumerate(seen.mailing) if not mails]
    if silent:
        yield f"partitions {', '.join(map(str, silent))} do not mail yet (post.on, in every worker)"
