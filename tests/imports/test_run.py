"""Lines to traits: every line is accounted for, and what is sent is the same each time."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.errors import Unavailable
from engine.imports.mapping import parse
from engine.imports.report import Account
from engine.imports.run import BATCH, SENDERS, TableReader, TraitsOf, send_all
from engine.imports.tables import FileProgress, lines
from tests.imports.builders import HEADER, MAPPING, NOW, imported, table

DAY_MS = 86_400_000
BAD = [
    ("c{},gold", "wrong_columns"),
    (",gold,30,2020-01-31,a@example.com,03090123456,yes", "no_customer"),
    ("null,gold,30,2020-01-31,a@example.com,03090123456,yes", "placeholder_id"),
    ("c{},,,,,,", "nothing_left"),
    ("c{},,old,2020-02-31,nobody,12,perhaps", "nothing_left"),
    ('c{},"gold,,,,,', "bad_quotes"),
]
GOOD = "c{}, gold ,30,2020-01-31,a@EXAMPLE.com,030 90123456,yes"


def test_what_a_good_line_comes_to(tmp_path: Path) -> None:
    (only,), report = imported(table(tmp_path, HEADER + GOOD.format(1) + "\n"))
    assert (only.customer, only.at) == ("c1", NOW)
    assert only.traits == {
        "plan": "gold",
        "age": 30.0,
        "joined": 1_580_428_800_000.0,
        "mail": "a@example.com",
        "phone": "+493090123456",
        "member:newsletter": True,
    }
    assert report.cleaned == {"email": 1, "phone": 1}
    assert len(only.id.encode()) <= 100


def test_a_third_of_bad_lines_is_passed_with_reasons_and_counts(tmp_path: Path) -> None:
    good = [GOOD.format(i) for i in range(1_400)]
    bad = [BAD[i % len(BAD)][0].format(f"bad{i}") for i in range(600)]
    mixed = [line for i in range(200) for line in (*good[7 * i : 7 * i + 7], *bad[3 * i : 3 * i + 3])]
    found, report = imported(table(tmp_path, HEADER + "\n".join(mixed) + "\n"))
    assert [one.customer for one in found] == [f"c{i}" for i in range(1_400)]
    assert (report.lines, report.taken, report.refused) == (2_000, 1_400, 600)
    assert report.reasons == {
        "wrong_columns": 100,
        "no_customer": 100,
        "placeholder_id": 100,
        "nothing_left": 200,
        "bad_quotes": 100,
    }
    assert report.left_out == dict.fromkeys(
        ("bad_number", "impossible_date", "bad_email", "bad_phone", "bad_flag"), 100
    )
    assert len(report.examples) == 20


def test_an_id_that_is_made_here_alone_is_refused(tmp_path: Path) -> None:
    rows = "contact:7,gold,,,,,\nemail:x,gold,,,,,\n phone:1,gold,,,,,\nContact:7,gold,,,,,\n"
    found, report = imported(table(tmp_path, HEADER + rows))
    assert ([one.customer for one in found], report.reasons) == (["Contact:7"], {"reserved_id": 3})


def test_unseen_characters_make_no_other_customer_and_are_said(tmp_path: Path) -> None:
    rows = '\ufeffa\u200b,gold,,,,,\na,gold,,,,,\nb\0,gold,,,,,\n"c\nd",gold,,,,,\n' + "e" * 257 + ",gold,,,,,\n"
    found, report = imported(table(tmp_path, HEADER + rows + '="007",g\u00a0o,,,,,\n'))
    assert [(one.customer, one.traits["plan"]) for one in found] == [("a", "gold"), ("007", "g o")]
    assert (report.repeated, report.reasons) == (1, {"unreadable_id": 2, "long_id": 1})
    assert report.cleaned == {"unseen": 2, "formula": 1}
    assert [(one.line, one.column, one.reason) for one in report.cleaned_examples] == [
        (2, "id", "unseen"),
        (8, "id", "formula"),
        (8, "tariff", "unseen"),
    ]


def test_a_bad_cell_costs_no_other(tmp_path: Path) -> None:
    (only,), report = imported(table(tmp_path, HEADER + "c1,gold,old,2020-02-31,,,\n"))
    assert only.traits == {"plan": "gold"}
    assert report.left_out == {"bad_number": 1, "impossible_date": 1}
    assert [(one.line, one.column) for one in report.examples] == [(2, "age"), (2, "joined")]


def test_a_customers_second_line_is_refused_and_a_repeat_is_none(tmp_path: Path) -> None:
    rows = "a,gold,,,,,\na,gold,,,,,\na,silver,,,,,\nb,gold,,,,,\n"
    found, report = imported(table(tmp_path, HEADER + rows))
    assert [(one.customer, one.traits["plan"]) for one in found] == [("a", "gold"), ("b", "gold")]
    assert (report.repeated, report.reasons) == (1, {"duplicate": 1})


def test_a_refused_line_is_no_customers_first(tmp_path: Path) -> None:
    found, report = imported(table(tmp_path, HEADER + "a,,,,,,\na,gold,,,,,\n"))
    assert [one.traits["plan"] for one in found] == ["gold"]
    assert report.reasons == {"nothing_left": 1}


def test_with_times_all_lines_of_a_customer_go(tmp_path: Path) -> None:
    mapping = parse("customer: id\nat: seen\ntraits: {plan: tariff}\n")
    rows = (
        "id,tariff,seen\na,gold,2023-11-01\na,silver,2023-11-02\na,gold,2020-01-01\nb,gold,\nc,gold,2099-01-01\n"
    )
    found, report = imported(table(tmp_path, rows), mapping)
    assert [(one.customer, one.traits["plan"]) for one in found] == [("a", "gold"), ("a", "silver"), ("c", "gold")]
    assert found[1].at - found[0].at == DAY_MS
    assert found[2].at == NOW
    assert report.reasons == {"old": 1, "bad_date": 1}


def test_ids_follow_from_what_is_said(tmp_path: Path) -> None:
    rows = ["a,gold,,,,,", "b,gold,,,,,", "c,silver,,,,,"]
    once, _ = imported(table(tmp_path, HEADER + "\n".join(rows) + "\n"))
    again, _ = imported(table(tmp_path, HEADER + "\n".join(reversed(rows)) + "\n", "again.csv"))
    assert {one.id for one in once} == {one.id for one in again}
    assert len({one.id for one in once}) == 3


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def most(count: int) -> int:
        path = table(tmp_path, HEADER + "".join(GOOD.format(i) + "\n" for i in range(count)), f"{count}.csv")
        account, mapping = Account(), parse(MAPPING)
        reader = TableReader(mapping, account, NOW, NOW, room=1 << 10)
        tracemalloc.start()
        for _ in reader.batches(lines(path, mapping, FileProgress())):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert account.lines == count
        return peak

    most(BATCH)  # what libraries keep from the first time on
    assert most(8 * BATCH) < 1.5 * most(2 * BATCH)


def batches(count: int) -> list[list[TraitsOf]]:
    (only,) = [TraitsOf("c", NOW, "x", {"plan": "gold"})]  # type: ignore[arg-type]
    return [[only] * 10 for _ in range(count)]


async def test_what_the_api_refuses_is_counted_by_its_reason() -> None:
    account = Account()
    answers = iter([[], ["bad_time", "bad_time"], ["too_large"], [], []])

    async def send(some: Sequence[TraitsOf]) -> Sequence[str]:
        return next(answers)

    report = await send_all(batches(5), send, account, lambda account: None, asyncio.Event(), False)
    assert (report.sent, report.not_sent) == (47, 3)
    assert report.api_reasons == {"bad_time": 2, "too_large": 1}


async def test_no_more_requests_are_in_flight_than_there_are_senders() -> None:
    inside, most, free = 0, 0, asyncio.Event()

    async def send(some: Sequence[TraitsOf]) -> Sequence[str]:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        if inside == SENDERS:
            free.set()
        await free.wait()
        inside -= 1
        return ()

    await send_all(batches(20), send, Account(), lambda account: None, asyncio.Event(), False)
    assert most == SENDERS


async def test_an_api_that_is_away_ends_it() -> None:
    async def send(some: Sequence[TraitsOf]) -> Sequence[str]:
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        await send_all(batches(9), send, Account(), lambda account: None, asyncio.Event(), False)


async def test_a_dry_run_sends_nothing_and_a_stop_ends_it() -> None:
    async def send(some: Sequence[TraitsOf]) -> Sequence[str]:
        raise AssertionError("sent")

    stop = asyncio.Event()
    report = await send_all(batches(3), send, Account(), lambda account: None, stop, True)
    assert (report.sent, report.dry_run) == (0, True)
    stop.set()
    await send_all(batches(3), send, Account(), lambda account: None, stop, False)
