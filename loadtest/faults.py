"""``cueline bench faults``: kill -9 at random moments while a log is replayed, then compare every row.

Two workers read what one sender writes. After the last kill everything drains, and the same topic is
read once more by an undisturbed worker into an empty database of the same Redis. Rows must be equal byte
for byte, every customer must have exactly the events that were sent, and the same cues must have been written.
With ``--post`` some records lie in other partitions than their customers', and the workers mail them to each
other: no letter may be missing then. With ``--links`` (`loadtest.linked_faults`) ids become one customer's. The
undisturbed worker sends no mail, since the topic has what was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Literal

import msgspec
from rich.console import Console
from rich.progress import Progress

from engine.errors import BadSettings, Unavailable
from engine.kafka.producer import KafkaLog
from engine.ports.clock import ClockAnchor
from engine.post.ledger import Ledger
from engine.settings import Redis
from engine.state.row_codec import read
from engine.store.redis import RedisStore
from loadtest.endless_log import PATIENCE_S, EndlessLog, Log
from loadtest.fault_results import FaultsResult, RecoveryTimes
from loadtest.linked_faults import Linking
from loadtest.misplaced import MisplacingLog
from loadtest.stage import Stage

KillTarget = Literal["worker", "redis", "broker"]

WORKERS = 2
PAUSE_S = (0.5, 3.0)  # between recovery and the next kill
CUT_BYTES = (1, 200_000)  # of the append-only file, lost with Redis
QUIET_S = 5.0
USUAL_LAG_S = 0.5
POLL_S = 0.05
SENDS_NONE = {"CUELINE_POST__SEND": "false"}


async def bench_faults(
    log: Log, kills: int, targets: tuple[KillTarget, ...], broker: str, partitions: int, rules: Path, seed: int,
    console: Console, topic_config: Mapping[str, str] = MappingProxyType({}), post: bool = False,
    links: bool = False,
) -> FaultsResult:  # fmt: skip
    """Run it, on an events topic with `topic_config`, with misplaced records and mail where `post`, and with
    people who have several ids where `links`. Raises `Unavailable` when the engine does not recover, `BadSettings`
    for what cannot be killed or set."""
    if "broker" in targets and broker != "kafka":
        raise BadSettings("tansu keeps its log in memory: kill the broker with --broker kafka")
    if topic_config and broker != "kafka":
        raise BadSettings("tansu has no settings of topics: set them with --broker kafka")
    if post and partitions < 2:
        raise BadSettings("in one partition nothing is misplaced: set --partitions to 2 or more")
    with TemporaryDirectory(prefix="cueline-faults-") as folder, Progress(console=console, transient=True) as bar:
        environment = post_on() if post or links else {}
        async with Stage(Path(folder), broker, partitions, rules, topic_config, environment).set() as stage:
            writer = MisplacingLog(stage.kafka) if post else KafkaLog(stage.kafka)
            chance = random.Random(seed)
            first_at = next(log(0)).event.at
            linking = Linking(stage, log, first_at, kills, chance) if links else None
            endless = EndlessLog(writer, linking.people if linking else log)
            run = _FaultRun(stage, endless, first_at, chance, linking)
            task = bar.add_task("kills", total=kills)
            result = await run.all(kills, targets, lambda done: bar.update(task, completed=done))
            return await linking.compared(result) if linking else result


def post_on() -> dict[str, str]:
    """What has workers mail what is misplaced."""
    secret = [{"id": "bench", "secret": secrets.token_hex(32)}]
    return {"CUELINE_POST__ON": "true", "CUELINE_POST__SECRETS": msgspec.json.encode(secret).decode()}


class _FaultRun:
    """One run on a stage."""

    def __init__(
        self, stage: Stage, endless: EndlessLog, first_at: int, chance: random.Random, linking: Linking | None
    ) -> None:
        self._stage = stage
        self._endless = endless
        self._first_at = first_at
        self._chance = chance
        self._linking = linking
        self._killed: Counter[str] = Counter()
        self._recoveries: list[float] = []
        self._names = [f"worker-{number}" for number in range(1, WORKERS + 1)]

    async def all(
        self, kills: int, targets: tuple[KillTarget, ...], progress: Callable[[int], None]
    ) -> FaultsResult:
        """Replay and kill, drain, read again undisturbed, compare."""
        stage = self._stage
        await self._freeze_clock()
        for name in self._names:
            await stage.work(name, "cueline", 0)
        sending = asyncio.ensure_future(self._endless.write())
        try:
            await self._applied(1)
            if self._linking:
                self._linking.begin()
            for number in range(kills):
                await asyncio.sleep(self._chance.uniform(*PAUSE_S))
                await self._kill(targets[number % len(targets)])
                progress(number + 1)
            if self._linking:
                await self._linking.end()
        finally:
            self._endless.end()
            await sending
        with contextlib.suppress(Unavailable):  # the comparison reports what is missing
            await self._applied(self._endless.sent.total())
        await self._quiet(0)
        fenced = await self._refused()
        for name in self._names:
            await stage.supervisor.stop(name)
        await stage.work("reference", "reference", 1, SENDS_NONE)
        await self._read_again()
        return await self._compare(fenced)

    async def _freeze_clock(self) -> None:
        """Freeze the engine's clock at the first event: no timer depends on when anything was killed."""
        for database in (0, 1):
            store = RedisStore(Redis(url=self._stage.url(database)), self._stage.partitions)
            await store.set_clock(ClockAnchor(self._first_at, 0, 0))
            await store.close()

    async def _kill(self, target: KillTarget) -> None:
        began = time.monotonic()
        match target:
            case "worker":
                await self._kill_worker()
            case "redis":
                self._stage.redis.kill()
                self._cut()
                if self._linking:
                    self._linking.lost()
                await self._stage.redis.start()
            case "broker":
                self._stage.broker.kill()
                await self._stage.broker.start()
        self._killed[target] += 1
        await asyncio.sleep(USUAL_LAG_S)
        await self._keeping_up()
        self._recoveries.append(time.monotonic() - began)

    async def _kill_worker(self) -> None:
        while not (running := [pid for name in self._names if (pid := self._stage.supervisor.pid(name))]):
            await asyncio.sleep(POLL_S)
        os.kill(self._chance.choice(running), signal.SIGKILL)

    def _cut(self) -> None:
        """Lose the end of the append-only file, as a crashed machine does. While Redis rewrites it there are two:
        the end is the newer one's."""
        newest = max(self._stage.folder.glob("**/*.incr.aof"), key=lambda file: int(file.name.split(".")[-3]))
        size = newest.stat().st_size
        with newest.open("r+b") as aof:
            aof.truncate(max(size - self._chance.randint(*CUT_BYTES), size // 2))

    async def _keeping_up(self) -> None:
        """Wait until what was sent `USUAL_LAG_S` ago has been applied."""
        sent: deque[tuple[float, int]] = deque()
        give_up = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up:
            sent.append((time.monotonic(), self._endless.sent.total()))
            while len(sent) > 1 and sent[1][0] <= time.monotonic() - USUAL_LAG_S:
                sent.popleft()
            settled = sent[0][0] <= time.monotonic() - USUAL_LAG_S
            if settled and await self._count(0) >= sent[0][1]:
                return
            await asyncio.sleep(POLL_S)
        raise Unavailable(f"the workers still lag behind {PATIENCE_S:.0f} s after a kill")

    async def _applied(self, events: int) -> None:
        """Wait until `events` of those sent have been applied."""
        applied = 0
        try:
            async with asyncio.timeout(PATIENCE_S):
                while (applied := await self._count(0)) < events:
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise Unavailable(f"{applied} of {events} events applied after {PATIENCE_S:.0f} s") from error

    async def _quiet(self, database: int) -> None:
        """Wait until the store's offsets have begun and then not changed for a while."""
        before, since = [0], time.monotonic()
        while time.monotonic() - since < QUIET_S or not any(before):
            await asyncio.sleep(POLL_S)
            at = await self._positions(database)
            if at != before:
                before, since = at, time.monotonic()
            elif time.monotonic() - since > PATIENCE_S:
                raise Unavailable(f"nothing was read for {PATIENCE_S:.0f} s")

    async def _read_again(self) -> None:
        """Wait until the undisturbed worker is where the disturbed ones were: on a busy machine it pauses for
        longer than what is quiet."""
        ends, since = await self._positions(0), time.monotonic()
        before = at = await self._positions(1)
        while any(one < end for one, end in zip(at, ends, strict=True)):
            await asyncio.sleep(POLL_S)
            at = await self._positions(1)
            if at != before:
                before, since = at, time.monotonic()
            elif time.monotonic() - since > PATIENCE_S:
                raise Unavailable(f"nothing was read again for {PATIENCE_S:.0f} s")
        await self._quiet(1)

    async def _count(self, database: int) -> int:
        counts = await self._stage.ask(database, "n", "applied")
        return sum(counts)

    async def _refused(self) -> int:
        return sum(await self._stage.ask(0, "o", "refused"))

    async def _holes(self) -> int:
        """Stretches of letters that are missing, in both databases."""
        found = 0
        for database in (0, 1):
            store = RedisStore(Redis(url=self._stage.url(database)), self._stage.partitions)
            for partition in range(self._stage.partitions):
                found += Ledger(await store.post(partition)).holes
            await store.close()
        return found

    def _sent(self) -> Counter[str]:
        """How many events each customer has."""
        sent = self._endless.sent
        return self._linking.of_customers(sent) if self._linking else sent

    async def _positions(self, database: int) -> list[int]:
        return await self._stage.ask(database, "o", "offset")

    async def _compare(self, fenced: int) -> FaultsResult:
        disturbed, undisturbed = await self._stage.rows(0), await self._stage.rows(1)
        different = sum(disturbed.get(key) != undisturbed.get(key) for key in disturbed | undisturbed)
        lost = doubled = 0
        for customer, sent in self._sent().items():
            applied = disturbed.get(customer)
            had = int(read([applied])["recent_total"][0])
            lost, doubled = lost + max(sent - had, 0), doubled + max(had - sent, 0)
        sent_once, sent_anew = await self._stage.cues(0), await self._stage.cues(1)
        recoveries = sorted(self._recoveries) or [0.0]
        return FaultsResult(
            dict(self._killed),
            self._stage.broker_name,
            self._endless.sent.total(),
            len(undisturbed),
            different,
            lost,
            doubled,
            sent_anew.total(),
            ((sent_once - sent_anew) + (sent_anew - sent_once)).total(),
            fenced,
            RecoveryTimes(round(recoveries[len(recoveries) // 2], 2), round(recoveries[-1], 2)),
            sum(await self._stage.ask(0, "n", "forwarded")),
            await self._holes(),
        )
