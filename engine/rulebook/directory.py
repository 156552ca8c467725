"""From rule files to a rulebook."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from engine.errors import BadRule
from engine.rulebook.compile import compile_drafts
from engine.rulebook.document import LONGEST_FILE, Document
from engine.rulebook.doubts import lonely_traits, never_cues
from engine.rulebook.faults import RuleFaults, Spot, shown
from engine.rulebook.language.clauses import traits_in
from engine.rulebook.model import Rulebook
from engine.rulebook.schema import IndicatorDraft, OfferDraft, RuleDraft, RuleDrafts, read

SUFFIXES = (".yaml", ".yml")
CASES = (".cases.yaml", ".cases.yml")


#: What opening would wait for, or change, and what never ends; a directory is refused by the system.
SPECIAL = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
MOST_BYTES = 4 * LONGEST_FILE  # of UTF-8, in so many characters


class NoPlainFile(Exception):
    """Its text says why a path is not read."""


class Checked(msgspec.Struct, frozen=True):
    """A rulebook, where each of its rules stands (by position in the program), and what is probably a slip."""

    rulebook: Rulebook
    places: tuple[Spot, ...]
    warnings: list[str]


def load(directory: Path) -> Rulebook:
    """The rulebook of all ``*.yaml`` in `directory`; raises `BadRule` with every fault of every file."""
    faults = RuleFaults()
    return _compile(_rule_texts(directory, faults), faults)[0]


def check(directory: Path) -> Checked:
    """As `load`, with what an operator should know besides."""
    faults = RuleFaults()
    rulebook, drafts = _compile(_rule_texts(directory, faults), faults)
    rules = [draft.rule for drafted in (drafts.indicators, drafts.offers) for draft in sorted(drafted, key=_name)]
    for offer, reason in never_cues(rulebook).items():
        rule = rules[rulebook.offer_rule + offer]
        faults.doubt(rule.spot, rule.name, reason)
    _doubt_traits(rules, faults)
    for path in misnamed(directory):
        faults.doubt(Spot(str(path), 1, 1), "file", "is not read: the name of a rule file ends with .yaml")
    return Checked(rulebook, tuple(rule.spot for rule in rules), faults.doubts())


def _doubt_traits(rules: Sequence[RuleDraft], faults: RuleFaults) -> None:
    named = {rule.name: traits_in(rule.condition) for rule in rules}
    spots = {rule.name: rule.spot for rule in rules}
    for name, reason in lonely_traits(named).items():
        faults.doubt(spots[name], name, reason)


def compile_texts(texts: Mapping[str, str]) -> Rulebook:
    """The rulebook of texts by file name; raises `BadRule` with every fault of every text."""
    return _compile(texts, RuleFaults())[0]


def _rule_texts(directory: Path, faults: RuleFaults) -> dict[str, str]:
    texts = texts_of(directory, SUFFIXES, faults)
    if not texts and not faults:
        others = ", ".join(shown(path.name) for path in misnamed(directory))
        hint = f"; rename {others}, so that it ends with .yaml" if others else ""
        faults.add(Spot(str(directory), 1, 1), "directory", f"holds no rule files (*.yaml){hint}")
    return texts


def _compile(texts: Mapping[str, str], faults: RuleFaults) -> tuple[Rulebook, RuleDrafts]:
    drafts = RuleDrafts(complete=not faults)
    for file in sorted(texts):
        drafts.add(read(Document(file, texts[file], faults)))
    rulebook = compile_drafts(drafts, faults)
    if rulebook is None:
        raise BadRule(faults.lines())
    return rulebook, drafts


def _name(draft: IndicatorDraft | OfferDraft) -> str:
    return draft.rule.name


def is_rule_file(path: Path) -> bool:
    """Whether the name is one of a rule file: no case file, nothing hidden (editors' locks and drafts)."""
    name = path.name.lower()
    return name.endswith(SUFFIXES) and not name.endswith(CASES) and not name.startswith(".")


def misnamed(directory: Path) -> list[Path]:
    """The files whose names look like those of rule files and are none: ``spring.yaml.txt``."""
    return sorted(path for path in directory.iterdir() if _looks_like_rules(path.name.lower()))


def _looks_like_rules(name: str) -> bool:
    ours = name.endswith(SUFFIXES) or name.startswith(".")  # hidden ones are editors'
    return not ours and any(suffix in name for suffix in SUFFIXES)


def texts_of(directory: Path, suffixes: tuple[str, ...], faults: RuleFaults) -> dict[str, str]:
    """The text of every rule file (or, with `CASES`, case file) of a directory; unreadable ones are faults."""
    texts: dict[str, str] = {}
    try:
        paths = sorted(path for path in directory.iterdir() if path.name.lower().endswith(suffixes))
    except OSError as error:
        faults.add(Spot(str(directory), 1, 1), "directory", f"cannot be read: {error.strerror}")
        return texts
    for path in paths:
        if path.name.startswith(".") or (suffixes is SUFFIXES and not is_rule_file(path)):
            continue
        text = read_text(path, faults)
        if text is not None:
            texts[str(path)] = text
    return texts


def read_text(path: Path, faults: RuleFaults) -> str | None:
    """The text of one file; None, with a fault, for one that cannot be read."""
    try:
        return _content(path).decode("utf-8-sig")
    except NoPlainFile as refused:
        faults.add(Spot(str(path), 1, 1), "file", str(refused))
    except OSError as error:
        faults.add(Spot(str(path), 1, 1), "file", f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        column = error.start - before.rfind(b"\n")
        faults.add(Spot(str(path), before.count(b"\n") + 1, column), "file", "is not UTF-8")
    return None


def stamps(directory: Path) -> dict[str, tuple[int, ...]]:
    """What changes with the content of each rule file, wherever its name leads; nothing of those away."""
    found: dict[str, tuple[int, ...]] = {}
    with contextlib.suppress(OSError):
        for path in filter(is_rule_file, directory.iterdir()):
            with contextlib.suppress(OSError):
                status = path.stat()
                identity = (status.st_dev, status.st_ino, status.st_size)
                found[path.name] = (*identity, status.st_mtime_ns, status.st_ctime_ns)
    return found


def _content(path: Path) -> bytes:
    """Raises `NoPlainFile`, or OSError. Never waits for a writer."""
    _check(path.stat())
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        _check(os.fstat(descriptor))  # another may have taken the name
        return file.read()


def _check(status: os.stat_result) -> None:
    if kind := SPECIAL.get(stat.S_IFMT(status.st_mode)):
        raise NoPlainFile(f"is {kind}, which is not read: put a file here")
    if status.st_size > MOST_BYTES and stat.S_ISREG(status.st_mode):
        raise NoPlainFile(f"larger than {LONGEST_FILE} characters: split it")
