"""``cueline resume``: partitions that took no records take them again."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from engine.cli.execution import errors_as_exit_codes, load_settings
from engine.cli.options import AsJson, ConfigFile
from engine.cli.output import print_json


def resume(
    partition: Annotated[
        list[int] | None, typer.Option(min=0, help="which one; again for several. None: all that are paused.")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Let partitions go on that were paused because too many of their records cannot be applied.

    What waits in them now passes: what cannot be applied becomes dead letters. Records that come later are checked
    again. Workers notice within a second.
    """
    from engine.process.resume import resume as ended

    settings = load_settings(config)
    with errors_as_exit_codes():
        resumed = asyncio.run(ended(settings, partition or ()))
    if as_json:
        print_json(resumed)
        return
    for one in resumed:
        typer.echo(f"partition {one.partition}: goes on at {one.paused_at}; below {one.below} everything passes")
        typer.echo(f"  it was paused: {one.reason}")
    if not resumed:
        typer.echo("no such partition is paused" if partition else "no partition is paused")
