"""``cueline erase``: a customer leaves; and whether an erasure kept what its receipt promises."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from engine.cli.execution import errors_as_exit_codes, load_settings
from engine.cli.options import AsJson, ConfigFile
from engine.cli.output import print_json
from engine.errors import BadSettings
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.kafka.kept_records import KeptTopic
    from engine.process.erasure import Verification
    from engine.web.api.leaving import ErasureReceipt

LEFT, NOT_YET = 1, 4  # exit codes
SHOWN = 5  # ids that are waited for


def erase(
    customer: Annotated[str | None, typer.Argument(metavar="ID", help="the customer's id")] = None,
    verify: Annotated[
        Path | None, typer.Option(metavar="RECEIPT", help="instead: a file with an erasure's receipt; - reads it")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Erase a customer, or look with --verify whether nothing is left of one.

    The receipt, which is printed as JSON, says where in Kafka the erasure lies, and which ids of the customer it
    reaches; the workers make it within milliseconds. --verify looks through all of Redis for each of these ids,
    and asks Kafka which topics still hold records of before it.
    Exit code 0: nothing is left in Redis and each topic has a date; 1: something is; 4: the workers are not there
    yet.
    """
    settings = load_settings(config)
    with errors_as_exit_codes():
        if (customer is None) == (verify is None):
            raise BadSettings("name a customer, or the receipt of an erasure with --verify: one of them")
        if verify is None:
            _erase(settings, customer or "")
        else:
            _verify(settings, _receipt(verify), as_json)


def _erase(settings: Settings, customer: str) -> None:
    from engine.process.erasure import erase as in_log

    print_json(asyncio.run(in_log(settings, customer)))


def _receipt(file: Path) -> ErasureReceipt:
    """Raises `BadSettings` where there is none."""
    from engine.web.api.leaving import ErasureReceipt

    try:
        text = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return msgspec.json.decode(text, type=ErasureReceipt)
    except (OSError, msgspec.MsgspecError) as error:
        raise BadSettings(f"--verify {file}: not the receipt of an erasure: {error}") from None


def _verify(settings: Settings, receipt: ErasureReceipt, as_json: bool) -> None:
    from engine.process.erasure import verify

    found = asyncio.run(verify(settings, receipt))
    if as_json:
        print_json(found)
    else:
        for line in lines(found):
            typer.echo(line)
    if not found.applied:
        raise typer.Exit(NOT_YET)
    if not found.ok:
        raise typer.Exit(LEFT)


def lines(found: Verification) -> list[str]:
    """What was found, for people."""
    said = [f"{one.key}: {one.what}{_ends(one.ends_in_s)}" for one in found.left]
    if not found.applied:
        said += [f"the workers have not applied the erasure{_of(found.waiting)} yet: look again in a moment"]
    elif not found.remembered:
        said += ["nothing remembers the erasure, so what comes late counts: has identity.secret been changed?"]
    elif found.left:
        said += [f"Redis: {len(found.left)} places are left of what was before: erase the customer again"]
    else:
        later = f"; {found.since} places are of what happened later" if found.since else ""
        said += [f"Redis: nothing is left of what was before{later}"]
    return [*said, *(f"{one.topic}: {_kept(one)}" for one in found.topics)]


def _of(waiting: Sequence[str]) -> str:
    more = f" and {len(waiting) - SHOWN} others" if len(waiting) > SHOWN else ""
    return f" of {', '.join(waiting[:SHOWN])}{more}" if waiting else ""


def _ends(seconds: int | None) -> str:
    return "" if seconds is None else f", for {seconds} s at most"


def _kept(topic: KeptTopic) -> str:
    if not topic.holds:
        return "holds no record of before"
    if topic.retention_ends is None or topic.gone_by is None:
        return f"holds records of before, and no date ends that: {topic.detail}"
    return f"holds records of before until {_day(topic.retention_ends)}, all gone by {_day(topic.gone_by)}"


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1_000, UTC).strftime("%Y-%m-%d")
