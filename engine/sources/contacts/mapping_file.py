"""Mapping files (`config/sources/*.yaml`) as mappings: everything checked, with every fault at its place."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path as FilePath

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from engine.errors import BadRule
from engine.events import ContactChannel
from engine.rulebook.directory import SUFFIXES, texts_of
from engine.rulebook.document import TAG, Document
from engine.rulebook.faults import RuleFaults, Spot, shown, suggestion
from engine.sources.contacts.condition import Condition, Pattern, pattern
from engine.sources.contacts.found import Path, path_of
from engine.sources.contacts.mapping import ChannelRule, KindRule, Paths, Place, Places
from engine.sources.contacts.mapping import Mapping as SourceMapping
from engine.sources.contacts.public_key import PUBLIC_HASHES
from engine.sources.contacts.signature import ENCODINGS, HASHES, KEYS, Signature
from engine.sources.contacts.vocabulary import CHANNELS, KINDS

NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)
HEADER = re.compile(r"[A-Za-z0-9-]{1,100}", re.ASCII)
PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,16}", re.ASCII)
PASSED = "passed"  # of payloads that are none, whatever follows says
MOST_RULES = 64
MOST_CONDITIONS = 8  # of one kind
MOST_PATTERNS = 32  # of one condition
MOST_PATHS = 8
DEEPEST = 12  # names of a path
LONGEST = 200  # characters of a path or pattern

_PLACES = (
    "contact", "customer", "id", "time", "queue", "agent", "reason", "outcome", "score", "email", "phone",
)  # fmt: skip
_KEYS = ("source", "body", "each", "inside", "prefix", "kinds", *_PLACES, "channel", "signature")
_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def load(directory: FilePath, taken: Collection[str] = ()) -> list[SourceMapping]:
    """The mappings of all ``*.yaml`` in `directory`, none where there is no such directory; `taken` are names of
    other sources. Raises `BadRule` with every fault of every file."""
    if not directory.exists():
        return []
    faults = RuleFaults()
    return read_texts(texts_of(directory, SUFFIXES, faults), faults, taken)


def read_texts(
    texts: Mapping[str, str], faults: RuleFaults | None = None, taken: Collection[str] = ()
) -> list[SourceMapping]:
    """The mappings of texts by file name. Raises `BadRule`."""
    faults = RuleFaults() if faults is None else faults
    found: dict[str, SourceMapping] = {}
    for file in sorted(texts):
        read = _FileReader(Document(file, texts[file], faults)).mapping()
        if read is not None and (read.source in found or read.source in taken):
            faults.add(Spot(file, 1, 1), read.source, "there is another source of this name: choose a name")
        elif read is not None:
            found[read.source] = read
    if faults:
        raise BadRule(faults.lines())
    return list(found.values())


class _FileReader:
    """Reads one file."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._name = "file"

    def mapping(self) -> SourceMapping | None:
        """None where the file has faults."""
        document, root = self._document, self._document.root
        if root is None:
            if document.readable:
                document.faults.add(Spot(document.file, 1, 1), "file", "holds no mapping")
            return None
        before = len(document.faults.lines())
        self._name = document.peek(root, "source", "source")
        fields = document.fields(root, self._name, _KEYS, ("source", "kinds", "contact"))
        source = self._word(fields.get("source"), "source", NAME, "lower case letters, digits, _ and -")
        places = {key: self._places(fields.get(key), key) for key in _PLACES}
        each = self._paths(fields.get("each"), "each")
        read = SourceMapping(
            source=source,
            kinds=self._kinds(fields.get("kinds")),
            form=self._choice(fields.get("body"), "body", ("json", "form"), "json") == "form",
            each=each[0] if each else (),
            inside=self._paths(fields.get("inside"), "inside"),
            prefix=self._word(fields.get("prefix"), "prefix", PREFIX, "up to 16 letters, digits, . _ : and -"),
            channel=self._channel(fields.get("channel")),
            signature=self._signature(fields.get("signature")),
            **places,
        )
        return None if len(document.faults.lines()) > before else read

    def _fault(self, node: Node, reason: str) -> None:
        self._document.faults.add(self._document.spot(node), self._name, reason)

    def _text(self, node: Node | None, what: str, tags: tuple[str, ...] = ("str",)) -> str:
        """A text; empty, with a fault, where it is none."""
        scalar = self._document.scalar(node, self._name, what, tags) if node is not None else None
        if scalar is None:
            return ""
        if len(scalar.value) > LONGEST:
            self._fault(scalar, f"{what} is longer than {LONGEST} characters")
            return ""
        return str(scalar.value).strip()

    def _word(self, node: Node | None, what: str, form: re.Pattern[str], said: str) -> str:
        text = self._text(node, what)
        if node is not None and text and not form.fullmatch(text):
            self._fault(node, f"{what} {shown(text)}: {said}")
        return text

    def _choice(self, node: Node | None, what: str, known: Collection[str], default: str) -> str:
        if node is None:
            return default
        text = self._text(node, what)
        if text and text not in known:
            hint = suggestion(text, known)
            self._fault(node, f"{what} must be one of {', '.join(known)}, not {shown(text)}{hint}")
        return text if text in known else default

    def _several(self, node: Node | None, what: str, most: int) -> list[Node]:
        """The members of a list, or the one that stands there without brackets."""
        if node is None:
            return []
        nodes: list[Node] = list(node.value) if isinstance(node, SequenceNode) else [node]
        if not 0 < len(nodes) <= most:
            self._fault(node, f"{what} must be one, or a list of up to {most}")
            return []
        return nodes

    def _paths(self, node: Node | None, what: str) -> Paths:
        found = (self._path(one, what) for one in self._several(node, what, 1 if what == "each" else MOST_PATHS))
        return tuple(path for path in found if path)

    def _places(self, node: Node | None, what: str) -> Places:
        found = (self._place(one, what) for one in self._several(node, what, MOST_PATHS))
        return tuple(place for place in found if place.path)

    def _place(self, node: Node, what: str) -> Place:
        """A path, or a path with the conditions under which it counts."""
        if not isinstance(node, MappingNode) or all(key.value != "path" for key, _ in node.value):
            return Place(self._path(node, what))
        fields = self._document.fields(node, self._name, ("path", "when"), ("path", "when"))
        if len(fields) < 2:
            return Place(())
        return Place(self._path(fields["path"], what), self._conditions(fields["when"]))

    def _path(self, node: Node, what: str) -> Path:
        path = path_of(text) if (text := self._text(node, what, ("str", "int"))) else ()
        if len(path) > DEEPEST or not all(path):
            self._fault(node, f"{what} {shown(text)} is no path: write names joined by points, {DEEPEST} at most")
        return path

    def _kinds(self, node: Node | None) -> tuple[KindRule, ...]:
        nodes = self._document.items(node, self._name, "kinds") if node is not None else []
        if isinstance(node, SequenceNode) and not 0 < len(nodes) <= MOST_RULES:
            self._fault(node, f"kinds must be a list of 1 to {MOST_RULES}")
            return ()
        return tuple(rule for one in nodes if (rule := self._kind(one)) is not None)

    def _kind(self, node: Node) -> KindRule | None:
        fields = self._document.fields(node, self._name, ("kind", "when", "word", "also"), ("kind", "when"))
        if "kind" not in fields or "when" not in fields:
            return None
        kind = self._choice(fields["kind"], "kind", (*KINDS, PASSED), "")
        conditions = self._conditions(fields["when"])
        word = self._text(fields.get("word"), "word")
        also = KINDS.get(self._choice(fields.get("also"), "also", tuple(KINDS), ""))
        return KindRule(KINDS.get(kind), conditions, word, also) if kind and conditions else None

    def _conditions(self, node: Node) -> tuple[Condition, ...]:
        if not isinstance(node, MappingNode) or not 0 < len(node.value) <= MOST_CONDITIONS:
            self._fault(node, f"when must be a mapping of paths to values, 1 to {MOST_CONDITIONS}")
            return ()
        return tuple(self._condition(key, value) for key, value in node.value)

    def _condition(self, key: Node, value: Node) -> Condition:
        path = self._path(key, "a path of when")
        if isinstance(value, ScalarNode) and value.tag == TAG + "bool":
            return Condition(path, absent=not _TRUTHS[value.value.lower()])
        return Condition(path, self._patterns(value, "when"))

    def _patterns(self, node: Node, what: str) -> tuple[Pattern, ...]:
        nodes = self._several(node, what, MOST_PATTERNS)
        return tuple(pattern(text) for one in nodes if (text := self._text(one, what, ("str", "int", "float"))))

    def _channel(self, node: Node | None) -> ChannelRule:
        if node is None:
            return ChannelRule()
        if isinstance(node, ScalarNode):
            word = self._choice(node, "channel", tuple(CHANNELS), "")
            return ChannelRule(CHANNELS.get(word, ContactChannel.UNKNOWN))
        fields = self._document.fields(node, self._name, ("from", "otherwise", *CHANNELS), ("from",))
        otherwise = self._choice(fields.get("otherwise"), "otherwise", tuple(CHANNELS), "")
        words = tuple(
            (channel, self._patterns(fields[name], name)) for name, channel in CHANNELS.items() if name in fields
        )
        always = CHANNELS.get(otherwise, ContactChannel.UNKNOWN)
        return ChannelRule(always, self._paths(fields.get("from"), "from"), words)

    def _signature(self, node: Node | None) -> Signature | None:
        if node is None:
            return None
        fields = self._document.fields(
            node, self._name, ("header", "over", "hash", "encoding", "prefix", "key", "time"), ("header",)
        )
        hashed = self._choice(fields.get("hash"), "hash", HASHES, "sha256")
        encoded = self._choice(fields.get("encoding"), "encoding", ENCODINGS, "hex")
        over = self._text(fields.get("over"), "over") or "{body}"
        if "{body}" not in over and "{form}" not in over:
            self._fault(fields["over"], "over must hold {body} or {form}: else anything would be signed")
        read = Signature(
            self._word(fields.get("header"), "header", HEADER, "letters, digits and -"),
            over,
            hashed,  # type: ignore[arg-type]
            encoded,  # type: ignore[arg-type]
            self._text(fields.get("prefix"), "prefix"),
            self._choice(fields.get("key"), "key", KEYS, "shared"),  # type: ignore[arg-type]
            self._word(fields.get("time"), "time", HEADER, "letters, digits and -"),
        )
        if read.time and read.time not in read.places:
            self._fault(
                fields["time"], f"time must stand in over, as {{{read.time}}}: else anybody could change it"
            )
        if read.key == "public" and read.hash not in PUBLIC_HASHES:
            self._fault(fields["hash"], f"hash of a public key must be one of {', '.join(PUBLIC_HASHES)}")
        return read
