"""The mail between partitions: whether it may be switched on, and whether every worker can read it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.errors import BadSettings, Unavailable
from engine.ports.health import WorkerReport
from engine.process.doctor.finding import Finding, State
from engine.process.post import faults_of_post
from engine.settings import Post, Settings
from engine.store.redis import RedisStore


async def of_post(settings: Settings) -> list[Finding]:
    """Of the settings, and of what the workers report in Redis, which was found to answer."""
    try:
        return [*post_findings(settings.post, await _reports(settings))]
    except (BadSettings, Unavailable) as error:
        return [Finding("post", "warning", f"what workers report cannot be read: {error}")]


async def _reports(settings: Settings) -> Sequence[WorkerReport | None]:
    store = RedisStore(settings.redis, settings.kafka.partitions)
    try:
        return await store.reports()
    finally:
        await store.close()


def post_findings(post: Post, reports: Sequence[WorkerReport | None]) -> Iterable[Finding]:
    """`reports` of all partitions, None where no worker gives a sign of life."""
    faults = list(faults_of_post(post))
    yield from (Finding("post", "bad", fault) for fault in faults)
    alive = [(partition, report) for partition, report in enumerate(reports) if report is not None]
    old = [partition for partition, report in alive if report.mail_keys is None]
    if old and post.on:
        detail = "have workers that cannot read mail: they make it dead letters. Upgrade all workers first"
        yield Finding("post", "bad", f"partitions {_listed(old)} {detail}")
    signing = post.secrets[0].id if post.secrets else ""
    without = [p for p, report in alive if report.mail_keys is not None and signing not in report.mail_keys]
    if signing and without:
        detail = f"have workers without the secret {signing!r}, the first of post.secrets, which signs"
        state: State = "bad" if post.on else "warning"
        yield Finding("post", state, f"partitions {_listed(without)} {detail}: give it to all first")
    if not faults and not (post.on and old) and not (signing and without):
        yield Finding("post", "good", _state(post, old, len(alive)))


def _state(post: Post, old: Sequence[int], alive: int) -> str:
    if post.on:
        return f"on; {alive} partitions have workers that read mail"
    if old or not alive:
        waits = f"partitions {_listed(old)} have workers that cannot read mail" if old else "no worker is running"
        return f"off, and stays so for now: {waits}"
    return "off; every worker can read mail, so post.on may become true once all have a secret"


def _listed(partitions: Sequence[int]) -> str:
    return ", ".join(map(str, partitions))
