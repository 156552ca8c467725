"""``cueline import``: a file of customers in, traits out, and an account of every line."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple, TextIO

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from engine.cli.execution import err, errors_as_exit_codes, load_settings
from engine.cli.options import AsJson, ConfigFile
from engine.cli.output import print_json
from engine.clock import wall_ms
from engine.errors import BadRequest
from engine.imports import mapping as mappings
from engine.imports.report import CLEANED, REASONS, Account, ImportReport
from engine.imports.run import AGE_MS, TableReader, TraitsOf, send_all
from engine.imports.tables import FileProgress, lines
from engine.placeholder_ids import words
from engine.process.import_target import open_import
from engine.settings import Settings


class _Target(NamedTuple):
    """Where it goes."""

    url: str | None
    key: str | None
    dry_run: bool
    settings: Settings


EVERY_LINES = 100_000  # between two lines of a log, where there is no terminal


def import_(
    file: Annotated[Path, typer.Argument(help="CSV (plain or gz) or Parquet, the first line with names")],
    mapping: Annotated[Path, typer.Option("--mapping", "-m", help="YAML: which column is what")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="read and account, send nothing")] = False,
    refusals: Annotated[
        Path | None, typer.Option(help="a new CSV for line, column and reason of all that was not taken")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="of the API, by default this machine's, at the settings' port")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            help="a secret one with events:write, by default the settings' first", envvar="CUELINE_API_KEY"
        ),
    ] = None,
    now: Annotated[
        bool, typer.Option("--now", help="the traits are so since now, not since the file was changed last")
    ] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Read customers from a file and set their traits and memberships.

    What cannot be read is left out or refused, with its reason and count, and nothing stops for it. A second run
    of the same file changes nothing. Shows no content of the file.
    """
    settings = load_settings(config)
    with errors_as_exit_codes():
        read, at = mappings.load(mapping), _since(file, now)
        with _opened(refusals) as refused, _showing(file.name, progress := FileProgress()) as show:
            account = Account(refused)
            known = words(settings.payloads.placeholder_ids)
            batches = TableReader(read, account, at, wall_ms(), known).batches(lines(file, read, progress))
            target = _Target(url, key, dry_run, settings)
            report = asyncio.run(_run(batches, target, account, show))
    if as_json:
        print_json(report)
    else:
        typer.echo(summary(report))
    if not report.taken or (report.not_sent and not report.sent):
        raise typer.Exit(1)


async def _run(
    batches: Iterator[list[TraitsOf]],
    target: _Target,
    account: Account,
    show: Callable[[Account], None],
) -> ImportReport:
    """All of it; the first Ctrl-C ends it after what is in flight, the second at once."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def first() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, first)
    if target.dry_run:
        return await send_all(batches, _nowhere, account, show, stop, True)
    async with open_import(target.url, target.key, target.settings) as send:
        return await send_all(batches, send, account, show, stop, False)


async def _nowhere(some: Sequence[TraitsOf]) -> Sequence[str]:
    return ()


def _since(file: Path, now: bool) -> int:
    """When what the file says was so, where no column says it. Raises `BadRequest`."""
    if now:
        return wall_ms()
    try:
        changed = int(file.stat().st_mtime * 1_000)
    except OSError as error:
        raise BadRequest(f"{file}: {error.strerror or error}", "FILE") from error
    if changed < wall_ms() - AGE_MS:
        raise BadRequest(f"{file.name} was changed more than 399 days ago: if it is so still, say --now", "FILE")
    return min(changed, wall_ms())


@contextlib.contextmanager
def _opened(path: Path | None) -> Iterator[TextIO | None]:
    """A new file for what was not taken; None where none is asked for."""
    if path is None:
        yield None
        return
    with path.open("x", encoding="utf-8") as file:
        yield file


@contextlib.contextmanager
def _showing(name: str, progress: FileProgress) -> Iterator[Callable[[Account], None]]:
    """A bar in a terminal, a line now and then in a log."""
    if not err.is_terminal:
        yield _lines_of_a_log(name, progress)
        return
    columns = TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), TimeElapsedColumn()
    with Progress(*columns, TextColumn("{task.fields[state]}"), console=err, transient=True) as bar:
        task = bar.add_task(name, total=1.0, state="")
        yield lambda account: bar.update(task, completed=progress.share, state=_state(account))


def _lines_of_a_log(name: str, progress: FileProgress) -> Callable[[Account], None]:
    after = EVERY_LINES

    def show(account: Account) -> None:
        nonlocal after
        if account.lines >= after:
            after = account.lines + EVERY_LINES
            said = f"{name}: {progress.share:.0%}, {_state(account)}"
            err.print(said, markup=False, highlight=False, soft_wrap=True)

    return show


def _state(account: Account) -> str:
    return f"{account.lines:,} lines, {account.reasons.total():,} refused"


def summary(report: ImportReport) -> str:
    """The report as text."""
    sent = "nothing was sent: a dry run" if report.dry_run else f"{report.sent:,} sent"
    said = [
        f"{report.lines:,} lines in {report.seconds:.1f} s: {report.taken:,} taken, {report.repeated:,} repeated, "
        f"{report.refused:,} refused; {sent}"
    ]
    said += _counted("lines refused", report.reasons)
    said += _counted("cells left out", report.left_out)
    said += _counted("cells written otherwise", report.cleaned)
    said += _counted("refused by the API", report.api_reasons)
    for one in report.examples:
        where = f", column {one.column}" if one.column else ""
        said.append(f"  line {one.line}{where}: {REASONS.get(one.reason, one.reason)}")
    said += [f"  line {one.line}, column {one.column}: {CLEANED[one.reason]}" for one in report.cleaned_examples]
    return "\n".join(said)


def _counted(what: str, counts: Mapping[str, int]) -> list[str]:
    parts = [f"{count:,} {reason}" for reason, count in sorted(counts.items(), key=lambda one: -one[1])]
    return [f"{what}: {', '.join(parts)}"] if parts else []
