"""``cueline identity show | link | split``: which ids are one customer's, and correcting that."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.execution import errors_as_exit_codes, load_settings
from engine.cli.options import AsJson, ConfigFile
from engine.cli.output import print_json

if TYPE_CHECKING:
    from engine.web.api.customers import Identities
    from engine.web.api.known_links import IdentityLink

app = typer.Typer(name="identity", help="Which ids are one customer's, and correcting that.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="an id of the customer", show_default=False)]


@app.command()
def show(customer: Id, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show whose an id is, which ids became that customer's, and how each came: since when, who vouches, by which
    key."""
    from engine.process.identities import show as shown

    settings = load_settings(config)
    with errors_as_exit_codes():
        found = asyncio.run(shown(settings, customer))
    if as_json:
        print_json(found)
        return
    for line in lines(found):
        typer.echo(line)


@app.command()
def link(
    customer: Annotated[str, typer.Argument(metavar="A", help="this id …", show_default=False)],
    into: Annotated[str, typer.Argument(metavar="B", help="… is this customer's, too", show_default=False)],
    config: ConfigFile = None,
) -> None:
    """Link A to B: from now on all that A did and does is B's.

    The receipt, which is printed as JSON, says where in Kafka it lies; A's worker follows it within milliseconds.
    `cueline identity split A` takes it back.
    """
    from engine.process.identities import link as linked

    settings = load_settings(config)
    with errors_as_exit_codes():
        print_json(asyncio.run(linked(settings, customer, into)))


@app.command()
def split(customer: Id, config: ConfigFile = None) -> None:
    """Take an id back from whom it was linked to.

    Within 30 days of the link the id has its own past back; whose it was keeps that past, too. It is linked again
    by operators alone. The receipt is printed as JSON.
    """
    from engine.process.identities import split as taken_back

    settings = load_settings(config)
    with errors_as_exit_codes():
        print_json(asyncio.run(taken_back(settings, customer)))


def lines(found: Identities) -> list[str]:
    """What was found, for people."""
    said = [f"{found['customerId']}: {_ids(found['ids'])}"]
    return [*said, *(f"  {_how(one)}" for one in found["links"])]


def _ids(ids: list[str]) -> str:
    return f"{', '.join(ids)} became this customer's" if ids else "no other id is this customer's"


def _how(one: IdentityLink) -> str:
    since = datetime.fromtimestamp(one["since"] / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    vouched = f"{one['trust']}; {one['cause'] or 'of unknown cause'}{' by ' + one['by'] if one['by'] else ''}"
    if one["state"] == "merged":
        return f"{one['id']} is {one['into']}'s since {since} ({vouched})"
    if one["state"] == "parted":
        return f"{one['id']} is its own since {since} ({vouched}); what it did before stays, too"
    return f"{one['id']} is its own, since links went round; what it did before stays, too"
