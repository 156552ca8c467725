"""The workers: whether each partition has one, of this release, and what they have to say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.errors import BadSettings, Unavailable
from engine.identity.link import RULES
from engine.ports.health import WorkerReport
from engine.process.doctor.finding import Finding
from engine.settings import Settings
from engine.store.redis import RedisStore

NAME = "workers"


async def of_workers(settings: Settings) -> list[Finding]:
    """Of what workers report in Redis, which was found to answer."""
    store = RedisStore(settings.redis, settings.kafka.partitions)
    try:
        return [*worker_findings(await store.reports())]
    except (BadSettings, Unavailable) as error:
        return [Finding(NAME, "warning", f"what workers report cannot be read: {error}")]
    finally:
        await store.close()


def worker_findings(reports: Sequence[WorkerReport | None]) -> Iterable[Finding]:
    """`reports` of all partitions, None where no worker gives a sign of life."""
    alive = [report for report in reports if report is not None]
    if not alive:
        yield Finding(NAME, "warning", "none is running, so events wait in Kafka: start some with `cueline work`")
        return
    names = len({report.worker for report in alive})
    empty = [partition for partition, report in enumerate(reports) if report is None]
    old = [partition for partition, report in enumerate(reports) if report is not None and is_older(report)]
    problems = sorted({problem for report in alive for problem in report.problems})
    if empty:
        detail = (
            "have no worker, while others have: their events wait, and no indicator is activated there. Ask again "
            "in a minute, as partitions change hands; then start another worker, and see the logs of the others"
        )
        yield Finding(NAME, "bad", f"partitions {listed(empty)} {detail}")
    if old:
        detail = (
            "have workers of an older release: stop all workers, and start those of this one (docs/upgrade.md)"
        )
        yield Finding(NAME, "warning", f"partitions {listed(old)} {detail}")
    yield from (Finding(NAME, "warning", f"one of them says: {problem}") for problem in problems)
    if not (empty or old or problems):
        yield Finding(NAME, "good", f"{names} running, and every partition has one")


def is_older(report: WorkerReport) -> bool:
    """Whether it is of a release before this one, as far as reports say."""
    return report.mail_keys is None or (report.links or 0) < RULES


def listed(partitions: Sequence[int]) -> str:
    """
    >>> listed([0, 1, 2, 5])
    '0 to 2, 5'
    """
    runs: list[list[int]] = []
    for partition in partitions:
        if runs and partition == runs[-1][-1] + 1:
            runs[-1].append(partition)
        else:
            runs.append([partition])
    ends = (f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)
    return ", ".join(ends)
