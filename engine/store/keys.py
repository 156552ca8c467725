"""The names of everything in Redis. This is the documented layout: other programs may read it.

Keys of partition 7 share the hash tag ``{p7}``, so on a cluster they share a slot and one function may
touch them all. A customer's partition is the Java client's murmur2 of its UTF-8 bytes, modulo
the number of partitions; a decision's id begins with ``<partition>-``.

=====================  ======  ==================================================================
key                    type    content
=====================  ======  ==================================================================
``{p7}:o``             hash    fencing ``epoch`` (wall ms or larger), next ``offset`` of the topic to
                               apply, ``refused``: fenced commits, and the fields of the partition's
                               post (`engine.post.ledger`)
``{p7}:c:<customer>``  string  the customer's row (`engine.state.row_codec`), behind what ties it to other ids,
                               if there is anything (`engine.state.tied_rows`)
``{p7}:h:<customer>``  string  offer history: msgpack map offer -> [epoch ms, ascending]; and ``offer?`` -> of web
                               cues that no stream has taken [given, end, …]; and ``!purpose/channel`` -> consent:
                               when it was last [revoked, granted, confirmed]; and with ``+`` behind it, when an
                               address alone requested it, in the place of granted; and ``>`` where the customer is
                               another's by now, so that it gives nothing
``{p7}:p:<customer>``  hash    the customer's traits: name -> the digits of `engine.ports.traits.TraitWord`, a
                               blank, JSON of value (null: taken back), since when (epoch ms) and by whom
``{p7}:u:<customer>``  set     all ids that became the customer's
``{p7}:d:<decision>``  string  the record of a decision or cue, kept one day; and of a cue that was not sent for
                               want of consent, at most one of a customer and an offer (`withheld_id`)
``{p7}:l:<decision>``  set     ``offer|outcome`` reported for that decision, and ``offer|channel|s`` or ``…|f`` as
                               counted; ``delivered``: the cue reached a stream of its visitor. Kept one day
                               after the last
``{p7}:t``             zset    customer -> epoch ms at which its inactivity timer is due
``{p7}:q``             stream  ``customer``, ``cue`` (JSON of `engine.events.Cue`), or ``moved`` where the
                               customer's cues are another's from then on, or their own again; trimmed at about
                               ``redis.cue_stream_length`` entries
``{p7}:r:<customer>``  list    the customer's newest `RECENT_CUES` cues, the newest first: stream id, a space, the
                               JSON; kept one day after the last
``{p7}:b:<customer>``  list    message ids of the customer's newest large batches: digests of 8 bytes, joined, an
                               entry a batch; kept one hour after the last
``{p7}:i:<month>:<s or u>:<customer>``  set  ids linked to the customer in that month (months since year 0),
                               by signed or unsigned links: digests of 8 bytes, at most
                               ``identity.links_per_month``; kept 62 days
``{p7}:j:<day>:<customer>``  list  ids of the decisions and cues of the customer that were recorded on
                               that day (days since 1970); kept two days after the last
``{p7}:e``             hash    who was erased, as `engine.identity.erased_ids` names them -> epoch ms until
                               which what happened counts no more; 400 days
``{p7}:p``             hash    ``pause``: JSON of the newest `engine.ports.stream_store.Pause`, ``let``: the offset
                               below which an operator lets all records pass
``{p7}:a``             string  what its worker reports, JSON of `engine.ports.health.WorkerReport`; kept 4 s
``{p7}:n``             hash    tallies: those of `engine.ports.stream_store.Commit`, ``cues``, ``cues_capped``,
                               ``cues_unconsented``
``{p7}:m``             hash    learned counts: ``offer|channel|s`` successes, ``offer|channel|f``
                               failures, ``…|us`` and ``…|uf`` those of unknown reporters, ``version`` incremented
                               by every change
``{p7}:k:<day>:<key>``  hash   what a key taught on that day: ``<hour>|`` and the field of ``{p7}:m`` -> how
                               often; kept 90 days
``cueline:lessons:<hour>``  hash  lessons of visitors in that hour, by offer and channel, and by address, or
                               visitor, too; kept two hours
``cueline:b:<batch>``  string  that this large batch is being written to Kafka; kept 30 s at most
``cueline:names``      hash    64-bit hash of an item, category, queue, agent or reason -> its word; empty
                               when it has two. At
                               ``redis.words_kept`` of them it becomes ``cueline:{cueline:names}:before``, in place
                               of what that was. ``cueline:{cueline:names}:begun`` (string) says when it began
``cueline:clock``      string  JSON of `engine.ports.clock.ClockAnchor` while a replay sets the time
``cueline:keys``       hash    id of a caller's key -> JSON of `engine.access.KeyRecord`
``cueline:ticket:<digest>``  string  what a ticket for an event stream opens, and to whom; kept 30 s, taken once
``cueline:agents``     hash    agent of the contact centre -> the digits of `engine.ports.agents.order_of`, a
                               blank, JSON of `engine.ports.agents.AgentState`; at most 10,000, and kept for
                               five minutes after the last
``cueline:apis``       hash    api process -> [epoch ms of Redis's clock, `engine.ports.health.ApiReport`], JSON;
                               who did not report for 4 s is gone
``cueline:quota:<day>``  hash  id of a key -> what it has spent on that day; kept two days
=====================  ======  ==================================================================

Rows are deleted when they are idle for more than 400 days (`engine.stream.sweep`). A history keeps the newest
`HISTORY` times of an offer (more when the offer's cap needs them) and no limit in age, since a cap may have any
period.
"""

