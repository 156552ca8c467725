"""Values found in a vendor's payload, each with the path at which it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

_OBJECT = msgspec.json.Decoder(dict[str, Any])

#: Names from the outside in; a whole number is a place in a list.
Path = tuple[str, ...]


class Found(NamedTuple):
    """A value, None where there is none, and its path as it is written."""

    value: Any
    field: str


NOTHING = Found(None, "")


def path_of(text: str) -> Path:
    """
    >>> path_of("detail.agents.0.id")
    ('detail', 'agents', '0', 'id')
    """
    return tuple(text.split("."))


class Payload:
    """One event's payload. A path is looked for in each of the places `inside` it first, then in the whole of it.
    What was looked for is remembered, so a payload is searched once for each path."""

    def __init__(self, whole: object, inside: Sequence[Path] = ()) -> None:
        self._texts: dict[str, object] = {}
        self._seen: dict[Path, object] = {}
        places = (self._entered(self._at(whole, place)) for place in inside)
        self._roots = [*(place for place in places if isinstance(place, dict)), whole]

    def find(self, paths: Sequence[Path]) -> Found:
        """The first of `paths` at which something stands: neither null nor an empty text."""
        return next(self.all(paths), Found(None, ".".join(paths[0])) if paths else NOTHING)

    def all(self, paths: Sequence[Path]) -> Iterator[Found]:
        """What stands at each of `paths` at which something does."""
        for path in paths:
            if (value := self.at(path)) is not None:
                yield Found(value, ".".join(path))

    def at(self, path: Path) -> object:
        """What stands at `path`; None for nothing, null and an empty text."""
        if path not in self._seen:
            found = (self._at(root, path) for root in self._roots)
            self._seen[path] = next((value for value in found if value is not None and value != ""), None)
        return self._seen[path]

    def _at(self, root: object, path: Path) -> object:
        value = root
        for name in path:
            value = self._entered(value)
            if isinstance(value, dict):
                value = value.get(name)
            elif isinstance(value, list) and name.isdecimal() and len(name) < 6 and int(name) < len(value):
                value = value[int(name)]
            else:
                return None
        return value

    def _entered(self, value: object) -> object:
        """`value`; of a text that holds an object as JSON that object."""
        return self._object(value) if isinstance(value, str) else value

    def _object(self, text: str) -> object:
        """The object that a text holds as JSON, as some vendors' forms do."""
        if text not in self._texts:
            try:
                self._texts[text] = _OBJECT.decode(text) if text.lstrip()[:1] == "{" else None
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                self._texts[text] = None
        return self._texts[text]
