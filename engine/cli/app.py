"""The command line: what a person starts, and how a mistake is told to them."""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from engine import __version__
from engine.cli.replay import command as replay_command
from engine.cli.rules import app as rules_app
from engine.errors import BadRule, BadSettings, CuelineError
from engine.replay.target import ReplayDestination, ReplayTarget
from engine.settings import Settings
from engine.sources.segment.logged import logged
from loadtest.cli import app as bench_app

app = typer.Typer(
    name="cueline",
    help="Real-time decisions from customer behaviour: events in, next best action out, with the reason.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(rules_app, name="rules")
app.add_typer(bench_app, name="bench")

err = Console(stderr=True)

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", envvar="CUELINE_CONFIG", exists=True, dir_okay=False, help="TOML file of settings."
    ),
]


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Settings come from CUELINE_… variables, then from a TOML file, then from defaults."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def api(config: ConfigFile = None) -> None:
    """Run an HTTP process: events in, decisions and cues out."""
    from engine.process.api import run_api

    settings = load_settings(config)
    with errors_as_exit_codes():
        run(lambda: run_api(settings), settings.log_level)


@app.command()
def work(
    config: ConfigFile = None,
    directory: Annotated[
        Path | None, typer.Option(hidden=True, help="Of no use any more: a worker keeps nothing on disk.")
    ] = None,
) -> None:
    """Run a stream worker: events to customers' rows, indicators and cues."""
    from engine.process.worker import run_worker

    settings = load_settings(config)
    with errors_as_exit_codes():
        run(lambda: run_worker(settings), settings.log_level)


@app.command()
def doctor(
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Check settings, rules, Kafka and Redis, and that they agree; exit code 1 when something is amiss."""
    from engine.cli.doctor import examine, show

    settings = load_settings(config)
    findings = asyncio.run(examine(settings))
    show(findings, as_json)
    if any(not finding.good for finding in findings):
        raise typer.Exit(1)


def _long_enough(seconds: float) -> float:
    if seconds and not 5 <= seconds < math.inf:
        raise typer.BadParameter("5 at least, or 0 to go on until Ctrl-C")
    return seconds


@app.command()
def demo(
    input: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A log to replay instead.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(callback=_long_enough, help="End by itself after this long, 5 at least (0: never).")
    ] = 0,
    port: Annotated[int, typer.Option(help="Of the page; 0 picks a free one.")] = 8080,
    speed: Annotated[float, typer.Option(min=0, help="Engine seconds per second; 0 fits the input in.")] = 0,
    rate: Annotated[float, typer.Option(min=1, help="Events per second of the made-up traffic.")] = 400,
    seed: Annotated[int, typer.Option(help="Of the made-up traffic.")] = 7,
    rules: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Rule files.")] = Path("rules"),
    directory: Annotated[
        Path, typer.Option(file_okay=False, help="Where it keeps files and logs; each demo needs its own.")
    ] = Path(".cueline/demo"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as the last line.")] = False,
    browser: Annotated[bool, typer.Option(help="Open the page.")] = True,
) -> None:
    """Start everything on this machine and watch it work."""
    from engine.demo.feed import Input
    from engine.demo.run import Demo, Wishes

    wishes = Wishes(Input(input, speed, rate, seed), seconds, port, rules, directory, as_json, browser)
    with errors_as_exit_codes():
        run(lambda: Demo(wishes).run(), "WARNING")


@asynccontextmanager
async def _open_target(where: ReplayDestination) -> AsyncIterator[ReplayTarget]:
    from engine.process.replay_target import open_target

    async with open_target(where, load_settings(where.config)) as target:
        yield target


app.command("replay")(replay_command(_open_target, logged))


def load_settings(config: Path | None) -> Settings:
    """Settings, or an exit that names each wrong one."""
    try:
        return Settings.load(config)
    except BadSettings as error:
        for fault in str(error).splitlines():
            err.print(f"[bold red]setting[/] {escape(fault)}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None


@contextmanager
def errors_as_exit_codes() -> Iterator[None]:
    """Tell what is wrong in words, not in a traceback, with an exit code of its own."""
    try:
        yield
    except BadRule as error:
        for fault in error.faults:
            err.print(f"[bold red]rule[/] {escape(fault)}", highlight=False, soft_wrap=True)
        raise typer.Exit(3) from None
    except BadSettings as error:
        err.print(f"[bold red]settings[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
    except (CuelineError, OSError) as error:
        err.print(f"[bold red]{type(error).__name__}[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


def run(work: Callable[[], Coroutine[Any, Any, None]], level: str) -> None:
    """Run a coroutine on the fastest loop there is, with logs on standard error."""
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True
    )
    logging.getLogger("aiokafka").setLevel("WARNING")
    logging.getLogger("faust").setLevel("WARNING")
    try:
        import uvloop
    except ImportError:
        asyncio.run(work())
    else:
        uvloop.run(work())
