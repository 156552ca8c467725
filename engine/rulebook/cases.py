"""Cases: features of a customer and the expected result of the rules, written by an operator.

::

    cases:
      - name: three bursts
        features: {session.bursts: 3, session.items: 12}   # the others as of a new customer; words as texts
        traits: {plan: gold, "member:newsletter": true}     # as they are sent
        indicators: [bursty_session]    # exactly these hold
        offers: [chat_now]              # these hold
        without: [free_delivery]        # these indicators and offers do not
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import cast

import msgspec
import numpy as np
from numpy.typing import NDArray
from yaml.nodes import MappingNode, Node, ScalarNode

from engine.errors import BadRule
from engine.kernels.groups.trait import NUMBER, SERVER, VERSION, mark_of, set_trait
from engine.rulebook.directory import CASES, texts_of
from engine.rulebook.document import Document
from engine.rulebook.explain import explain
from engine.rulebook.faults import RuleFaults, Spot, shown, suggestion
from engine.rulebook.language.traits import MEMBERSHIP, TRAIT
from engine.rulebook.model import Rulebook
from engine.rulebook.standing import holding
from engine.rulebook.yaml_tree import scalar_of
from engine.state.catalogue import BY_NAME
from engine.state.row_codec import blank
from engine.state.traits import coded, name_hash
from engine.state.vector import NO_TRAITS, TraitColumns, vectors_of
from engine.state.words import WORD_FEATURES, word_number
from engine.traits import MEMBER, TraitValue, fault_of

#: No traits.
NOTHING: Mapping[str, TraitValue] = MappingProxyType({})


class Case(msgspec.Struct, frozen=True):
    """One case; ``indicators`` is None where the case says nothing about them."""

    name: str
    spot: Spot
    features: dict[str, float]
    indicators: tuple[str, ...] | None
    offers: tuple[str, ...]
    without: tuple[str, ...]
    traits: dict[str, TraitValue] = {}


class Verdict(msgspec.Struct, frozen=True):
    """The result of a case; ``misses`` is empty when it passed."""

    name: str
    spot: str
    misses: list[str]


def load_cases(directory: Path, rulebook: Rulebook) -> list[Case]:
    """Every case of the directory's ``*.cases.yaml``; raises `BadRule` with all faults."""
    faults = RuleFaults()
    texts = texts_of(directory, CASES, faults)
    cases = [case for file in texts for case in _cases(Document(file, texts[file], faults), rulebook)]
    if faults:
        raise BadRule(faults.lines())
    return cases


def run(rulebook: Rulebook, cases: list[Case], places: Sequence[Spot] = ()) -> list[Verdict]:
    """Try each case on the compiled program, whose rules stand at `places`, if these are given."""
    return [Verdict(case.name, str(case.spot), _misses(rulebook, case, places)) for case in cases]


def vector(
    values: Mapping[str, float], traits: Mapping[str, TraitValue] = NOTHING, columns: TraitColumns = NO_TRAITS
) -> NDArray[np.float64]:
    """What rules read of a customer never seen, on a Thursday at midnight, but for the features `values` and the
    `traits`."""
    rows = blank(1)
    for name, value in traits.items():
        kind, bits = coded(value)
        mark = np.uint64(mark_of(SERVER, 1, kind))
        set_trait(rows[0], np.uint64(name_hash(name)), mark, np.uint64(bits))
    features: NDArray[np.float64] = vectors_of(rows, np.zeros(1, np.int64), columns)[0]
    for name, number in values.items():
        features[BY_NAME[name].index] = number
    return features


def _misses(rulebook: Rulebook, case: Case, places: Sequence[Spot]) -> list[str]:
    features = vector(case.features, case.traits, rulebook.columns)
    holds = holding(rulebook, features)
    names = [indicator.name for indicator in rulebook.indicators] + [offer.id for offer in rulebook.offers]
    wanted = _wanted(rulebook, case, names)
    where = {rule: f" ({spot})" for rule, spot in enumerate(places)}
    return [
        f"{names[rule]}{where.get(rule, '')} {'does not hold' if want else 'holds'}: "
        + "; ".join(explain(rulebook, rule, features))
        for rule, want in wanted.items()
        if holds[rule] != want
    ]


def _wanted(rulebook: Rulebook, case: Case, names: list[str]) -> dict[int, bool]:
    """Expected result of each rule that the case names, by position in the program."""
    wanted: dict[int, bool] = {}
    for rule, name in enumerate(names):
        if rule < rulebook.offer_rule and case.indicators is not None:
            wanted[rule] = name in case.indicators
        if rule >= rulebook.offer_rule and name in case.offers:
            wanted[rule] = True
        if name in case.without:
            wanted[rule] = False
    return wanted


def _cases(document: Document, rulebook: Rulebook) -> list[Case]:
    if document.root is None:
        return []
    sections = document.fields(document.root, "file", ("cases",), ("cases",))
    nodes = document.items(sections.get("cases"), "cases", "cases")
    return [case for node in nodes if (case := _case(document, node, rulebook))]


