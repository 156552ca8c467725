"""From rule files to a rulebook."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.errors import BadRule
from engine.rulebook.compile import compile_drafts
from engine.rulebook.document import Document
from engine.rulebook.faults import RuleFaults, Spot
from engine.rulebook.model import Rulebook
from engine.rulebook.schema import RuleDrafts, read

SUFFIXES = (".yaml", ".yml")
CASES = (".cases.yaml", ".cases.yml")


def load(directory: Path) -> Rulebook:
    """The rulebook of all ``*.yaml`` in `directory`; raises `BadRule` with every fault of every file."""
    faults = RuleFaults()
    texts = texts_of(directory, SUFFIXES, faults)
    if not texts and not faults:
        faults.add(Spot(str(directory), 1, 1), "directory", "holds no rule files (*.yaml)")
    return _compile(texts, faults)


def compile_texts(texts: Mapping[str, str]) -> Rulebook:
    """The rulebook of texts by file name; raises `BadRule` with every fault of every text."""
    return _compile(texts, RuleFaults())


def _compile(texts: Mapping[str, str], faults: RuleFaults) -> Rulebook:
    drafts = RuleDrafts(complete=not faults)
    for file in sorted(texts):
        drafts.add(read(Document(file, texts[file], faults)))
    rulebook = compile_drafts(drafts, faults)
    if rulebook is None:
        raise BadRule(faults.lines())
    return rulebook


def is_rule_file(path: Path) -> bool:
    """Whether the name is one of a rule file: no case file, nothing hidden (editors' locks and drafts)."""
    name = path.name
    return name.endswith(SUFFIXES) and not name.endswith(CASES) and not name.startswith(".")


def texts_of(directory: Path, suffixes: tuple[str, ...], faults: RuleFaults) -> dict[str, str]:
    """The text of every rule file (or, with `CASES`, case file) of a directory; unreadable ones are faults."""
    texts: dict[str, str] = {}
    try:
        paths = sorted(path for path in directory.iterdir() if path.name.endswith(suffixes))
    except OSError as error:
        faults.add(Spot(str(directory), 1, 1), "directory", f"cannot be read: {error.strerror}")
        return texts
    for path in paths:
        if path.name.startswith(".") or (suffixes is SUFFIXES and not is_rule_file(path)):
            continue
        try:
            texts[str(path)] = path.read_bytes().decode("utf-8-sig")
        except OSError as error:
            faults.add(Spot(str(path), 1, 1), "file", f"cannot be read: {error.strerror}")
        except UnicodeDecodeError as error:
            before = error.object[: error.start]
            column = error.start - before.rfind(b"\n")
            faults.add(Spot(str(path), before.count(b"\n") + 1, column), "file", "is not UTF-8")
    return texts
