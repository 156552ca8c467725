"""``cueline work``: a stream worker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.execution import errors_as_exit_codes, load_settings, run
from engine.cli.options import ConfigFile


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
