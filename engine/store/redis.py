"""The store on Redis 7+ or Valkey: all commands over one pipelined connection."""

from __future__ import annotations

from engine.errors import Unavailable
from engine.identity.erased_ids import ErasedIds
from engine.settings import Redis
from engine.store.access_keys import KeyCommands
from engine.store.agents import AgentCommands
from engine.store.api_reports import ApiReportCommands
from engine.store.commits import StreamCommands
from engine.store.consents import ConsentCommands
from engine.store.cue_streams import CueCommands
from engine.store.decisions import DecisionCommands
from engine.store.erasures import ErasureCommands
from engine.store.held import HeldCommands
from engine.store.intakes import IntakeCommands
from engine.store.leftovers import LeftoverCommands
from engine.store.lessons import LessonCommands
from engine.store.links import LinkCommands
from engine.store.quotas import QuotaCommands
from engine.store.resp import pack
from engine.store.sent_batches import SentCommands
from engine.store.stats import StatsCommands
from engine.store.tickets import TicketCommands
from engine.store.worker_reports import WorkerReportCommands


class RedisStore(
    AgentCommands,
    ApiReportCommands,
    StreamCommands,
    IntakeCommands,
    DecisionCommands,
    ConsentCommands,
    ErasureCommands,
    HeldCommands,
    LeftoverCommands,
    CueCommands,
    StatsCommands,
    SentCommands,
    KeyCommands,
    LessonCommands,
    LinkCommands,
    QuotaCommands,
    TicketCommands,
    WorkerReportCommands,
):
    """The store's every protocol, made by ``RedisStore(settings.redis, partitions)``; ``erased_ids`` names those
    who were erased, in all processes alike.

    Connects at `open`, or with the first command, and again after an outage; the function library is loaded
    where it is missing. Every method raises `Unavailable` when Redis does not answer within
    ``settings.timeout_s``. Belongs to the event loop that uses it first.
    """

    def __init__(self, settings: Redis, partitions: int, erased_ids: ErasedIds | None = None) -> None:
        super().__init__(settings, partitions)
        self._erased_ids = erased_ids or ErasedIds()

    async def open(self) -> None:
        """Connect now; raises `Unavailable` when Redis is not there."""
        await self._connection.call(pack(("PING",)))

    async def persisted(self) -> None:
        """Returns once what was written before is in the append-only file. Raises `Unavailable` when that takes
        too long, or there is none."""
        within_ms = round(self._settings.timeout_s * 900)
        local, _ = await self._connection.call(pack(("WAITAOF", 1, 0, within_ms)))
        if not local:
            raise Unavailable(f"Redis: not persisted within {within_ms} ms")

    async def close(self) -> None:
        """Close the connections; calls in flight raise `Unavailable`."""
        for connection in list(self._connections):
            await connection.close()
