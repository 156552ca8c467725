"""``cueline keys create | list | revoke``: who may call the API."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from engine.access import PUBLIC_SCOPES, KeyRecord, Scope, Trust, faults_of, hash_of, make_key
from engine.cli.execution import err, errors_as_exit_codes, load_settings
from engine.cli.options import AsJson, ConfigFile
from engine.cli.output import print_json, table_by_id
from engine.cli.store import in_store
from engine.clock import wall_ms
from engine.errors import BadSettings
from engine.process.access import KEYS_EVERY_S
from engine.settings import Settings
from engine.web.auth.keys import configured_keys

app = typer.Typer(
    name="keys", help="Make, list and revoke the keys of those who call the API.", no_args_is_help=True
)

KNOWN_AFTER_S = 1.5 * KEYS_EVERY_S  # by each process, which then has it before whoever made it uses it
DAY_MS = 86_400_000
MOST_DAYS = 36_525

Id = Annotated[str, typer.Argument(help="its name: in lists, audits and quotas", show_default=False)]
Scopes = Annotated[
    list[Scope] | None,
    typer.Option("--scope", help="what it opens; again for several. A public key has all that it can have."),
]


@app.command()
def create(
    key_id: Id,
    trust: Annotated[Trust, typer.Option(help="public: it lies in a website, where everybody can read it")],
    scope: Scopes = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="a website whose pages may use it, https://shop.example; none: any")
    ] = None,
    kind: Annotated[list[str] | None, typer.Option(help="a kind of event that it may write")] = None,
    rate: Annotated[float, typer.Option(min=0, help="requests a second; 0: the default")] = 0.0,
    quota: Annotated[int, typer.Option(min=0, help="requests and events a day; 0: any number")] = 0,
    days: Annotated[float, typer.Option(min=0, max=MOST_DAYS, help="after so many days it ends; 0: never")] = 0.0,
    only_print: Annotated[
        bool, typer.Option("--print", help="Do not keep it: print the lines for the settings.")
    ] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown once, when it opens: what is kept is its digest."""
    with errors_as_exit_codes():
        key, now = make_key(trust), wall_ms()
        scopes = tuple(scope or (sorted(PUBLIC_SCOPES) if trust is Trust.PUBLIC else ()))
        ends = now + round(days * DAY_MS) if days else 0
        record = KeyRecord(
            key_id, hash_of(key), trust, scopes, tuple(origin or ()), tuple(kind or ()), rate, quota, ends, now
        )
        if faults := [*faults_of(record)]:
            raise BadSettings("\n".join(faults))
        if not only_print:
            _add(load_settings(config), record)
            time.sleep(KNOWN_AFTER_S)
    if as_json:
        print_json({"key": key, "record": record})
        return
    typer.echo(key)
    if only_print:
        typer.echo(f"\n{_as_toml(record)}")
    err.print("This is the only time that the key is shown.", highlight=False)


@app.command("list")
def show(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the keys of the settings and of Redis, without the keys themselves."""
    settings = load_settings(config)
    with errors_as_exit_codes():
        kept = in_store(settings, lambda store: store.access_keys())
    held = [("settings", record) for record in configured_keys(settings.web)] + [("Redis", one) for one in kept]
    if as_json:
        print_json([{"where": where, **_described(record)} for where, record in held])
        return
    table = table_by_id("id", (one.id for _, one in held), "trust", "scopes", "bounds", "where")
    for where, one in held:
        table.add_row(one.id, one.trust, "\n".join(one.scopes), "\n".join(_bounds(one)), where)
    Console().print(table)


@app.command()
def revoke(key_id: Id, config: ConfigFile = None) -> None:
    """Forget a key. Processes refuse it within about a second."""
    settings = load_settings(config)
    with errors_as_exit_codes():
        if any(record.id == key_id for record in configured_keys(settings.web)):
            raise BadSettings(f"{key_id} stands in the settings: take it out there, and restart the api processes")
        if not in_store(settings, lambda store: store.revoke_key(key_id)):
            raise BadSettings(f"there is no key {key_id}; `cueline keys list` shows those there are")
    typer.echo(f"{key_id} is revoked")


def _add(settings: Settings, record: KeyRecord) -> None:
    """Keep it. Raises `BadSettings` when its id is in use."""
    used = any(one.id == record.id for one in configured_keys(settings.web))
    if used or not in_store(settings, lambda store: store.add_key(record)):
        raise BadSettings(f"there is a key {record.id} already: give another name, or revoke that one first")


def _bounds(one: KeyRecord) -> Iterator[str]:
    """What it is kept to: websites, events, rate, quota and time."""
    yield from one.origins
    yield from one.kinds
    if one.rate:
        yield f"{one.rate:g}/s"
    if one.quota:
        yield f"{one.quota:,} a day"
    if one.created_at:
        yield f"made {_day(one.created_at)}"
    yield f"ends {_day(one.expires_at)}" if one.expires_at else "never ends"


def _described(record: KeyRecord) -> dict[str, object]:
    return {
        "id": record.id, "trust": record.trust, "scopes": record.scopes, "origins": record.origins,
        "kinds": record.kinds, "rate": record.rate, "quota": record.quota,
        "createdAt": record.created_at, "expiresAt": record.expires_at,
    }  # fmt: skip


def _as_toml(record: KeyRecord) -> str:
    """The record as a table of the settings."""
    lines = ["[[web.keys]]", f'id = "{record.id}"', f'hash = "{record.hash}"', f'trust = "{record.trust}"']
    lines.append(f"scopes = {_list(record.scopes)}")
    lines += [f"origins = {_list(record.origins)}"] if record.origins else []
    lines += [f"kinds = {_list(record.kinds)}"] if record.kinds else []
    lines += [f"rate = {record.rate}"] if record.rate else []
    lines += [f"quota = {record.quota}"] if record.quota else []
    lines += [f"expires = {_moment(record.expires_at)}"] if record.expires_at else []
    return "\n".join(lines)


def _list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1_000, UTC).isoformat().replace("+00:00", "Z")


def _day(ms: int) -> str:
    return _moment(ms)[:16].replace("T", " ")
