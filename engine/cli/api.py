"""``cueline api``: an HTTP process."""

from __future__ import annotations

from engine.cli.execution import errors_as_exit_codes, load_settings, run
from engine.cli.options import ConfigFile


def api(config: ConfigFile = None) -> None:
    """Run an HTTP process: events in, decisions and cues out."""
    from engine.process.api import run_api

    settings = load_settings(config)
    with errors_as_exit_codes():
        run(lambda: run_api(settings), settings.log_level)
