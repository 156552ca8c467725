"""``cueline bench``: measurements that compare, in one run, on this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from loadtest.stream import bench_stream

app = typer.Typer(help="Measure, against a peer in the same run.", no_args_is_help=True)
err = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


@app.command()
def stream(
    events: Annotated[int, typer.Option(min=1_000, help="Records in the topic.")] = 600_000,
    customers: Annotated[int, typer.Option(min=1)] = 20_000,
    partitions: Annotated[int, typer.Option(min=1)] = 16,
    rules: Annotated[Path, typer.Option(exists=True, file_okay=False)] = Path("rules"),
    stock_seconds: Annotated[float, typer.Option(min=1, help="How long the stock agent may read.")] = 15,
    seed: int = 1,
    as_json: AsJson = False,
) -> None:
    """The worker against a stock Faust agent: events a second, on one topic."""
    show(asyncio.run(bench_stream(events, customers, partitions, rules, stock_seconds, seed, err)), as_json)


def show(result: msgspec.Struct, as_json: bool) -> None:
    """Print a result for a program or for a person."""
    if as_json:
        typer.echo(msgspec.json.encode(result).decode())
        return
    table = Table("figure", "value")
    for name, value in _flat(msgspec.to_builtins(result)):
        table.add_row(name, f"{value:,}" if isinstance(value, int | float) else str(value))
    Console().print(table)


def _flat(value: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, item in value.items():
        rows += _flat(item, f"{prefix}{name}.") if isinstance(item, dict) else [(prefix + name, item)]
    return rows
