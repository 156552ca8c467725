"""What the HTTP process works with: the ports and objects passed to `engine.web.server.app.build_app`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from engine.decisions.batcher import DecisionBatcher
from engine.placeholder_ids import WORDS
from engine.ports.access_store import TicketStore
from engine.ports.agents import AgentStore
from engine.ports.clock import Clock
from engine.ports.consent_store import ConsentStore
from engine.ports.cue_store import CueStore
from engine.ports.decision_store import DecisionStore
from engine.ports.health import SystemHealth
from engine.ports.held_store import HeldStore
from engine.ports.kafka import EventLog
from engine.ports.lesson_store import LessonStore
from engine.ports.meter import Meter
from engine.ports.sent_store import SentStore
from engine.ports.sources import ContactSources, Source
from engine.ports.stats_store import StatsStore
from engine.rulebook.model import Rulebook
from engine.web.api.known_links import KnownLinks
from engine.web.api.links import LinkAnnouncer
from engine.web.auth.keys import KeyRing
from engine.web.auth.quotas import Quotas


@dataclass(frozen=True, slots=True)
class Services:
    """Everything the routes use.

    ``rule_faults`` are those of files that were not loaded, ``metrics`` gives the exposition and its content type,
    ``known`` says how much is known of an offer on a channel, in observations, ``ready`` the problems by name
    (empty: ready), ``placeholders`` are texts that are no customer's id, ``health`` is that of the parts of the
    deployment, ``notices`` the losses of data since the start; ``links_on``: workers follow links.
    """

    source: Source
    contacts: ContactSources
    log: EventLog
    decisions: DecisionStore
    consents: ConsentStore
    held: HeldStore
    cues: CueStore
    stats: StatsStore
    sent: SentStore
    links: LinkAnnouncer
    agents: AgentStore
    known_links: KnownLinks
    tickets: TicketStore
    quotas: Quotas
    lessons: LessonStore
    known: Callable[[str, str], float]
    meter: Meter
    clock: Clock
    batcher: DecisionBatcher
    keys: KeyRing
    rulebook: Callable[[], Rulebook]
    rule_faults: Callable[[], Sequence[str]]
    metrics: Callable[[], tuple[bytes, str]]
    ready: Callable[[], Mapping[str, str]]
    links_on: bool = False
    placeholders: frozenset[str] = WORDS
    health: Callable[[], SystemHealth] = SystemHealth
    notices: Callable[[], Sequence[str]] = tuple
