"""``POST /v1/outcomes``: what became of an offer."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from blacksheep import Request, Response

from engine.access import VISITORS
from engine.clock import wall_ms
from engine.decisions.record import DecisionRecord
from engine.errors import BadRequest, NotFound
from engine.events import Outcome, OutcomeName
from engine.json_bodies import read_json
from engine.placeholder_ids import refuse_placeholder
from engine.settings import Web
from engine.web.api.lesson_bounds import LessonBounds
from engine.web.auth.principal import Principal
from engine.web.server import replies
from engine.web.server.admission import Admission
from engine.web.server.bulkheads import Bulkhead
from engine.web.server.limits import read_body
from engine.web.services import Services

AHEAD_MS = 86_400_000


class OutcomeReport(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What became of an offer of a decision or cue; ``at``: RFC 3339 or epoch ms, now when absent."""

    decision_id: str
    offer_id: str
    outcome: OutcomeName
    at: int | datetime | None = None


class Taken(msgspec.Struct, frozen=True, rename="camel"):
    """The outcome was accepted; reports are idempotent: the same one counts once."""

    decision_id: str
    offer_id: str
    outcome: OutcomeName
    at: int


_decode = msgspec.json.Decoder(OutcomeReport).decode


class OutcomeRoutes:
    """Outcomes in."""

    def __init__(
        self, services: Services, admission: Admission, bounds: LessonBounds, web: Web, bulkhead: Bulkhead
    ) -> None:
        self._services = services
        self._admission = admission
        self._bounds = bounds
        self._bulkhead = bulkhead
        self._limit = web.max_event_bytes

    async def post(self, request: Request, caller: Principal) -> Response:
        """Check against the decision, then publish: 202 means that Kafka has it."""
        report = read_report(await read_body(request, self._limit))
        with self._bulkhead:
            return await self._take(report, caller, self._admission.address(request))

    async def _take(self, report: OutcomeReport, caller: Principal, address: str) -> Response:
        services = self._services
        record = await services.batcher.record(report.decision_id)
        if record is None or not _may_report(caller, record):
            raise NotFound("no such decision, or it is older than a day", "decisionId")
        refuse_placeholder(record.customer, "decisionId", services.placeholders)
        record = _as_reported(caller, record)
        if all(given.offer_id != report.offer_id for given in record.sent):
            raise BadRequest("that decision did not give this offer", "offerId")
        at = moment(report.at, record, services.clock.now_ms())
        teaches = await self._bounds.teaches(
            caller, record, report.decision_id, report.offer_id, report.outcome, address
        )
        await services.log.publish_outcome(
            Outcome(
                report.decision_id, report.offer_id, report.outcome, at, record.customer, record.channel,
                VISITORS if caller.visitor else caller.id,  # what visitors taught is not kept by their names
                int(caller.signed), wall_ms(), teaches,
            )
        )  # fmt: skip
        services.meter.add("outcomes", label=report.outcome.value)
        return replies.json(Taken(report.decision_id, report.offer_id, report.outcome, at), 202)


def _may_report(caller: Principal, record: DecisionRecord) -> bool:
    """Whether `caller` may have been given it. To the others it is as if it were not there.

    An id of a decision has 64 random bits: who knows it was given it. That of a cue follows from its event
    (`engine.decisions.triggers`), which anybody may have invented, so of a user it proves nothing.
    """
    if caller.visitor or not caller.public:
        return caller.vouches_for(record.customer)
    return record.anonymous or not record.indicator


def _as_reported(caller: Principal, record: DecisionRecord) -> DecisionRecord:
    """`record` of the channel for which its outcome counts: a cue for several has its most promising, or, where
    `caller` is not for that, the first that it is for. Raises `Forbidden` when there is none."""
    channel = next((one for one in record.channels if one in caller.channels), record.channel)
    caller.require_channel(channel)
    return record if channel == record.channel else msgspec.structs.replace(record, channel=channel)


def read_report(body: bytes) -> OutcomeReport:
    """The report in `body` (JSON). Raises `BadRequest` that names the field."""
    try:
        return read_json(_decode, body)
    except BadRequest as fault:
        if fault.detail.startswith("unknown value"):
            raise BadRequest(f"{fault.detail}; one of {', '.join(OutcomeName)} is needed", fault.field) from None
        raise


def moment(stated: int | datetime | None, record: DecisionRecord, now: int) -> int:
    """Time of the outcome (epoch ms), clamped to between its decision and now to allow for clock skew. Raises
    `BadRequest` beyond a day."""
    if stated is None:
        return now
    at = epoch_ms(stated) if isinstance(stated, datetime) else stated
    if not record.at - AHEAD_MS <= at <= now + AHEAD_MS:
        raise BadRequest("before the decision, or in the future", "at")
    return min(max(at, record.at), max(now, record.at))


def epoch_ms(stated: datetime) -> int:
    """A time without an offset is UTC."""
    return round((stated if stated.tzinfo else stated.replace(tzinfo=UTC)).timestamp() * 1_000)