from __future__ import annotations

import hashlib

from engine.decisions.record import WITHHELD
from engine.kernels.partition import partition_of

HISTORY = 32  # times kept per customer and offer, unless the offer's cap is larger
RECENT_CUES = 32  # kept per customer, for readers who come back
DAY_S = 86_400
LESSONS_KEPT_DAYS = 90
NAMES = b"cueline:names"
LESSON_BOUNDS = b"cueline:lessons:"
KEYS = b"cueline:keys"
DELIVERED = "delivered"  # among the counted outcomes of a cue: it reached a stream of its visitor
QUOTA_PREFIX = b"cueline:quota:"
NAMES_BEFORE, NAMES_BEGUN = b"cueline:{cueline:names}:before", b"cueline:{cueline:names}:begun"  # of the same slot
TICKET_PREFIX = b"cueline:ticket:"
CLOCK = b"cueline:clock"
AGENT_STATES = b"cueline:agents"
API_REPORTS = b"cueline:apis"
UNDER_WAY = b"cueline:b:"


def withheld_id(partition: int, customer: bytes, offer: str) -> str:
    """Under which it is kept for a day that the offer was withheld from the customer: always the same, so that no
    customer has more than one of an offer."""
    named = hashlib.sha1(customer + b"\0" + offer.encode(), usedforsecurity=False)
    return f"{partition}-{WITHHELD}-{named.hexdigest()[:16]}"


class RedisKeys:
    """Keys of one deployment; each attribute but `partitions` is indexed by the partition."""

    def __init__(self, partitions: int) -> None:
        def each(suffix: str) -> tuple[bytes, ...]:
            return tuple(f"{{p{partition}}}:{suffix}".encode() for partition in range(partitions))

        self.partitions = partitions
        self.position = each("o")
        self.row_prefix = each("c:")
        self.history_prefix = each("h:")
        self.traits_prefix = each("p:")
        self.decision_prefix = each("d:")
        self.outcomes_prefix = each("l:")
        self.recent_cues_prefix = each("r:")
        self.sent_prefix = each("b:")
        self.links_prefix = each("i:")
        self.ids_prefix = each("u:")
        self.timers = each("t")
        self.intake = each("p")
        self.cues = each("q")
        self.reports = each("a")
        self.tallies = each("n")
        self.recorded_prefix = each("j:")
        self.learned = each("m")
        self.tombstones = each("e")
        self.taught_prefix = each("k:")

    def of_customer(self, customer: bytes) -> int:
        """The customer's partition."""
        return partition_of(customer, self.partitions)

    def of_decision(self, decision_id: str) -> int | None:
        """The partition a decision's id (or a cue's) begins with, None when it begins with none of ours."""
        digits, dash, _ = decision_id.partition("-")
        if not dash or not (digits.isascii() and digits.isdecimal()) or len(digits) > 4:
            return None
        partition = int(digits)
        return partition if partition < self.partitions else None

    def of_reserved(self, customer: bytes, decision_id: str) -> int:
        """The partition of both; ValueError when they differ, because no single call could touch both."""
        partition = self.of_customer(customer)
        if not decision_id.startswith(f"{partition}-"):
            raise ValueError(f"decision {decision_id!r} is not of its customer's partition {partition}")
        return partition
