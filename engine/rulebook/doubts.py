"""What compiles and is still probably a slip: said by ``cueline rules check``, and keeps no rule out of use."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from engine.kernels.catalogue import INDEX
from engine.kernels.groups import contact_features, window
from engine.kernels.row_limits import SESSION_GAP_MS
from engine.rulebook.explain import Clauses, Literal, clauses_of
from engine.rulebook.language.quotes import without_texts
from engine.rulebook.model import Rulebook
from engine.rulebook.moments import FEATURES, SESSION
from engine.state.catalogue import BY_NAME
from engine.state.words import WORD_FEATURES

#: They change in silence, and not by growing.
RESTLESS = {entry.name for entry in (*window.ENTRIES, *contact_features.ENTRIES)}

_NAMES = "|".join(re.escape(name) for name in sorted(BY_NAME.keys() - WORD_FEATURES, key=len, reverse=True))
_BARE = re.compile(rf"(?<![\w.{{])(?:{_NAMES})(?![\w.]|:\w)")  # outside of braces
_DOUBLED = re.compile(rf"\{{\{{\s*({_NAMES})[^{{}}]*\}}\}}")
_TYPOGRAPHIC = re.compile(r"[“„”«»‘‚’](.*)[“”«»‘’]", re.DOTALL)
_VERSION = re.compile(r"\btrait\.[\w.]+\s*(?:[<>]=?|[=!]=)\s*([0-9]{1,4}\.[0-9]0)(?![\w.])")
_THOUSANDS = re.compile(r"(?<![\w.])([1-9][0-9]{0,2})\.([0-9]{3})(?![\w.])")


def of_text(say: str) -> Iterator[tuple[int, str]]:
    """Offset and reason of what a template shows as it stands and hardly should."""
    for found in _DOUBLED.finditer(say):
        yield found.start(), f"shows {found[0][1:-1]} as it stands: write {{{found[1]}}} for the number"
    for found in _BARE.finditer(_DOUBLED.sub(lambda doubled: " " * len(doubled[0]), say)):
        yield found.start(), f"shows {found[0]} as it stands: write {{{found[0]}}} for the number"
    if _TYPOGRAPHIC.fullmatch(text := say.strip()):
        yield 0, f'the quotes {text[0]} and {text[-1]} are shown, too: write " around the text instead'


def of_numbers(text: str) -> Iterator[tuple[int, str]]:
    """Offset and reason of numbers with three decimals, which in other countries are thousands, and of those that
    are probably versions."""
    text = without_texts(text)
    for found in _THOUSANDS.finditer(text):
        yield found.start(), f"{found[0]} is {float(found[0]):g}: write {found[1]}{found[2]} if you mean that"
    for found in _VERSION.finditer(text):
        yield (
            found.start(1),
            f'{found[1]} is {float(found[1]):g}: write "{found[1]}", in quotes, if it is a version',
        )


def lonely_traits(rules: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Of rules by name, with the traits that each names: those that name one which no other does, while others
    name one that looks like it; with the reason."""
    count = Counter(trait for traits in rules.values() for trait in traits)
    found = {}
    for rule, traits in rules.items():
        for trait in sorted(traits):
            alike = [other for other in count if count[other] > count[trait] == 1 and _alike(trait, other)]
            if alike:
                found[rule] = f"no other rule names the trait {trait}; did you mean {min(alike)}?"
    return found


def _alike(one: str, other: str) -> bool:
    if re.sub("[0-9]", "", one) == re.sub("[0-9]", "", other):
        return False  # numbered on purpose
    return difflib.SequenceMatcher(None, one.lower(), other.lower()).ratio() >= 0.8


def never_cues(rulebook: Rulebook) -> dict[int, str]:
    """The offers (positions) that name indicators and never hold when one of those activates, with the reason.

    With an event ``idle.seconds`` is 0, and in silence an indicator activates at the very moment that it asks for.
    """
    rules = clauses_of(rulebook)
    found = {}
    for offer, named in enumerate(rulebook.mentions):
        moments = [_of_activation(rules[indicator]) for indicator in sorted(named)]
        clauses = rules[rulebook.offer_rule + offer]
        if not named or any(some is None or any(_may_hold(clauses, at) for at in some) for some in moments):
            continue
        names = " or ".join(rulebook.indicators[indicator].name for indicator in sorted(named))
        found[offer] = (
            f"never goes out as a cue: it asks for a silence that has not passed when {names} activates; "
            "put the silence into the indicator (idle.seconds is 0 at an event)"
        )
    return found


def _of_activation(clauses: Clauses) -> set[float] | None:
    """Values of ``idle.seconds`` at which an indicator may activate; None: any, as it waits for other things."""
    literals = [literal for clause in clauses for literal in clause]
    places = {place for one in literals for place in (one.feature, one.other) if place >= 0}
    if any(place not in FEATURES for place in places):  # a trait is set whenever a server likes
        return None
    features = [FEATURES[place] for place in places]
    if any(feature.grows_ms and feature.index != INDEX.idle_seconds for feature in features):
        return None
    if any(feature.name in RESTLESS or feature.name.startswith("now.") for feature in features):
        return None
    moments = _moments([clauses])
    if any(feature.index in SESSION for feature in features):
        moments = moments | {(SESSION_GAP_MS + 1) / 1_000}
    return {at for at in {0.0, *moments} if _may_hold(clauses, at)}


def _moments(rules: Sequence[Clauses]) -> set[float]:
    """When ``idle.seconds`` reaches or passes a threshold of `rules`."""
    silences = {one.threshold for clauses in rules for clause in clauses for one in clause if _of_idle(one)}
    return {at for threshold in silences for at in (threshold, threshold + 0.001)}


def _may_hold(clauses: Clauses, idle: float) -> bool:
    """Whether a clause allows ``idle.seconds`` to be `idle`."""
    return any(
        all(one.compare(idle, one.threshold) is one.wanted for one in clause if _of_idle(one))
        for clause in clauses
    )


def _of_idle(literal: Literal) -> bool:
    return literal.feature == INDEX.idle_seconds and literal.other < 0
