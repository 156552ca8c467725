"""``cueline lessons show | forget``: what outcomes taught, and taking back what one key reported."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from engine.access import VISITORS
from engine.cli.execution import errors_as_exit_codes, load_settings
from engine.cli.options import AsJson, ConfigFile
from engine.cli.output import print_json, table_by_id
from engine.cli.store import in_store
from engine.clock import wall_ms
from engine.errors import BadSettings
from engine.ports.lesson_store import Withdrawn
from engine.settings import Settings
from engine.store.keys import LESSONS_KEPT_DAYS
from engine.web.auth.keys import configured_keys

app = typer.Typer(name="lessons", help="What outcomes taught, and taking it back.", no_args_is_help=True)

UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_AGO = re.compile(r"(\d{1,6})([mhd])")


@app.command()
def show(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the lessons of each offer on each channel."""
    settings = load_settings(config)
    with errors_as_exit_codes():
        learned = sorted(in_store(settings, lambda store: store.propensities()).items())
    if as_json:
        print_json([{"offerId": offer, "channel": channel, **one._asdict()} for (offer, channel), one in learned])
        return
    offers = (offer for (offer, _), _ in learned)
    columns = ("channel", "taken", "not taken", "taken, unknown", "not taken, unknown")
    table = table_by_id("offer", offers, *columns)
    for (offer, channel), one in learned:
        table.add_row(offer, channel, *(f"{number:,}" for number in one))
    Console().print(table)


@app.command()
def forget(
    key: Annotated[str, typer.Option(help="the id of the key by which the outcomes were reported")],
    since: Annotated[
        str, typer.Option(help="from when on, to the hour: 2026-11-20, 2026-11-20T14:00 (UTC), 6h or 3d ago")
    ],
    only_look: Annotated[bool, typer.Option("--dry-run", help="Only say what would be taken back.")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Take back what outcomes reported by one key taught; processes follow within a second."""
    settings = load_settings(config)
    with errors_as_exit_codes():
        first = moment(since, wall_ms())
        taken_back = in_store(settings, lambda store: store.forget_lessons(key, first, only_look))
        if not taken_back and not _is_known(settings, key):
            raise BadSettings(
                f"there is no key {key}, and nothing was taught by one of that name since then: "
                f"`cueline keys list` shows those there are, {VISITORS} stands for all tokens"
            )
    if as_json:
        print_json(taken_back)
    elif not taken_back:
        typer.echo(f"nothing that {key} reported since then taught anything")
    else:
        _print(taken_back, only_look)


def _is_known(settings: Settings, key: str) -> bool:
    kept = [*configured_keys(settings.web), *in_store(settings, lambda store: store.access_keys())]
    return key == VISITORS or any(record.id == key for record in kept)


def moment(text: str, now: int) -> int:
    """A time of the past (epoch ms): a date or time of ISO 8601, in UTC where it names no zone, or so long before
    `now`. Raises `BadSettings`.

    >>> moment("1970-01-02T01:00", 10**12), moment("2h", 7_200_005)
    (90000000, 5)
    """
    if ago := _AGO.fullmatch(text):
        return max(now - int(ago[1]) * UNITS_MS[ago[2]], 0)
    try:
        stated = datetime.fromisoformat(text)
    except ValueError:
        raise BadSettings(f"--since {text}: write 2026-11-20, 2026-11-20T14:00, 6h or 3d") from None
    at = round((stated if stated.tzinfo else stated.replace(tzinfo=UTC)).timestamp() * 1_000)
    if not 0 <= at <= now:
        raise BadSettings(f"--since {text} is not in the past")
    return at


def _print(taken_back: list[Withdrawn], only_look: bool) -> None:
    table = table_by_id("offer", (one.offer_id for one in taken_back), "channel", "taken", "not taken")
    for one in taken_back:
        table.add_row(one.offer_id, one.channel, f"{one.successes:,}", f"{one.failures:,}")
    Console().print(table)
    typer.echo("These would be taken back." if only_look else "These were taken back.")
    typer.echo(f"Lessons older than {LESSONS_KEPT_DAYS} days are not held to any key, and stay.")
