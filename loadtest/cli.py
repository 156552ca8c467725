"""``cueline bench``: measurements that compare, in one run, on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, cast, get_args

import typer
from rich.console import Console

from engine.cli.output import show
from engine.errors import CuelineError
from engine.process.signals import interrupt
from loadtest.compare import Size, Subject, bench_compare
from loadtest.decisions import bench_decisions
from loadtest.decisions_open import bench_open_loop
from loadtest.endless_log import from_file, made_up
from loadtest.faults import KillTarget, bench_faults
from loadtest.growth import MOST_CUSTOMERS, Shop, bench_growth
from loadtest.links import bench_links
from loadtest.overload import bench_overload
from loadtest.shuffled import bench_shuffled
from loadtest.stream import bench_stream

app = typer.Typer(help="Measure, against a peer in the same run.", no_args_is_help=True, add_completion=False)
err = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


@app.callback()
def interruptible() -> None:
    """Measure, against a peer in the same run."""
    interrupt()


@app.command()
def stream(
    events: Annotated[int, typer.Option(min=1_000, help="Records in the topic.")] = 600_000,
    customers: Annotated[int, typer.Option(min=1)] = 20_000,
    partitions: Annotated[int, typer.Option(min=1)] = 16,
    rules: Annotated[Path, typer.Option(exists=True, file_okay=False)] = Path("rules"),
    stock_seconds: Annotated[float, typer.Option(min=1, help="How long the stock agent may read.")] = 15,
    seed: int = 1,
    shuffled: Annotated[
        float, typer.Option(min=0, help="Instead: events up to so many minutes late, against the same in order.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """The worker against a stock Faust agent: events a second, on one topic."""
    with errors_as_exit_codes():
        if shuffled:
            show(asyncio.run(bench_shuffled(events, customers, shuffled, rules, err)), as_json)
        else:
            show(
                asyncio.run(bench_stream(events, customers, partitions, rules, stock_seconds, seed, err)), as_json
            )


@app.command()
def decisions(
    seconds: Annotated[float, typer.Option(min=1, help="Of load, over both sides.")] = 20,
    connections: Annotated[int, typer.Option(min=1, help="Requests at once, in the closed loop.")] = 16,
    customers: Annotated[int, typer.Option(min=1, help="Rows that are asked about.")] = 50_000,
    rules: Annotated[Path, typer.Option(exists=True, file_okay=False)] = Path("rules"),
    open_loop: Annotated[
        bool,
        typer.Option("--open-loop", help="Latencies at half of the bare endpoint's peak, send times planned."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """`POST /v1/decisions` against a bare endpoint that reads one Redis key, on one server configuration."""
    with errors_as_exit_codes():
        if open_loop:
            show(bench_open_loop(seconds, customers, rules, err), as_json)
        else:
            show(bench_decisions(seconds, connections, customers, rules, err), as_json)


@app.command()
def overload(
    seconds: Annotated[float, typer.Option(min=1, help="Of overload.")] = 10,
    connections: Annotated[int, typer.Option(min=1, help="Over which five times the peak arrives.")] = 1_000,
    customers: Annotated[int, typer.Option(min=1, help="Rows that are asked about.")] = 20_000,
    swapped_rules: Annotated[int, typer.Option(min=1, help="Indicators, and as many offers, swapped in.")] = 3_000,
    rules: Annotated[Path, typer.Option(exists=True, file_okay=False)] = Path("rules"),
    as_json: AsJson = False,
) -> None:
    """Five times the decisions that one HTTP process can make, and a large rulebook swapped in.

    Decisions in time, refusals, probes and memory. Server and load have a processor each where there are two.
    """
    with errors_as_exit_codes():
        result = bench_overload(seconds, connections, customers, swapped_rules, rules, err)
    show(result, as_json)


@app.command()
def growth(
    customers: Annotated[
        str, typer.Option(help="How many at each point, as numbers between commas.")
    ] = "10000,100000,1000000",
    events_per_customer: Annotated[int, typer.Option(min=1)] = 10,
    active: Annotated[int, typer.Option(min=1, help="Customers who are there at a moment.")] = 1_000,
    rules: Annotated[Path, typer.Option(exists=True, file_okay=False)] = Path("rules"),
    as_json: AsJson = False,
) -> None:
    """The worker's processor time for an event, and Valkey's memory for a customer, as customers become more."""
    counts = _counts(customers)
    with errors_as_exit_codes():
        result = asyncio.run(bench_growth(counts, Shop(events_per_customer, active, rules.absolute()), err))
    show(result, as_json)


@app.command()
def faults(
    kills: Annotated[int, typer.Option(min=1, help="How many times something is killed.")] = 20,
    targets: Annotated[str, typer.Option(help="What is killed in turn: worker, redis, broker.")] = "worker",
    broker: Annotated[str, typer.Option(help="tansu, or kafka (see `make kafka`).")] = "tansu",
    input: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The log to replay; else made-up shoppers.")
    ] = None,
    partitions: Annotated[int, typer.Option(min=1)] = 16,
    topic_config: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of the events topic, as compression.type=lz4; Kafka only.")
    ] = None,
    post: Annotated[
        bool, typer.Option("--post", help="Misplace a third of the records: the workers mail them to each other.")
    ] = False,
    links: Annotated[
        bool,
        typer.Option(
            "--links", help="1,000 visitors become 300 customers meanwhile, and offers are taken by all."
        ),
    ] = False,
    rules: Annotated[Path, typer.Option(exists=True, file_okay=False)] = Path("rules"),
    seed: int = 1,
    as_json: AsJson = False,
) -> None:
    """Kill -9 at random moments, then compare every row with an undisturbed run; exit code 1 when one differs."""
    chosen, log = _targets(targets), from_file(input) if input else made_up(seed)
    configured = _pairs(topic_config or [])
    with errors_as_exit_codes():
        result = asyncio.run(
            bench_faults(
                log, kills, chosen, broker, partitions, rules.absolute(), seed, err, configured, post, links
            )
        )
    show(result, as_json)
    if not result.exact:
        raise typer.Exit(1)


@app.command()
def links(
    links: Annotated[int, typer.Option(min=1, help="Visitors who become customers, one after the other.")] = 500,
    decisions: Annotated[int, typer.Option(min=16, help="Of linked ids, and as many of others.")] = 10_000,
    broker: Annotated[str, typer.Option(help="tansu, or kafka (see `make kafka`).")] = "tansu",
    rules: Annotated[Path, typer.Option(exists=True, file_okay=False)] = Path("rules"),
    as_json: AsJson = False,
) -> None:
    """From a link to the merged row, in milliseconds; and decisions for linked ids, against those for others."""
    with errors_as_exit_codes():
        result = asyncio.run(bench_links(links, decisions, broker, rules.absolute(), err))
    show(result, as_json)


@app.command()
def compare(
    revision: Annotated[
        str, typer.Argument(metavar="REV", help="The other commit: a branch, tag, hash or HEAD~3.")
    ],
    subject: Annotated[Subject, typer.Argument(help="The worker's events, or the HTTP process's decisions.")],
    pairs: Annotated[int, typer.Option(min=2, help="Of turns; more narrow the interval.")] = 7,
    events: Annotated[int, typer.Option(min=10_000, help="Of a turn of `stream`.")] = 600_000,
    decisions: Annotated[int, typer.Option(min=1_000, help="Of a turn of `decisions`.")] = 20_000,
    customers: Annotated[int, typer.Option(min=1)] = 20_000,
    rules: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="For both; by default those of REV.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """This checkout, with what is not committed, beside another commit: processor time for an event or decision.

    `ratio` is this checkout / REV, `low` to `high` its 95 % interval: above 1 this checkout costs more.
    The commit is laid out below .cueline/compare; the first time takes longer, its kernels are compiled.
    """
    with errors_as_exit_codes():
        size = Size(events=events, customers=customers, decisions=decisions)
        result = bench_compare(revision, subject, pairs, rules, size, err)
    show(result, as_json)


def _counts(text: str) -> list[int]:
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if not (word.isascii() and word.isdigit() and 0 < int(word) <= MOST_CUSTOMERS):
            raise typer.BadParameter(f"{word!r} is no number from 1 to {MOST_CUSTOMERS}", param_hint="--customers")
    return [int(word) for word in words]


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=")[::2] for text in texts]
    if wrong := [name for name, value in pairs if not name or not value]:
        raise typer.BadParameter(f"{wrong[0]!r} is no NAME=VALUE", param_hint="--topic-config")
    return dict(pairs)


def _targets(text: str) -> tuple[KillTarget, ...]:
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in get_args(KillTarget):
            raise typer.BadParameter(
                f"{name!r} is none of {', '.join(get_args(KillTarget))}", param_hint="--targets"
            )
    return cast(tuple[KillTarget, ...], names)


@contextmanager
def errors_as_exit_codes() -> Iterator[None]:
    """Print errors as text, without a traceback."""
    try:
        yield
    except CuelineError as error:
        err.print(f"[bold red]{type(error).__name__}[/] {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
