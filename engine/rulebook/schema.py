"""A rule file's YAML as drafts: everything checked that one rule can be checked for by itself."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Callable

import msgspec
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from engine.consent import MARKETING, SERVICE, is_purpose
from engine.events import CHANNELS
from engine.rulebook import doubts
from engine.rulebook.document import Document
from engine.rulebook.faults import Spot, shown, suggestion
from engine.rulebook.language import condition, numerals, periods, say
from engine.rulebook.language.condition import Condition
from engine.rulebook.language.quantity import CONSENT, DURATIONS
from engine.rulebook.model import Cap, Offer

#: Kinds of offer whose purpose is service unless they name another: they help with what the customer is about.
SERVING = ("serve", "chat")
KINDS = ("sell", "serve", "ask", "retain", "nurture", "chat")
PERIOD_MS = {"s": 1_000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
LONGEST_PERIOD_MS = 3_660 * PERIOD_MS["d"]
MOST_TIMES = 10_000

#: What YAML and conditions take for a truth, or for nothing.
TRUTHS = frozenset(("true", "false", "yes", "no", "on", "off", "null", "none"))
INDICATOR_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
OFFER_ID = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.ASCII)
PERIOD = re.compile(r"([0-9]{1,9})\s*(s|min|m|h|d|w)", re.ASCII)


class RuleDraft(msgspec.Struct, frozen=True):
    """What indicators and offers share. ``place`` gives the spot of character n of `when`."""

    name: str
    spot: Spot
    when: str
    condition: Condition
    place: Callable[[int], Spot]


class IndicatorDraft(msgspec.Struct, frozen=True):
    rule: RuleDraft
    description: str


class OfferDraft(msgspec.Struct, frozen=True):
    rule: RuleDraft
    offer: Offer


class RuleDrafts(msgspec.Struct):
    """The sound rules of some files; ``declared`` are all indicators' names, those of faulty ones too,
    and ``complete`` is false when a file could not be read at all, so that there may be more."""

    indicators: list[IndicatorDraft] = []
    offers: list[OfferDraft] = []
    declared: set[str] = set()
    complete: bool = True

    def add(self, other: RuleDrafts) -> None:
        self.indicators += other.indicators
        self.offers += other.offers
        self.declared |= other.declared
        self.complete &= other.complete


def read(document: Document) -> RuleDrafts:
    """The sound rules of a file; the faults of the others are with the document's."""
    drafts = RuleDrafts()
    root = document.root
    if root is None:
        if document.readable:
            document.faults.add(Spot(document.file, 1, 1), "file", "holds no indicators and no offers")
        drafts.complete = document.readable
        return drafts
    drafts.complete = document.readable
    sections = document.fields(root, "file", ("indicators", "offers"), ())
    indicators = document.items(sections.get("indicators"), "indicators", "indicators")
    offers = document.items(sections.get("offers"), "offers", "offers")
    if isinstance(root, MappingNode) and not root.value and document.readable:
        document.faults.add(document.spot(root), "file", "holds no indicators and no offers")
    for node in indicators:
        _indicator(document, node, drafts)
    for node in offers:
        _offer(document, node, drafts)
    return drafts


def _indicator(document: Document, node: Node, drafts: RuleDrafts) -> None:
    keys = ("name", "description", "when")
    name = document.peek(node, "name", "indicator")
    fields = document.fields(node, name, keys, ("name", "when"))
    rule = _rule(document, fields, name, "name", INDICATOR_NAME, "lower case letters, digits and _")
    drafts.declared.add(name)
    description: str | None = ""
    if "description" in fields:
        description = document.free_text(fields["description"], name, "description", 1_000)
    if rule is None or description is None:
        return
    if keyword.iskeyword(name) or name in DURATIONS or name in TRUTHS or name == CONSENT:
        document.faults.add(rule.spot, name, "is a word of the rule language")
        return
    drafts.indicators.append(IndicatorDraft(rule, " ".join(description.split())))


