"""The command line: what a person starts, one file a command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import typer

from engine import __version__
from engine.cli import bench, identity, keys, lessons, rules, sources
from engine.cli.api import api
from engine.cli.demo import demo
from engine.cli.doctor import doctor
from engine.cli.erase import erase
from engine.cli.execution import load_settings
from engine.cli.imports import import_
from engine.cli.replay import command as replay_command
from engine.cli.resume import resume
from engine.cli.work import work
from engine.replay.target import ReplayDestination, ReplayTarget
from engine.sources.segment.logged import logged

app = typer.Typer(
    name="cueline",
    help="Real-time decisions from customer behaviour: events in, next best action out, with the reason.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Settings come from CUELINE_… variables, then from a TOML file, then from defaults."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


@asynccontextmanager
async def _open_target(where: ReplayDestination) -> AsyncIterator[ReplayTarget]:
    from engine.process.replay_target import open_target

    async with open_target(where, load_settings(where.config)) as target:
        yield target


for command in (api, work, resume, erase, doctor, demo):
    app.command()(command)
app.command("import")(import_)
app.command("replay")(replay_command(_open_target, logged))
app.add_typer(rules.app, name="rules")
app.add_typer(keys.app, name="keys")
app.add_typer(lessons.app, name="lessons")
app.add_typer(identity.app, name="identity")
app.add_typer(sources.app, name="sources")
app.command(
    "bench",
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(bench.bench)
