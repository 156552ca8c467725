"""The code speaks the field's language: words of an earlier dialect of ours must not come back.

Identifiers are split at underscores and capitals, so that ``_desk`` and ``DeskRequest`` count as ``desk``.
Docstrings, comments and texts for users count too. Public names (metrics, tallies, JSON keys) are in `PUBLIC`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("engine", "models", "loadtest")

#: Word of the dialect -> what the field says.
DIALECT = {
    r"told|tells?|telling": "report, announce, state, show",
    r"lanes?": "partition (of a topic), ranking (of a channel)",
    r"desks?": "batcher",
    r"arenas?": "row cache",
    r"misfits?": "validation error",
    r"tether(ed|s)?": "parent death",
    r"standstills?": "stall",
    r"judg(e[sd]?|ements?|ing)": "evaluate, evaluation, check",
    r"rises?|rising|rose|risen": "activate, activation",
    r"doors?": "source, API, edge",
    r"verbs?": "command, method",
    r"portraits?": "profile",
    r"farewells?": "last frame",
    r"knock(s|ed|ing)?": "probe",
    r"glances?": "peek, poll",
    r"stirred": "changed",
    r"amiss": "problem, failing",
    r"lacking": "missing, unmet",
    r"aside": "side output",
    r"mend(s|ed|ing)?": "repair, recover, correct",
}

#: Metrics, tallies and JSON keys from before, which deployments read.
PUBLIC = (r"\barena_rows\b", r"\barena_evictions\b", r"\bindicators_risen\b", r"""["']risen\.?["']""")

#: Methods of other libraries.
FOREIGN = (r"\.tell\(\)",)

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_EXEMPT = re.compile("|".join((*PUBLIC, *FOREIGN)))
_DIALECT = {re.compile(words): instead for words, instead in DIALECT.items()}


def spoken(line: str) -> Iterator[str]:
    """The words of a line in lower case, without public names and those of other libraries."""
    line = _EXEMPT.sub("", line)
    yield from (word.lower() for word in _WORD.findall(line))


def dialect(line: str) -> list[str]:
    """Each word of the dialect in a line, and what to say instead."""
    return [
        f"{word}: {instead}"
        for word in spoken(line)
        for pattern, instead in _DIALECT.items()
        if pattern.fullmatch(word)
    ]


def test_engine_models_and_benchmarks_speak_the_fields_language() -> None:
    files = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]
    assert len(files) > 100
    found = [
        f"{file.relative_to(ROOT)}:{number}: {fault}"
        for file in files
        for number, line in enumerate(file.read_text().splitlines(), 1)
        for fault in dialect(line)
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("self._desk = services.batcher", ["desk"]),
        ("class LaneState:", ["lane"]),
        ("TOLD_AFTER_S = 5.0", ["told"]),
        ('"""What Kafka told, and the doors."""', ["told", "doors"]),
        ("planes, misjudging, primrose, tellurium, indoor", []),
        ('meter.set("arena_rows", 3)', []),
        ("arena_size = 3", ["arena"]),
        ("risen = 3", ["risen"]),
        ('"risen": len(activations)', []),
        ("begun = whole.tell()", []),
    ],
)
def test_words_are_found_in_identifiers_and_prose_alike(line: str, words: list[str]) -> None:
    assert [fault.partition(":")[0] for fault in dialect(line)] == words