def _offer(document: Document, node: Node, drafts: RuleDrafts) -> None:
    needed = ("id", "kind", "channels", "when", "value", "propensity", "say")
    name = document.peek(node, "id", "offer")
    fields = document.fields(node, name, (*needed, "evidence", "boost", "cap", "expires", "purpose"), needed)
    rule = _rule(document, fields, name, "id", OFFER_ID, "lower case letters, digits, _ and -")
    kind = _choice(document, fields.get("kind"), name, "kind", KINDS)
    channels = _channels(document, fields.get("channels"), name)
    value = _number(document, fields, name, "value")
    if isinstance(node_of_value := fields.get("value"), ScalarNode):
        for _, reason in doubts.of_numbers(node_of_value.value):
            document.faults.doubt(document.spot(node_of_value), name, reason)
    propensity = _number(document, fields, name, "propensity")
    if propensity is not None and not 0 < propensity < 1:
        document.faults.add(document.spot(fields["propensity"]), name, numerals.propensity(propensity))
        propensity = None
    evidence = _number(document, fields, name, "evidence", 20.0)
    if evidence == 0:
        document.faults.add(document.spot(fields["evidence"]), name, "evidence must be more than 0")
    boost = _number(document, fields, name, "boost", 1.0)
    text = _say(document, fields.get("say"), name)
    cap, sound = _cap(document, fields.get("cap"), name)
    expires: int | None = 10 * PERIOD_MS["min"]
    if "expires" in fields:
        expires = _period(document, fields["expires"], name, "expires")
    purpose = _purpose(document, fields.get("purpose"), name, kind)
    if rule is None or not kind or not channels or text is None or not sound or not evidence:
        return
    if value is None or propensity is None or boost is None or expires is None or purpose is None:
        return
    offer = Offer(
        id=rule.name,
        kind=kind,
        channels=channels,
        when=rule.when,
        value=value,
        propensity=propensity,
        evidence=evidence,
        boost=boost,
        say=text,
        cap=cap,
        expires_ms=expires,
        purpose=purpose,
    )
    drafts.offers.append(OfferDraft(rule, offer))


def _rule(
    document: Document, fields: dict[str, Node], shown_name: str, key: str, form: re.Pattern[str], allowed: str
) -> RuleDraft | None:
    node = fields.get(key)
    name = document.name_of(node, shown_name, key)
    if node is not None and name is not None and not form.fullmatch(name):
        reason = f"{key} {shown(name)} may hold up to 64 {allowed}, a letter first{_instead(name, form)}"
        document.faults.add(document.spot(node), shown_name, reason)
        name = None
    when = _when(document, fields.get("when"), shown_name)
    if name is None or node is None or when is None:
        return None
    scalar, tree = when
    return RuleDraft(
        name=name,
        spot=document.spot(node),
        when=" ".join(scalar.value.split()),
        condition=tree,
        place=lambda offset: document.within(scalar, offset),
    )


def _instead(name: str, form: re.Pattern[str]) -> str:
    """The end of a sentence about a name that has capitals, blanks, quotes or marks."""
    seen = "".join(character for character in name if unicodedata.category(character) != "Cf")
    words = re.sub(r"[\W_]+", "_", seen.lower()).strip("_")
    return f": write {words}" if seen.strip("“”„‘’«»").isascii() and form.fullmatch(words) else ""


def _when(document: Document, node: Node | None, name: str) -> tuple[ScalarNode, Condition] | None:
    scalar = document.scalar(node, name, "when", ("str", "bool")) if node is not None else None
    if scalar is None:
        return None
    if scalar.tag.endswith("bool"):
        return scalar, condition.Truth(scalar.value.lower() in ("true", "yes", "on"))
    for offset, reason in doubts.of_numbers(scalar.value):
        document.faults.doubt(document.within(scalar, offset), name, reason)
    tree = condition.parse(
        scalar.value,
        lambda offset, reason: document.faults.add(document.within(scalar, offset), name, reason),
    )
    return None if tree is None else (scalar, tree)


