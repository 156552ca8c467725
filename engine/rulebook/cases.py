"""Cases: features of a customer and the expected result of the rules, written by an operator.

::

    cases:
      - name: three bursts
        features: {session.bursts: 3, session.items: 12}   # the others as of a new customer
        indicators: [bursty_session]    # exactly these hold
        offers: [chat_now]              # these hold
        without: [free_delivery]        # these indicators and offers do not
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from yaml.nodes import MappingNode, Node, ScalarNode

from engine.errors import BadRule
from engine.kernels.catalogue import FEATURES
from engine.kernels.features import read_many
from engine.kernels.predicates import match
from engine.rulebook.directory import CASES, texts_of
from engine.rulebook.document import Document
from engine.rulebook.explain import explain
from engine.rulebook.faults import RuleFaults, Spot, shown, suggestion
from engine.rulebook.model import Rulebook
from engine.state.catalogue import BY_NAME
from engine.state.row_codec import blank


class Case(msgspec.Struct, frozen=True):
    """One case; ``indicators`` is None where the case says nothing about them."""

    name: str
    spot: Spot
    features: dict[str, float]
    indicators: tuple[str, ...] | None
    offers: tuple[str, ...]
    without: tuple[str, ...]


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


def new_customer() -> NDArray[np.float64]:
    """The features (F) of a customer never seen, on a Thursday at midnight."""
    features = np.empty((1, FEATURES), np.float64)
    read_many(blank(1), np.zeros(1, np.int64), features)
    first: NDArray[np.float64] = features[0]
    return first


def vector(values: dict[str, float]) -> NDArray[np.float64]:
    """`new_customer` with the features named in `values` as given."""
    features = new_customer()
    for name, value in values.items():
        features[BY_NAME[name].index] = value
    return features


def holding(rulebook: Rulebook, features: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rules of the program (R) hold for `features` (F)."""
    program = rulebook.program
    truth = np.zeros(program.required.shape[1], np.uint64)
    holds = np.zeros(program.first.size - 1, np.bool_)
    match(features, program, truth, holds)
    return holds


def _misses(rulebook: Rulebook, case: Case, places: Sequence[Spot]) -> list[str]:
    features = vector(case.features)
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
    keys = ("name", "features", "indicators", "offers", "without")
    shown_name = document.peek(node, "name", "case")
    fields = document.fields(node, shown_name, keys, ("name", "features"))
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
            document.faults.add(
                document.spot(key), name, f"no feature {shown(feature)}{suggestion(feature, BY_NAME)}"
            )
        elif (number := document.number_of(value, name, feature)) is not None:
            found[feature] = number
    return found
