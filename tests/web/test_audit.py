"""The audit trail: bounded, never waited for, written when Kafka is back."""

from __future__ import annotations

from collections.abc import Sequence

from engine.access import Scope, Trust
from engine.customer_id import customer_id
from engine.errors import Unavailable
from engine.meter import PrometheusMeter
from engine.ports.kafka import AuditAction, AuditEntry
from engine.web.auth.audit import AT_ONCE, AuditTrail
from engine.web.auth.principal import Principal
from tests.flows.api import MemoryLog

DESK = Principal("desk", Trust.SECRET, frozenset({Scope.CUSTOMERS_READ}))
ANN = customer_id("ann")


def trail(log: MemoryLog, room: int = 3) -> tuple[AuditTrail, PrometheusMeter]:
    meter = PrometheusMeter()
    return AuditTrail(log, meter, room), meter


def note(audit: AuditTrail, times: int) -> None:
    for _ in range(times):
        audit.note(DESK, AuditAction.CUSTOMER_READ, ANN)


async def test_at_the_limit_all_are_kept_and_one_above_is_dropped_and_counted() -> None:
    for times, dropped in ((2, 0), (3, 0), (4, 1)):
        log = MemoryLog()
        audit, meter = trail(log)
        note(audit, times)
        await audit.write()
        assert (len(log.audited), meter.value("audit_dropped")) == (times - dropped, dropped)
        assert meter.value("audit_written") == times - dropped


async def test_entries_wait_for_kafka_and_leave_room_once_written() -> None:
    log = MemoryLog()
    audit, meter = trail(log)
    note(audit, 3)
    log.fault = Unavailable("away")
    await audit.write()
    assert (log.audited, meter.value("audit_dropped")) == ([], 0)
    log.fault = None
    await audit.write()
    note(audit, 3)
    await audit.write()
    assert (len(log.audited), meter.value("audit_dropped")) == (6, 0)


async def test_what_comes_while_a_batch_is_written_is_not_lost() -> None:
    class Slow(MemoryLog):
        async def publish_audit(self, entries: Sequence[AuditEntry]) -> None:
            if not self.audited:
                note(audit, 1)
            await super().publish_audit(entries)

    log = Slow()
    audit, _ = trail(log, room=2 * AT_ONCE)
    note(audit, AT_ONCE + 1)
    await audit.write()
    assert len(log.audited) == AT_ONCE + 1
    await audit.write()
    assert len(log.audited) == AT_ONCE + 2


async def test_what_waits_is_written_at_the_end() -> None:
    log = MemoryLog()
    audit, _ = trail(log)
    await audit.start()
    note(audit, 2)
    await audit.stop()
    assert [entry.who for entry in log.audited] == ["desk", "desk"]
