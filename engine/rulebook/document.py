"""A YAML file as a tree that knows the position of everything.

The values are read from the nodes directly (no YAML type is ever constructed), so no content of a file can
run anything or grow beyond the text that was written.
"""

from __future__ import annotations

import math
import re
import unicodedata

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from engine.rulebook.faults import LONGEST_SHOWN, RuleFaults, Spot, shown, suggestion
from engine.rulebook.language import numerals
from engine.rulebook.recovery import without_rule
from engine.rulebook.unreadable import explain, sample
from engine.rulebook.yaml_tree import compose

LONGEST_FILE = 1 << 18
WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")
MOST_FAULTY = 20  # rules that are no YAML, before the rest of a file is left unread
TAG = "tag:yaml.org,2002:"
_BEGUN = re.compile(r"[ \t]*([#!])(?: \S.*|\S.*)")
_COMMENT = re.compile(r"([ \t]+)#.*")


class Document:
    """One file: its text, its root node (None when empty or not `readable`), and where its faults go."""

    def __init__(self, file: str, text: str, faults: RuleFaults) -> None:
        self.file = file
        self.text = text
        self.faults = faults
        self.readable = True
        self.root = self._compose()

    def _compose(self) -> Node | None:
        if len(self.text) > LONGEST_FILE:
            self._whole(1, 1, f"larger than {LONGEST_FILE} characters: split it")
            return None
        text: str | None = self.text
        reads = 1 + min(MOST_FAULTY, LONGEST_FILE // (len(self.text) + 1))
        while text is not None and reads:
            reads -= 1
            root, text = self._read(text)
            if root is not None:
                return root
        return None

    def _read(self, text: str) -> tuple[Node | None, str | None]:
        """The root of `text`, which is the file without rules that are no YAML; or, when another is none, what is
        left without that."""
        try:
            return compose(text), None
        except yaml.MarkedYAMLError as error:
            line, column, reason = explain(text, error)
            if self.readable or not reason.startswith("not YAML"):  # what follows from the first may be no fault
                self._whole(line, column, reason)
            return None, without_rule(text, line)
        except yaml.reader.ReaderError as error:
            spot = self._spot_of_index(error.position)
            self._whole(spot.line, spot.column, f"not YAML: {error.reason}")
        except RecursionError:
            self._whole(1, 1, "nested too deeply")
        except (yaml.YAMLError, ValueError) as error:
            self._whole(1, 1, f"not YAML: {shown(str(error))}")
        return None, None

    def _whole(self, line: int, column: int, reason: str) -> None:
        self.readable = False
        self.faults.add(Spot(self.file, line, column), "file", reason)

    def _spot_of_index(self, index: int) -> Spot:
        before = self.text[:index]
        return Spot(self.file, before.count("\n") + 1, index - before.rfind("\n"))

    def spot(self, node: Node) -> Spot:
        """Where `node` begins."""
        return Spot(self.file, node.start_mark.line + 1, node.start_mark.column + 1)

    def within(self, node: ScalarNode, offset: int) -> Spot:
        """Where character `offset` of a scalar's value is in the file.

        Quoting and folding change white space and add characters but never reorder, so the value's
        visible characters are found one after the other in what was written.
        """
        at, end = node.start_mark.index, node.end_mark.index
        if node.style in ("|", ">"):
            at = self.text.find("\n", at, end) + 1
        elif node.style in ("'", '"'):
            at += 1
        for character in node.value[:offset]:
            if not character.isspace():
                at = self.text.find(character, at, end) + 1
                if at == 0:  # written as an escape: the scalar's beginning is the best there is
                    return self.spot(node)
        aim = node.value[offset : offset + 1]
        if aim and not aim.isspace():
            at = max(at, self.text.find(aim, at, end))
        return self._spot_of_index(at)

    def peek(self, node: Node, key: str, fallback: str) -> str:
        """What a mapping has under `key`, as its name in messages; `fallback` when that is no short word."""
        if isinstance(node, MappingNode):
            for key_node, value in node.value:
                if isinstance(value, ScalarNode) and key_node.value == key and WORD.fullmatch(value.value):
                    return str(value.value)
        return fallback

    def fields(self, node: Node, name: str, known: tuple[str, ...], needed: tuple[str, ...]) -> dict[str, Node]:
        """A mapping's values by key; faults for unknown, repeated and missing keys."""
        found: dict[str, Node] = {}
        meant: set[str] = set()
        if not isinstance(node, MappingNode):
            hint = _pair(node.value, known) if isinstance(node, ScalarNode) else ""
            self.faults.add(self.spot(node), name, f"must be a mapping with {', '.join(needed or known)}{hint}")
            return found
        for key_node, value in node.value:
            key = key_node.value if isinstance(key_node, ScalarNode) else "?"
            if self.faults.full:
                break
            if key not in known:
                pair = _pair(key, known)
                meant.add(key.partition(":")[0].strip() if pair else "")
                hint = pair or _cut(node, value) or suggestion(key, known)
                reason = f"unknown key {shown(key)}{hint}"
                self.faults.add(self.spot(key_node), name, reason)
            elif key in found:
                self.faults.add(self.spot(key_node), name, f"{key} is given twice")
            else:
                found[key] = value
        for key in needed:
            if key not in found and key not in meant:
                self.faults.add(self.spot(node), name, f"{key} is missing")
        return found

    def items(self, node: Node | None, name: str, what: str, known: tuple[str, ...] = ()) -> list[Node]:
        """The members of a list, of which `known` are all there may be; nothing and a fault when it is none."""
        if node is None or (isinstance(node, ScalarNode) and node.tag == TAG + "null"):
            return []
        if isinstance(node, SequenceNode):
            return list(node.value)
        hint = _listed(node, known) if what != name or isinstance(node, MappingNode) else ""
        self.faults.add(self.spot(node), name, f"{what} must be a list{hint}")
        return []

    def scalar(self, node: Node, name: str, what: str, tags: tuple[str, ...] = ("str",)) -> ScalarNode | None:
        """`node` when it is a scalar of one of the YAML types `tags`, printable and not empty."""
        if not isinstance(node, ScalarNode) or node.tag not in [TAG + tag for tag in tags]:
            reason = _not_text(node, what) if "str" in tags else _not_a_number(node, what)
            self.faults.add(self.spot(node), name, reason)
            return None
        if not node.value.strip():
            self.faults.add(self.spot(node), name, f"{what} is empty")
            return None
        for offset, character in enumerate("" if node.value.isprintable() else node.value):
            # control characters and lone surrogates can be written as escapes, but not shown or stored
            if unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t":
                self.faults.add(self.within(node, offset), name, f"{what} holds a character that cannot be shown")
                return None
        return node

    def name_of(self, node: Node | None, name: str, what: str) -> str | None:
        """As `text_of`, of the name of a rule."""
        if isinstance(node, ScalarNode) and node.value and not node.style and node.tag != TAG + "str":
            kind = "a number" if node.tag in (TAG + "int", TAG + "float") else "a word of the rule language"
            self.faults.add(self.spot(node), name, f"{what} {shown(node.value)} is {kind}: choose a name")
            return None
        return self.text_of(node, name, what, 1_000)

    def text_of(self, node: Node | None, name: str, what: str, longest: int) -> str | None:
        """A text of at most `longest` characters, surrounding white space removed."""
        scalar = self.scalar(node, name, what) if node is not None else None
        if scalar is None:
            return None
        if len(scalar.value) > longest:
            self.faults.add(self.spot(scalar), name, f"{what} is longer than {longest} characters")
            return None
        return str(scalar.value).strip()

    def free_text(self, node: Node | None, name: str, what: str, longest: int) -> str | None:
        """As `text_of`, of a text for people, in which a # without quotes is a slip: YAML ends the text there."""
        if not isinstance(node, ScalarNode) or node.style:
            return self.text_of(node, name, what, longest)
        if begun := _BEGUN.match(self.text, node.start_mark.index):
            reason = f"put the text in quotes: it begins with {begun[1]}{sample(what, begun[0].strip())}"
            self.faults.add(self._spot_of_index(begun.start(1)), name, reason)
            return None
        text = self.text_of(node, name, what, longest)
        if text is None:
            return None
        lost = _COMMENT.match(self.text, node.end_mark.index)
        if lost is None:
            return text
        whole = sample(what, text + lost[0].rstrip()) if node.start_mark.line == node.end_mark.line else ""
        reason = f"put the text in quotes: it holds a #{whole}; a comment goes behind the closing quote"
        self.faults.add(self._spot_of_index(lost.end(1)), name, reason)
        return None

    def number_of(self, node: Node, name: str, what: str) -> float | None:
        """A finite number, not negative."""
        scalar = self.scalar(node, name, what, ("int", "float"))
        if scalar is None:
            return None
        number = _number(scalar.value)
        if math.isnan(number) and any(map(str.isdigit, scalar.value)):
            self.faults.add(self.spot(node), name, f"{what} must be a number in digits, with a point")
            return None
        if not math.isfinite(number) or number < 0:
            self.faults.add(self.spot(node), name, f"{what} must be a finite number, 0 or more")
            return None
        return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # YAML 1.1 also takes 0x1F, 1_000 and 1:30 for numbers
        return math.nan


def _not_text(node: Node, what: str) -> str:
    if isinstance(node, ScalarNode) and not node.value and node.tag == TAG + "null":
        return f"{what} is empty"
    if node.tag.startswith("!"):
        instead = "write not instead of !" if what == "when" else "it begins with !, so put it in quotes"
        return f"{what} must be text: {instead}"
    if isinstance(node, ScalarNode):
        date = what.endswith(("expires", "period")) and "timestamp" in node.tag
        quotes = ": it is a length of time and no date, such as 7d" if date else " (put it in quotes)"
        return f"{what} must be text" + (quotes if node.value else "")
    if isinstance(node, CollectionNode) and node.flow_style:
        begin = "{" if isinstance(node, MappingNode) else "["
        if what in ("kind", "id", "name"):
            return f"{what} must be one word, without brackets"
        return f"{what} must be text: it begins with {begin}, so put it in quotes"
    if what == "when" and isinstance(node, SequenceNode):
        return "when must be text: write all of it on one line, joined by and"
    return f"{what} must be text"


def _not_a_number(node: Node, what: str) -> str:
    if not isinstance(node, ScalarNode):
        return f"{what} must be a number alone, such as 10 or 0.5"
    if node.tag == TAG + "null":
        return f"{what} is empty"
    advice = numerals.number(node.value)
    if what == "propensity" and advice and not 0 < (share := _number(advice.instead)) < 1:
        return numerals.propensity(min(share, 1.0) if "%" in node.value else share)
    if advice is None:
        return f"{what} must be a number, such as {'0.1' if what == 'propensity' else '10 or 0.5'}"
    if advice.instead.startswith("-"):
        return f"{what} must be a finite number, 0 or more"
    if node.style and advice.instead == node.value:
        return f"{what} must be a number: write {advice.instead} without quotes"
    return f"{what} must be a number: {advice.reason}"


def _listed(node: Node, known: tuple[str, ...]) -> str:
    """The end of a sentence about words or rules that should be a list."""
    if isinstance(node, MappingNode) and node.flow_style:
        return ": write [ and ] instead of { and }" if known else ""
    if isinstance(node, MappingNode):
        return ": write - and a blank before the first key of each member"
    if not isinstance(node, ScalarNode) or len(node.value) > LONGEST_SHOWN:
        return ""
    if re.match(r"-\w", node.value):
        return ": write - and a blank before each member"
    if known and node.value.strip().lower() in ("all", "any", "every", "*", "alle"):
        return f": write [{', '.join(known)}]"
    words = [word for word in re.findall(r"[^\s,;()\[\]]+", node.value) if word not in ("and", "und", "&", "or")]
    return f": write [{', '.join(words)}]" if words and all(map(WORD.fullmatch, words)) else ""


def _pair(text: str, known: tuple[str, ...]) -> str:
    """The end of a sentence about ``key:value`` or ``key value``."""
    if len(text) > LONGEST_SHOWN:
        return ""
    found = re.fullmatch(r"([A-Za-z]+)(?:\s*[:=：]\s*|\s+)([^\n]+)", text.strip())
    if found is None or found[1].lower() not in known:
        return ""
    value = found[2].split()[0] if ":" in found[2] else found[2]  # the next key follows
    return f": write {found[1].lower()}: {value}, with a colon and a blank"


def _cut(node: MappingNode, value: Node) -> str:
    """The end of a sentence about a piece of text that a comma between braces made a key."""
    if (
        node.flow_style
        and isinstance(value, ScalarNode)
        and not value.value
        and value.start_mark.index == value.end_mark.index
    ):
        return ": a comma ends the text before it; put that in quotes, or write a number with a point"
    return ""
