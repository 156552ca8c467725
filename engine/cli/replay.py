"""``cueline replay``: options in, a progress bar, a report out. `engine.process` gives it its target."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from engine.cli.execution import err
from engine.cli.replay_progress import showing
from engine.errors import BadRequest, CuelineError
from engine.replay import advice, run
from engine.replay.formats.segment import Decode
from engine.replay.log_reader import LogReader
from engine.replay.pace import parse_speed
from engine.replay.segment_payload import rfc3339
from engine.replay.target import ReplayDestination, ReplayTarget, To

Open = Callable[[ReplayDestination], AbstractAsyncContextManager[ReplayTarget]]


def command(open_target: Open, decode: Decode) -> Callable[..., None]:
    """The typer command. `decode` reads Segment payloads (see `engine.replay.formats.segment`)."""

    def replay(
        file: Annotated[
            Path, typer.Argument(help="REES46, Taobao, OTTO, Segment or MessagePack log, plain or gz")
        ],
        speed: Annotated[str, typer.Option(help="times as fast as it happened, or max")] = "1",
        limit: Annotated[int | None, typer.Option(min=1, help="events to send at most")] = None,
        shift_to_now: Annotated[bool, typer.Option(help="let the first event happen now")] = False,
        to: Annotated[To, typer.Option(help="through the HTTP API, or directly into Kafka")] = "http",
        url: Annotated[
            str | None, typer.Option(help="of the API, by default http://127.0.0.1:8080; or Kafka's brokers")
        ] = None,
        write_key: Annotated[
            str | None,
            typer.Option(help="of the API, by default the settings' first", envvar="CUELINE_WRITE_KEY"),
        ] = None,
        strict: Annotated[bool, typer.Option(help="stop at the first line that cannot be read")] = False,
        config: Annotated[
            Path | None,
            typer.Option("--config", "-c", envvar="CUELINE_CONFIG", exists=True, dir_okay=False, help="settings"),
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
    ) -> None:
        """Send a log of customer events at the pace they happened, or faster.

        Where the settings have CUELINE_STREAM__CLOCK=replay, the engine's clock is set to the log's time and
        runs as fast as the replay. An engine on the wall clock (production) ignores the replay's pace and
        refuses events older than 400 days: for it use --shift-to-now, at --speed 1.
        """
        latest = _Latest()
        try:
            times = _speed(speed)
            log_reader = LogReader(file, decode, strict=strict)

            log_reader.first()  # before any connection is made
            where = ReplayDestination(to, url, write_key, config)

            async def all_of_it() -> run.ReplayReport:
                async with open_target(where) as target:
                    with showing(file.name, err, time.monotonic) as on_progress:
                        return await run.replay(
                            log_reader,
                            target.sender,
                            speed=times,
                            limit=limit,
                            shift_to_now=shift_to_now,
                            set_clock=target.set_clock,
                            on_progress=lambda progress: on_progress(latest(progress)),
                            stop=_interrupted(),
                        )

            report = asyncio.run(all_of_it())
        except CuelineError as error:
            _say(str(error), advice.on_error(error, latest.sent))
            if latest.sent:
                _say(f"{latest.sent:,} events had been accepted by then")
            raise typer.Exit(1) from error
        print(msgspec.json.encode(report).decode() if as_json else summary(report))
        if report.skipped:
            what = (
                f"{report.skipped:,} lines or events were not accepted" if report.sent else "nothing was accepted"
            )
            _say(what, advice.on_refusals(report.faults, shift_to_now))
        if not report.sent:
            raise typer.Exit(1)

    return replay


def _interrupted() -> asyncio.Event:
    """Set by the first Ctrl-C, so that the report is still printed; the second ends at once."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def first() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, first)
    return stop


def _speed(text: str) -> float:
    try:
        return parse_speed(text)
    except ValueError as error:
        raise BadRequest(f"--speed {text}: max or a number above 0", "--speed") from error


def summary(report: run.ReplayReport) -> str:
    """The report as text."""
    rate = report.sent / report.seconds if report.seconds > 0 else 0.0
    lines = [
        f"{report.sent:,} events in {report.seconds:.1f} s ({rate:,.0f}/s), {report.skipped:,} skipped",
        f"event time {rfc3339(report.first_at)} to {rfc3339(report.last_at)}",
        f"at most {report.behind_ms:,} ms late",
        *(f"  {fault}" for fault in report.faults),
    ]
    return "\n".join(lines)


class _Latest:
    """Keeps how many events have been accepted, for when an error ends the replay."""

    def __init__(self) -> None:
        self.sent = 0

    def __call__(self, progress: run.ReplayProgress) -> run.ReplayProgress:
        """Record it and pass it on."""
        self.sent = progress.sent
        return progress


def _say(what: str, advice: str = "") -> None:
    err.print(f"{what}: {advice}" if advice else what, style="red", markup=False, highlight=False, soft_wrap=True)
