"""``cueline sources check | read``: mapping files of vendors' formats, and what a payload comes to."""

from __future__ import annotations

from pathlib import Path
from secrets import token_bytes
from typing import Annotated
from uuid import uuid4

import typer

from engine.cli.output import print_json, refuse
from engine.clock import wall_ms
from engine.customer_id import CustomerId
from engine.errors import BadEvent, BadRule
from engine.events import ContactChannel, Kind, LeftOut, Message, Rank
from engine.identity.identification import Identification
from engine.ports.agents import AgentState
from engine.ports.sources import ContactEvent, ContactSources, Delivery, Receipt
from engine.reserved_ids import EMAIL, PHONE
from engine.sources.registry import contact_sources
from engine.sources.segment.limits import LIMITS, Limits

app = typer.Typer(
    name="sources", help="Check mapping files of the contact centre, try them on a payload.", no_args_is_help=True
)

Directory = Annotated[
    Path,
    typer.Option(
        "--mappings",
        envvar="CUELINE_CONTACTS__MAPPINGS",
        exists=True,
        file_okay=False,
        help="the directory of the mapping files",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]
MAPPINGS = Path("config/sources")


@app.command()
def check(directory: Directory = MAPPINGS, json: Json = False) -> None:
    """Read the mapping files: every fault and exit code 1, or the sources that there are."""
    names = sorted(_checked(directory, json))
    if json:
        print_json({"ok": True, "faults": [], "sources": names})
    else:
        typer.echo(f"{directory}: good: {', '.join(names)}")


@app.command()
def read(
    source: Annotated[str, typer.Argument(help="the source's name")],
    file: Annotated[
        typer.FileBinaryRead, typer.Argument(help="a body as the vendor sends it; - for standard input")
    ],
    directory: Directory = MAPPINGS,
    region: Annotated[str, typer.Option(help="country (DE) of phone numbers without one")] = "",
    json: Json = False,
) -> None:
    """Show what the events of a body come to where links are on, without sending anything; exit code 1 when one is
    refused. Of addresses it is shown where they were found, and no hash."""
    known = _checked(directory, json, Limits(identification=Identification(token_bytes(), region)))
    if source not in known:
        raise typer.BadParameter(
            f"{source} is no source; there are {', '.join(sorted(known))}", param_hint="SOURCE"
        )
    now = wall_ms()
    try:
        events = list(known[source].events(Delivery(file.read()), Receipt(now, now, uuid4().hex)))
    except BadEvent as fault:
        events = [fault]
    shown = [_plain(event) for event in events]
    if json:
        print_json({"events": shown})
    else:
        for number, one in enumerate(shown):
            typer.echo(f"{number}: " + ", ".join(f"{name} {value}" for name, value in one.items() if value != ""))
    if any(isinstance(event, BadEvent) for event in events):
        raise typer.Exit(1)


def _plain(event: ContactEvent) -> dict[str, object]:
    """An event for people."""
    if isinstance(event, BadEvent):
        return {"result": "refused", "reason": event.code, "field": event.field, "detail": event.detail}
    if isinstance(event, LeftOut):
        return {"result": "passed", "reason": event.reason, "field": event.field, "detail": event.detail}
    if isinstance(event, AgentState):
        free = {ContactChannel(code).name.lower(): slots for code, slots in event.free}
        return {"result": "agent", "agent": event.agent, "at": event.at, "queues": event.queues, "free": free}
    return _taken(event)


def _taken(message: Message) -> dict[str, object]:
    event, contact = message.event, message.event.contact
    about: dict[str, object] = (
        {}
        if contact is None
        else {
            "contact": contact.id,
            "channel": ContactChannel(contact.channel).name.lower(),
            "queue": contact.queue,
            "agent": contact.agent,
            "why": contact.reason,
        }
    )
    left_out = ", ".join(f"{one.field}: {one.detail}" for one in message.left_out)
    return {
        "result": "taken",
        "kind": Kind(event.kind).name.lower(),
        "customer": _shown(message.customer),
        "addresses": ", ".join(name.field for name in message.names if name.rank is Rank.ADDRESS),
        "at": event.at,
        "id": event.id,
        **about,
        "score": event.value or "",
        "leftOut": left_out,
    }  # fmt: skip


def _shown(customer: CustomerId) -> str:
    """The id; of the hash of an address no more than what was hashed."""
    kind = next(filter(customer.startswith, (EMAIL, PHONE)), "")
    return f"{kind}…" if kind else customer


def _checked(directory: Path, json: bool, limits: Limits = LIMITS) -> ContactSources:
    try:
        return contact_sources(directory, limits)
    except BadRule as bad:
        refuse(bad, json)
