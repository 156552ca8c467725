"""What stands behind the ``?`` of an address: fields that its route knows, each once."""

from __future__ import annotations

from collections.abc import Set
from urllib.parse import parse_qsl

from blacksheep import Request

from engine.errors import BadRequest
from engine.rulebook.faults import shown, suggestion

MOST_FIELDS = 20


def check_query(request: Request, known: Set[str]) -> None:
    """Raises `BadRequest` for a field that is not `known`, which would silently change nothing, and for one that
    is given twice, of which only the first would count."""
    if not (raw := request.scope.get("query_string")):
        return
    seen = set[str]()
    for name in _names(raw):
        if name not in known:
            there = f" (there are {', '.join(sorted(known))})" if known else " (this address takes none)"
            hint = suggestion(name, sorted(known)) if known else ""
            raise BadRequest(f"unknown query field {shown(name)}{hint}{there}", "query")
        if name in seen:
            raise BadRequest("is given twice", name)
        seen.add(name)


def has_field(request: Request, name: str) -> bool:
    """Whether the query has `name`, be it empty."""
    return name in _names(request.scope.get("query_string") or b"")


def _names(raw: bytes) -> list[str]:
    try:
        return [name for name, _ in parse_qsl(raw.decode(), True, max_num_fields=MOST_FIELDS)]
    except UnicodeDecodeError:
        raise BadRequest("the query is not UTF-8", "query") from None
    except ValueError:
        raise BadRequest(f"more than {MOST_FIELDS} fields", "query") from None
