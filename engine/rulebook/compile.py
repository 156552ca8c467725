"""Drafts of all files as one rulebook: names resolved, conditions numbered, the program laid out."""

from __future__ import annotations

import graphlib
import hashlib
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np

from engine.kernels.catalogue import FEATURES
from engine.kernels.predicates import Program
from engine.rulebook.faults import RuleFaults, shown, suggestion
from engine.rulebook.language.clauses import MOST, Clause, Forms, TooManyClauses, mentions
from engine.rulebook.language.condition import Truth
from engine.rulebook.language.predicate import Predicate
from engine.rulebook.language.traits import TraitColumn
from engine.rulebook.language.words import words_of
from engine.rulebook.model import Indicator, Rulebook
from engine.rulebook.moments import moments_of, unwatched
from engine.rulebook.schema import RuleDraft, RuleDrafts
from engine.state.catalogue import CATALOGUE
from engine.state.vector import columns_of


def compile_drafts(drafts: RuleDrafts, faults: RuleFaults) -> Rulebook | None:
    """The rulebook, or None with the reasons among `faults`. The order of the drafts does not matter."""
    indicators = sorted(drafts.indicators, key=lambda draft: draft.rule.name)
    offers = sorted(drafts.offers, key=lambda draft: draft.rule.name)
    rules = [draft.rule for draft in indicators]
    _unique(rules, faults)
    _unique([draft.rule for draft in offers], faults)
    codes = _codes(rules, faults)
    if drafts.complete:
        for rule in (*rules, *(draft.rule for draft in offers)):
            _named_exist(rule, drafts.declared, faults)
    forms = _indicator_forms(rules, faults)
    clauses = {draft.name: _clauses(draft, forms[draft.name], faults) for draft in rules if draft.name in forms}
    _check_timers(rules, clauses, faults)
    of_offers = [_offer_clauses(draft.rule, forms, faults) for draft in offers]
    if faults:
        return None
    position = {rule.name: i for i, rule in enumerate(rules)}
    of_indicators = [clauses[rule.name] for rule in rules]
    compiled = tuple(
        Indicator(name=draft.rule.name, description=draft.description, when=draft.rule.when, code=code)
        for draft, code in zip(indicators, codes, strict=True)
    )
    chosen = tuple(draft.offer for draft in offers)
    traits, words = _traits(of_indicators, of_offers), _words([*of_indicators, *of_offers])
    return Rulebook(
        revision=_revision(compiled, chosen, words),
        indicators=compiled,
        offers=chosen,
        program=program([*of_indicators, *of_offers], traits),
        moments=moments_of(of_indicators),
        codes=np.array(codes, np.uint32),
        mentions=tuple(
            frozenset(position[one.name] for one in mentions(draft.rule.condition)) for draft in offers
        ),
        traits=traits,
        words=words,
        columns=columns_of([(trait.name, trait.type) for trait in traits]),
    )


def _unique(rules: Iterable[RuleDraft], faults: RuleFaults) -> None:
    seen: dict[str, RuleDraft] = {}
    for rule in sorted(rules, key=lambda rule: rule.spot):
        if rule.name in seen:
            faults.add(rule.spot, rule.name, f"defined already at {seen[rule.name].spot}")
        seen.setdefault(rule.name, rule)


def fnv1a(text: str) -> int:
    """32-bit FNV-1a of the UTF-8 bytes, 1 instead of 0 (Fowler, Noll, Vo; draft-eastlake-fnv)."""
    code = 0x811C9DC5
    for byte in text.encode():
        code = (code ^ byte) * 0x01000193 & 0xFFFFFFFF
    return code or 1


def _codes(rules: Iterable[RuleDraft], faults: RuleFaults) -> list[int]:
    seen: dict[int, RuleDraft] = {}
    codes = []
    for rule in rules:
        code = fnv1a(rule.name)
        first = seen.setdefault(code, rule)
        if first.name != rule.name:
            faults.add(rule.spot, rule.name, f"has the same code as {first.name}: choose another name")
        codes.append(code)
    return codes


def _indicator_forms(rules: Sequence[RuleDraft], faults: RuleFaults) -> dict[str, Forms]:
    """The forms of the indicators whose names are all defined, in dependency order."""
    by_name = {rule.name: rule for rule in rules}
    graph = {rule.name: {one.name for one in mentions(rule.condition)} for rule in by_name.values()}
    forms: dict[str, Forms] = {}
    for name in _without_cycles(graph, by_name, faults):
        if name in by_name and graph[name] <= forms.keys():
            forms[name] = Forms(by_name[name].condition, forms)
            _settle(by_name[name], forms[name], faults)
    return forms


def _without_cycles(graph: dict[str, set[str]], by_name: Mapping[str, RuleDraft], faults: RuleFaults) -> list[str]:
    while True:
        try:
            return list(graphlib.TopologicalSorter(graph).static_order())
        except graphlib.CycleError as error:
            cycle: list[str] = error.args[1][::-1]
            start = cycle.index(min(cycle[1:]))
            names = [*cycle[start:-1], *cycle[:start]]
            rule = by_name[names[0]]
            faults.add(rule.spot, rule.name, f"depends on itself: {' -> '.join([*names, names[0]])}")
            graph = {name: named - set(cycle) for name, named in graph.items() if name not in cycle}