def _case(document: Document, node: Node, rulebook: Rulebook) -> Case | None:
    keys = ("name", "features", "traits", "indicators", "offers", "without")
    shown_name = document.peek(node, "name", "case")
    of_traits = isinstance(node, MappingNode) and any(key.value == "traits" for key, _ in node.value)
    fields = document.fields(node, shown_name, keys, ("name",) if of_traits else ("name", "features"))
    name = document.free_text(fields.get("name"), shown_name, "name", 200)
    if name is None:
        return None
    indicators = [indicator.name for indicator in rulebook.indicators]
    offers = [offer.id for offer in rulebook.offers]
    exact = _names(document, fields.get("indicators"), name, indicators) if "indicators" in fields else None
    return Case(
        name=name,
        spot=document.spot(node),
        features=_features(document, fields.get("features"), name),
        indicators=exact,
        offers=_names(document, fields.get("offers"), name, offers),
        without=_names(document, fields.get("without"), name, [*indicators, *offers]),
        traits=_traits(document, fields.get("traits"), name, rulebook),
    )


def _names(document: Document, node: Node | None, name: str, known: list[str]) -> tuple[str, ...]:
    found = []
    for member in document.items(node, name, "names"):
        text = document.text_of(member, name, "name", 200)
        if text is not None and text not in known:
            document.faults.add(document.spot(member), name, f"no rule {shown(text)}{suggestion(text, known)}")
        elif text is not None:
            found.append(text)
    return tuple(found)


def _features(document: Document, node: Node | None, name: str) -> dict[str, float]:
    found: dict[str, float] = {}
    if node is None:
        return found
    if not isinstance(node, MappingNode):
        document.faults.add(document.spot(node), name, "features must be a mapping of names to numbers")
        return found
    for key, value in node.value:
        feature = key.value if isinstance(key, ScalarNode) else "?"
        if feature not in BY_NAME:
            hint = suggestion(feature, BY_NAME) or _as_trait(feature)
            document.faults.add(document.spot(key), name, f"no feature {shown(feature)}{hint}")
        elif (number := _feature(document, value, name, feature)) is not None:
            found[feature] = number
    return found


def _feature(document: Document, node: Node, name: str, feature: str) -> float | None:
    """The number of a feature; None after a fault was noted."""
    if feature not in WORD_FEATURES:
        return document.number_of(node, name, feature)
    why = _as_word(node, feature)
    if isinstance(node, ScalarNode) and node.value.strip() and isinstance(scalar_of(node), str):
        try:
            return word_number(node.value)
        except UnicodeEncodeError:
            why = "no word has this text: not UTF-8"
    document.faults.add(document.spot(node), name, f"{feature} is a word: {why}")
    return None


def _as_word(node: Node, feature: str) -> str:
    """What to write instead of a value that is no word."""
    if not isinstance(node, ScalarNode):
        return "write one text"
    return f'write "{node.value}", in quotes' if node.value.strip() else f"leave {feature} out where there is none"


def _as_trait(feature: str) -> str:
    """The end of a sentence about a trait among the features."""
    head, _, name = feature.partition(".")
    if head not in (TRAIT, MEMBERSHIP) or not name:
        return ""
    return f": write it below traits, as {name if head == TRAIT else MEMBER + name}"


def _traits(document: Document, node: Node | None, name: str, rulebook: Rulebook) -> dict[str, TraitValue]:
    """Traits by name, as `identify` and ``PUT /v1/customers/{id}`` have them."""
    found: dict[str, TraitValue] = {}
    if node is None:
        return found
    if not isinstance(node, MappingNode):
        document.faults.add(document.spot(node), name, "traits must be a mapping of names to values")
        return found
    known = {trait.name for trait in rulebook.traits}
    for key, value in node.value:
        trait = key.value if isinstance(key, ScalarNode) else "?"
        if trait not in known:
            hint = suggestion(trait, sorted(known)) or (f"; they name {', '.join(sorted(known))}" if known else "")
            document.faults.add(document.spot(key), name, f"no rule names the trait {shown(trait)}{hint}")
            continue
        fault = _put_trait(found, trait, value, rulebook)
        if fault:
            document.faults.add(document.spot(value), name, f"{trait} {fault}")
    return found


def _put_trait(found: dict[str, TraitValue], trait: str, node: Node, rulebook: Rulebook) -> str:
    """Put the value of a trait; why there is none, mostly nothing."""
    value = scalar_of(node)
    types = {one.type for one in rulebook.traits if one.name == trait}
    if isinstance(value, float) and VERSION in types and NUMBER not in types:
        return f'is compared with a version: write "{node.value}", in quotes'
    if fault := fault_of(value):
        return f"cannot be so: {fault}"
    found[trait] = cast(TraitValue, value)
    return ""
