"""What a file's columns are, read from YAML: whose a line is, since when it is so, traits and memberships."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Literal, get_args

import msgspec
from yaml.nodes import MappingNode, Node, ScalarNode

from engine.errors import BadRule
from engine.imports.dates import fault_of_form
from engine.rulebook.directory import read_text
from engine.rulebook.document import Document
from engine.rulebook.faults import RuleFaults, Spot, shown, suggestion
from engine.traits import MEMBER, MOST_TRAITS, is_name

Type = Literal["text", "number", "flag", "date", "email", "phone"]
TYPES: tuple[Type, ...] = get_args(Type)
LONGEST = 200

_KEYS = ("customer", "at", "traits", "memberships", "delimiter", "encoding", "decimal", "dates", "region")


class Column(msgspec.Struct, frozen=True):
    """One trait: its name, the column that has it, and what it must be."""

    trait: str
    column: str
    type: Type


class FileMapping(msgspec.Struct, frozen=True):
    """Of a file: the column of the customer's id and, where there is one, of the time at which a line was so; the
    traits. ``decimal`` is the mark before a number's fraction, ``dates`` a format of `strptime` (empty: ISO 8601),
    ``region`` where a phone number without a country's code is from (ISO 3166, empty: nowhere)."""

    customer: str
    columns: tuple[Column, ...]
    at: str = ""
    delimiter: str = ","
    encoding: str = "utf-8"
    decimal: Literal[".", ","] = "."
    dates: str = ""
    region: str = ""

    @property
    def needed(self) -> tuple[str, ...]:
        """The file's columns that are read, each once."""
        named = (self.customer, *((self.at,) if self.at else ()), *(one.column for one in self.columns))
        return tuple(dict.fromkeys(named))


def load(path: Path) -> FileMapping:
    """The mapping in a file. Raises `BadRule` with every fault of it."""
    faults = RuleFaults()
    text = read_text(path, faults)
    return parse(text or "", str(path), faults)


def parse(text: str, file: str = "mapping.yaml", faults: RuleFaults | None = None) -> FileMapping:
    """The mapping in `text`. Raises `BadRule`."""
    faults = RuleFaults() if faults is None else faults
    read = None if faults else _MappingReader(Document(file, text, faults)).mapping()
    if faults or read is None:
        raise BadRule(faults.lines())
    return read


class _MappingReader:
    """Reads one file."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def mapping(self) -> FileMapping | None:
        document, root = self._document, self._document.root
        if root is None:
            if document.readable:
                document.faults.add(Spot(document.file, 1, 1), "mapping", "holds no mapping")
            return None
        fields = document.fields(root, "mapping", _KEYS, ("customer",))
        traits = self._columns(fields.get("traits"), "traits")
        members = self._columns(fields.get("memberships"), "memberships")
        columns = (*traits, *members)
        if not 0 < len(columns) <= MOST_TRAITS:
            self._fault(root, f"1 to {MOST_TRAITS} traits and memberships are needed, not {len(columns)}")
        return FileMapping(
            self._text(fields.get("customer"), "customer"),
            columns,
            self._text(fields.get("at"), "at"),
            self._delimiter(fields.get("delimiter")),
            self._encoding(fields.get("encoding")),
            "," if self._choice(fields.get("decimal"), "decimal", (".", ",")) == "," else ".",
            self._dates(fields.get("dates")),
            self._region(fields.get("region")),
        )

    def _fault(self, node: Node, reason: str) -> None:
        self._document.faults.add(self._document.spot(node), "mapping", reason)

    def _text(self, node: Node | None, what: str) -> str:
        return self._document.text_of(node, "mapping", what, LONGEST) or ""

    def _choice(self, node: Node | None, what: str, known: tuple[str, ...]) -> str:
        text = self._text(node, what)
        if node is not None and text and text not in known:
            self._fault(
                node, f"{what} must be one of {', '.join(known)}, not {shown(text)}{suggestion(text, known)}"
            )
        return text

    def _delimiter(self, node: Node | None) -> str:
        if node is None:
            return ","
        if isinstance(node, ScalarNode) and node.value == "\t":
            return "\t"
        text = self._text(node, "delimiter")
        if text and (len(text) > 1 or text in '"\r\n' or text.isalnum()):
            self._fault(node, 'delimiter must be one character between columns, such as ; or "\\t"')
        return text[:1] or ","

    def _encoding(self, node: Node | None) -> str:
        text = self._text(node, "encoding") or "utf-8"
        try:
            found = codecs.lookup(text).name
        except LookupError:
            found = ""
        if node is not None and not _is_of_lines(found):
            self._fault(node, "encoding must be the name of one, such as utf-8, latin-1 or cp1252, not of UTF-16")
        return found or "utf-8"

    def _dates(self, node: Node | None) -> str:
        text = self._text(node, "dates")
        if node is not None and text and (fault := fault_of_form(text)):
            self._fault(node, f"dates {fault}")
        return text

    def _region(self, node: Node | None) -> str:
        text = self._text(node, "region")
        if node is not None and text and not (len(text) == 2 and text.isascii() and text.isupper()):
            self._fault(node, "region must be two capital letters of ISO 3166, such as DE")
        return text

    def _columns(self, node: Node | None, what: str) -> list[Column]:
        if node is None:
            return []
        if not isinstance(node, MappingNode):
            self._fault(node, f"{what} must be a mapping of names to columns")
            return []
        found: list[Column] = []
        for key, value in node.value:
            column = self._column(key, value, what)
            if column is not None:
                if any(one.trait == column.trait for one in found):
                    self._fault(key, f"{shown(key.value)} stands here twice")
                found.append(column)
        return found

    def _column(self, key: Node, value: Node, what: str) -> Column | None:
        name = self._text(key, f"a name of {what}")
        if not name:
            return None
        trait = MEMBER + name if what == "memberships" else name
        if not is_name(trait) or (what == "traits" and name.startswith(MEMBER)):
            self._fault(key, f"{shown(name)} is no name of one: up to 64 bytes, not beginning with {MEMBER}")
        if what == "memberships":
            return Column(trait, self._text(value, "a column"), "flag")
        if isinstance(value, ScalarNode):
            return Column(trait, self._text(value, "a column"), "text")
        fields = self._document.fields(value, "mapping", ("column", "type"), ("column",))
        named = self._choice(fields.get("type"), "type", TYPES)
        kind = next((one for one in TYPES if one == named), TYPES[0])
        return Column(trait, self._text(fields.get("column"), "a column"), kind)


def _is_of_lines(encoding: str) -> bool:
    """Whether a line of text in it ends with the one byte that a line is cut at."""
    if not encoding:
        return False
    try:
        return "a\n".encode(encoding) == b"a\n"
    except (LookupError, ValueError):
        return False
