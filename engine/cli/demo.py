"""``cueline demo``: a whole deployment on this machine."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.execution import err, errors_as_exit_codes, run
from engine.cli.output import show
from engine.errors import BadSettings

DIRECTORY = Path(".cueline/demo")

#: figures that count the input alone; the others count what is sent by hand, too
_MADE_UP = {"eventsSent": "events sent by the shoppers", "eventsSkipped": "events of the shoppers refused"}
_OF_LOG = {"eventsSent": "events sent from the log", "eventsSkipped": "lines or events of the log skipped"}


def _long_enough(seconds: float) -> float:
    if seconds and not 5 <= seconds < math.inf:
        raise typer.BadParameter("5 at least, or 0 to go on until Ctrl-C")
    return seconds


def _writable(directory: Path | None) -> Path:
    """The directory asked for, or the default; for that one a temporary one may stand in. Raises `BadSettings`."""
    from engine.local.writable import fault_of, temporary

    fault = fault_of(directory or DIRECTORY)
    if not fault:
        return directory or DIRECTORY
    if directory is not None:
        raise BadSettings(f"--directory {directory}: {fault}")
    instead = temporary("cueline-demo-")
    err.print(
        f"{DIRECTORY}: {fault}; files and logs go to {instead}", markup=False, highlight=False, soft_wrap=True
    )
    return instead


def demo(
    input: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A log to replay instead.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(callback=_long_enough, help="End by itself after this long, 5 at least (0: never).")
    ] = 0,
    port: Annotated[int, typer.Option(help="Of the page; 0 picks a free one.")] = 8080,
    speed: Annotated[
        float,
        typer.Option(min=0, help="Engine seconds per second; 0: 5 for made-up shoppers, what fits for a log."),
    ] = 0,
    rate: Annotated[float, typer.Option(min=1, help="Events per second of the made-up traffic.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the made-up traffic.")] = 7,
    rules: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Rule files.")] = Path("rules"),
    directory: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="Where it keeps files and logs; each demo needs its own.",
            show_default=f"{DIRECTORY}, or a temporary one where that cannot be written",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as the last line.")] = False,
    browser: Annotated[bool, typer.Option(help="Open the page.")] = True,
    log_batches: Annotated[
        int, typer.Option(min=10, hidden=True, help="When Kafka's log begins anew: batches of a partition.")
    ] = 6_000,
) -> None:
    """Start everything on this machine and watch it work."""
    from engine.demo.feed import Input
    from engine.demo.run import Demo, Wishes
    from engine.local import binaries
    from engine.replay.log_reader import LogReader
    from engine.sources.segment.logged import logged

    with errors_as_exit_codes():
        binaries.require()
        if input is not None:
            LogReader(input, logged).first()  # before anything is started
        chosen = Input(input, speed, rate, seed)
        wishes = Wishes(chosen, seconds, port, rules, _writable(directory), as_json, browser, log_batches)
        result = run(lambda: Demo(wishes).run(), "WARNING")
    if result is not None:
        show(result, as_json, _MADE_UP if input is None else _OF_LOG)
