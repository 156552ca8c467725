"""``cueline bench``: delegates to `loadtest`, which an installation of the engine alone does not have."""

from __future__ import annotations

import importlib

import typer

LOADTEST = "loadtest.cli"


def bench(context: typer.Context) -> None:
    """Measure, against a peer in the same run; `cueline bench --help` lists what."""
    try:
        benchmarks = importlib.import_module(LOADTEST)
    except ModuleNotFoundError as error:
        if error.name not in (LOADTEST, LOADTEST.partition(".")[0]):
            raise
        typer.echo("the benchmarks are not installed: run this in a checkout of Cueline", err=True)
        raise typer.Exit(1) from None
    benchmarks.app(args=context.args, prog_name="cueline bench")