def _settle(rule: RuleDraft, forms: Forms, faults: RuleFaults) -> None:
    """Compute both forms now, so that indicators that name this one find them ready, however long the chain."""
    for wanted in (True, False):
        try:
            forms.clauses(wanted)
        except TooManyClauses:
            if wanted:
                faults.add(rule.spot, rule.name, f"branches into more than {MOST} cases: split the rule")


def _named_exist(rule: RuleDraft, declared: set[str], faults: RuleFaults) -> None:
    for one in mentions(rule.condition):
        if one.name not in declared:
            known = [*sorted(declared), *(feature.name for feature in CATALOGUE)]
            truth = {"true": "True", "always": "True", "false": "False", "never": "False"}.get(
                one.name.lower(), ""
            )
            hint = f": write {truth}" if truth else suggestion(one.name, known)
            faults.add(rule.place(one.offset), rule.name, f"no indicator {shown(one.name)}{hint}")


def _clauses(rule: RuleDraft, forms: Forms, faults: RuleFaults) -> list[Clause]:
    try:
        clauses = forms.clauses()
    except TooManyClauses:
        faults.add(rule.spot, rule.name, f"branches into more than {MOST} cases: split the rule")
        return []
    if not clauses and rule.condition != Truth(False):
        faults.add(rule.spot, rule.name, "contradicts itself: it can never hold")
    return clauses


def _offer_clauses(rule: RuleDraft, forms: Mapping[str, Forms], faults: RuleFaults) -> list[Clause]:
    if any(one.name not in forms for one in mentions(rule.condition)):
        return []  # the fault lies with the indicator and has been noted
    return _clauses(rule, Forms(rule.condition, forms), faults)


def _check_timers(rules: Iterable[RuleDraft], clauses: Mapping[str, list[Clause]], faults: RuleFaults) -> None:
    for rule in rules:
        for reason in unwatched(clauses.get(rule.name, [])):
            faults.add(rule.spot, rule.name, reason)


def _traits(
    of_indicators: Sequence[Sequence[Clause]], of_offers: Sequence[Sequence[Clause]]
) -> tuple[TraitColumn, ...]:
    """The traits that rules name: those of the indicators are the first, so that the stream reads no others."""
    first = _named_traits(of_indicators)
    all_of_them = first | _named_traits(of_offers)
    return (*sorted(first), *sorted(all_of_them - first))


def _named_traits(rules: Sequence[Sequence[Clause]]) -> set[TraitColumn]:
    sides = (side for one in _predicates(rules) for side in (one.feature, one.other))
    return {side for side in sides if isinstance(side, TraitColumn)}


def _words(rules: Sequence[Sequence[Clause]]) -> dict[float, str]:
    """The texts that traits and words are compared with, by the numbers that stand for each."""
    return words_of(one.text for one in _predicates(rules) if one.text is not None)


def _predicates(rules: Sequence[Sequence[Clause]]) -> Iterable[Predicate]:
    return (predicate for rule in rules for clause in rule for predicate, _ in clause)


def program(rules: Sequence[Sequence[Clause]], traits: Sequence[TraitColumn] = ()) -> Program:
    """Lay the rules out for the kernel; predicates are numbered by first use, `traits` stand behind features."""
    clauses = [clause for rule in rules for clause in rule]
    place: dict[int | TraitColumn, int] = {trait: FEATURES + number for number, trait in enumerate(traits)}
    number: dict[Predicate, int] = {}
    for clause in clauses:
        for predicate, _ in clause:
            number.setdefault(predicate, len(number))
    masks = np.zeros((2, len(clauses), -(-len(number) // 64)), np.uint64)
    for row, clause in enumerate(clauses):
        for predicate, wanted in clause:
            word, bit = divmod(number[predicate], 64)
            masks[0 if wanted else 1, row, word] |= np.uint64(1 << bit)
    return Program(
        feature=np.array([place.get(predicate.feature, predicate.feature) for predicate in number], np.int32),
        op=np.array([predicate.op for predicate in number], np.int8),
        other=np.array([place.get(predicate.other, predicate.other) for predicate in number], np.int32),
        threshold=np.array([predicate.threshold for predicate in number], np.float64),
        first=np.cumsum([0, *map(len, rules)], dtype=np.int32),
        required=masks[0].copy(),
        forbidden=masks[1].copy(),
    )


def _revision(
    indicators: Sequence[Indicator], offers: Sequence[msgspec.Struct], words: Mapping[float, str]
) -> str:
    """Of the texts, too: `when` has one blank where a text may have several."""
    content = msgspec.json.encode([indicators, offers, *([sorted({*words.values()})] if words else [])])
    return hashlib.sha256(content).hexdigest()[:12]
