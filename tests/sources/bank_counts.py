"""A bank's month of calls, counted by SQL on its log, without anything of ours."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.sources.bank_calls import MONTH, calls, customer_of, day_of, identity, moment

#: Milliseconds of the day before the first one's midnight, from which the log's seconds are counted.
BEGINNING = moment("990801", "0:00:00") - 86_400_000
QUIET_S = 600

TIMES = ("vru_entry", "vru_exit", "q_start", "q_exit", "ser_start", "ser_exit")
SECONDS = "(substr({0}, 1, length({0}) - 6) * 3600 + substr({0}, -5, 2) * 60 + substr({0}, -2))"

#: What each call came to. The bank's clock goes on past 24:00:00, or begins anew.
CONTACTS = """
CREATE TABLE contacts AS WITH seconds AS (
    SELECT call, customer, outcome, q_start <> q_exit AS queued, ser_start <> ser_exit AS served,
        day * 86400 AS day, {vru_entry} AS entered, {vru_exit} AS left_vru, {q_start} AS waited,
        {q_exit} AS left_queue, {ser_start} AS answered, {ser_exit} AS left_agent
    FROM calls
), moments AS (
    SELECT call, customer, outcome, queued, served, day + entered AS began,
        day + waited + (waited < entered - 43200) * 86400 AS waited,
        day + answered + (answered < entered - 43200) * 86400 AS answered,
        day + max(left_vru + (left_vru < entered - 43200) * 86400,
            queued * (left_queue + (left_queue < entered - 43200) * 86400),
            served * (left_agent + (left_agent < entered - 43200) * 86400)) AS over
    FROM seconds
), waits AS (
    SELECT customer, call, began, over, queued AND outcome = 'HANG' AS abandoned,
        CASE WHEN queued THEN CASE WHEN served THEN answered ELSE over END - waited END AS wait
    FROM moments
)
SELECT customer, call, began, over, abandoned, CASE WHEN wait >= 0 THEN wait END AS wait FROM waits
""".format(**{name: SECONDS.format(name) for name in TIMES})

REPEATS = """
SELECT customer, call, began, abandoned, wait,
    count(*) OVER (PARTITION BY customer ORDER BY began RANGE BETWEEN 86399 PRECEDING AND CURRENT ROW),
    count(*) OVER (PARTITION BY customer ORDER BY began RANGE BETWEEN 604799 PRECEDING AND CURRENT ROW)
FROM contacts
"""

QUIET = """
WITH gaps AS (
    SELECT max(over) OVER (ORDER BY began ROWS UNBOUNDED PRECEDING) AS quiet,
        lead(began) OVER (ORDER BY began) AS next
    FROM contacts
)
SELECT max(quiet) FROM gaps WHERE next IS NULL OR next - quiet >= ? GROUP BY quiet / 86400 ORDER BY quiet
"""

KNOWN = """
WITH known AS (
    SELECT *, row_number() OVER (PARTITION BY customer ORDER BY over DESC) AS by_end,
        row_number() OVER (PARTITION BY customer ORDER BY began DESC) AS by_start
    FROM contacts WHERE over <= :now
)
SELECT customer, count(*), sum(abandoned),
    sum(began > :now - 86400 AND by_start <= :starts), sum(began > :now - 604800 AND by_start <= :starts),
    sum(abandoned AND began > :now - 604800 AND by_start <= :starts), max(CASE WHEN by_end <= :kept THEN wait END)
FROM known GROUP BY customer
"""


class Counted(NamedTuple):
    """One call, as the log has it: `began` and `wait` in seconds, and how many of the customer's calls of a day
    and of a week there had been then, itself among them."""

    customer: str
    call: str
    began: int
    abandoned: int
    wait: int | None
    in_a_day: int
    in_a_week: int


class Known(NamedTuple):
    """One customer's calls up to some moment; the longest wait (s) of the newest few, None: they never waited."""

    calls: int
    abandoned: int
    in_a_day: int
    in_a_week: int
    abandoned_in_a_week: int
    longest_wait: int | None


class CallCounts:
    """Answers from `store`, which has the table `CONTACTS`."""

    def __init__(self, store: sqlite3.Connection) -> None:
        self._store = store

    def of_each_call(self) -> dict[str, list[Counted]]:
        """By customer."""
        found: dict[str, list[Counted]] = defaultdict(list)
        for row in self._store.execute(REPEATS):
            found[row[0]].append(Counted(*row))
        return found

    def quiet_moments(self) -> list[int]:
        """The last of each day (epoch ms) at which nobody called, and nobody did for ten minutes more."""
        return [BEGINNING + 1_000 * at for (at,) in self._store.execute(QUIET, [QUIET_S])]

    def known_at(self, moment: int, starts: int, kept: int) -> dict[str, Known]:
        """What there was of each customer at a quiet moment (epoch ms): within days of the newest `starts` calls,
        and waits of the newest `kept`."""
        asked = {"now": (moment - BEGINNING) // 1_000, "starts": starts, "kept": kept}
        return {name: Known(*row) for name, *row in self._store.execute(KNOWN, asked)}


@contextmanager
def counting(data: Path, days: int = MONTH) -> Iterator[CallCounts]:
    """The calls of the first `days`."""
    columns = ", ".join(TIMES)
    rows = [
        (
            identity(number),
            customer_of(number, call),
            call["outcome"],
            day_of(call),
            *(call[name] for name in TIMES),
        )
        for number, call in enumerate(calls(data, days))
    ]
    with closing(sqlite3.connect(":memory:")) as store:
        store.execute(f"CREATE TABLE calls (call TEXT, customer TEXT, outcome TEXT, day INT, {columns})")
        store.executemany(f"INSERT INTO calls VALUES ({', '.join('?' * 10)})", rows)
        store.execute(CONTACTS)
        yield CallCounts(store)
