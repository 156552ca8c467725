"""How a command runs: its settings, its event loop, and how a mistake is reported."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from engine.errors import BadRule, BadSettings, CuelineError
from engine.settings import Settings
from engine.settings_sources import read_settings

T = TypeVar("T")

err = Console(stderr=True)


def load_settings(config: Path | None) -> Settings:
    """Settings, or an exit that names each wrong one."""
    try:
        return read_settings(config)
    except BadSettings as error:
        for fault in str(error).splitlines():
            err.print(f"[bold red]setting[/] {escape(fault)}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None


#: how a sentence begins that says which service is not there, and the variable of the setting it names
_ADDRESSES = {"redis.url: ": "CUELINE_REDIS__URL", "kafka.brokers: ": "CUELINE_KAFKA__BROKERS"}


def _with_variable(text: str) -> str:
    """
    >>> _with_variable("redis.url: host:6379: nobody listens there")
    'redis.url: host:6379: nobody listens there (redis.url is set by CUELINE_REDIS__URL, or in the settings file)'
    """
    for begin, variable in _ADDRESSES.items():
        if text.startswith(begin):
            return f"{text} ({begin[:-2]} is set by {variable}, or in the settings file)"
    return text


@contextmanager
def errors_as_exit_codes() -> Iterator[None]:
    """Print errors as text, without a traceback, each kind with its own exit code."""
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
        said = escape(_with_variable(str(error)))
        err.print(f"[bold red]{type(error).__name__}[/] {said}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


def run(work: Callable[[], Coroutine[Any, Any, T]], level: str) -> T:
    """Run a coroutine on the fastest loop there is, with logs on standard error."""
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True
    )
    logging.getLogger("aiokafka").setLevel("WARNING")
    logging.getLogger("faust").setLevel("WARNING")
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work())
    else:
        return uvloop.run(work())