def _choice(document: Document, node: Node | None, name: str, what: str, known: tuple[str, ...]) -> str | None:
    choice = document.text_of(node, name, what, 1_000)
    if node is None or choice is None or choice in known:
        return choice
    reason = f"no {what} {shown(choice)}{suggestion(choice, known)} (there are {', '.join(known)})"
    document.faults.add(document.spot(node), name, reason)
    return None


def _purpose(document: Document, node: Node | None, name: str, kind: str | None) -> str | None:
    if node is None:
        return SERVICE if kind in SERVING else MARKETING
    purpose = document.text_of(node, name, "purpose", 1_000)
    if purpose is None or is_purpose(purpose):
        return purpose
    reason = f"purpose {shown(purpose)} may hold up to 32 lower case letters, digits and _, a letter first"
    document.faults.add(document.spot(node), name, f"{reason}{_instead(purpose, OFFER_ID)}")
    return None


def _channels(document: Document, node: Node | None, name: str) -> tuple[str, ...]:
    if node is None:
        return ()
    if isinstance(node, ScalarNode) and not node.value:
        document.faults.add(document.spot(node), name, "channels are empty")
        return ()
    members = document.items(node, name, "channels", CHANNELS)
    found = [_choice(document, member, name, "channel", CHANNELS) for member in members]
    channels = [channel for channel in found if channel]
    if len(set(channels)) < len(channels):
        document.faults.add(document.spot(node), name, "a channel is given twice")
    if not members and isinstance(node, SequenceNode):
        document.faults.add(document.spot(node), name, "channels are empty")
    return tuple(channels) if len(channels) == len(members) else ()


def _number(
    document: Document, fields: dict[str, Node], name: str, what: str, default: float | None = None
) -> float | None:
    return document.number_of(fields[what], name, what) if what in fields else default


def _say(document: Document, node: Node | None, name: str) -> str | None:
    text = document.free_text(node, name, "say", 2_000)
    if text is None or not isinstance(node, ScalarNode):
        return None
    for offset, reason in doubts.of_text(node.value):
        document.faults.doubt(document.within(node, offset), name, f"say: {reason}")
    wrong = list(say.faults(node.value))
    for offset, reason in wrong:
        document.faults.add(document.within(node, offset), name, f"say: {reason}")
    return None if wrong else text


def _cap(document: Document, node: Node | None, name: str) -> tuple[Cap | None, bool]:
    """The cap and whether it is sound; no cap is."""
    if node is None:
        return None, True
    if isinstance(node, ScalarNode) and not re.search("[:=]", node.value):
        reason = f"cap must be a mapping with max, period{periods.cap(node.value)}"
        document.faults.add(document.spot(node), name, reason)
        return None, False
    fields = document.fields(node, name, ("max", "period"), ("max", "period"))
    times = document.number_of(fields["max"], name, "cap.max") if "max" in fields else None
    if times is not None and (times != int(times) or not 1 <= times <= MOST_TIMES):
        document.faults.add(
            document.spot(fields["max"]), name, f"cap.max must be a whole number, 1 to {MOST_TIMES}"
        )
        times = None
    period = _period(document, fields["period"], name, "cap.period") if "period" in fields else None
    if times is None or period is None:
        return None, False
    return Cap(int(times), period), True


def _period(document: Document, node: Node, name: str, what: str) -> int | None:
    """Milliseconds of ``7d``, ``12h``, ``30min`` or ``90s``."""
    scalar = document.scalar(node, name, what, ("str", "int", "float"))
    if scalar is None:
        return None
    text = scalar.value.strip()
    found = PERIOD.fullmatch(text)
    length = int(found[1]) * PERIOD_MS[found[2]] if found else 0
    if not 0 < length <= LONGEST_PERIOD_MS:
        reason = f"{what} must be a period such as 7d, 12h, 30min or 90s, not {shown(text)}{periods.period(text)}"
        document.faults.add(document.spot(node), name, reason)
        return None
    return length
