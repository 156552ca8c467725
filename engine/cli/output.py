"""A result, printed for a program or for a person."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import msgspec
import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from engine.errors import BadRule

WIDEST_ID = 32  # longer ones fold, and are whole too


def print_json(content: object) -> None:
    """Print `content` (plain values, Structs, vectors) for a program, in one line."""
    typer.echo(orjson.dumps(content, default=msgspec.to_builtins, option=orjson.OPT_SERIALIZE_NUMPY).decode())


def refuse(bad: BadRule, as_json: bool) -> NoReturn:
    """Print what is wrong with files that were only to be checked; exit code 1."""
    if as_json:
        print_json({"ok": False, "faults": bad.faults})
    else:
        for fault in bad.faults:
            typer.echo(fault, err=True)
    raise typer.Exit(1)


def show(result: msgspec.Struct, as_json: bool, words: Mapping[str, str] | None = None) -> None:
    """Print a result for a program or for a person. `words`: names of figures whose keys say too little."""
    if as_json:
        print_json(result)
        return
    table = Table("figure", "value")
    for name, value in _flat(msgspec.to_builtins(result)):
        called = (words or {}).get(name) or _in_words(name)
        table.add_row(called, f"{value:,}" if isinstance(value, int | float) else str(value or "–"))
    Console().print(table)


def table_by_id(name: str, ids: Iterable[str], *others: str) -> Table:
    """A table whose first column, `name`, has `ids` whole; where room is short the `others` fold."""
    table = Table(box=SIMPLE_HEAD)
    longest = max(map(len, (name, *ids)))
    table.add_column(name, width=min(longest, WIDEST_ID), overflow="fold")
    for other in others:
        table.add_column(other, overflow="fold")
    return table


def _in_words(name: str) -> str:
    """
    >>> _in_words("decisionMs.p50")
    'decision ms p50'
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower().replace(".", " ")
    return words.replace("risen", "activated")  # the key is from before


def _flat(value: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, item in value.items():
        rows += _flat(item, f"{prefix}{name}.") if isinstance(item, dict) else [(prefix + name, item)]
    return rows
