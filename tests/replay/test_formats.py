"""Readers of public logs: what each line means, and what becomes of lines that mean nothing."""

import csv
import gzip
import json
import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.customer_id import customer_id
from engine.errors import BadRequest
from engine.events import Event, Kind, Message
from engine.replay.formats.otto import in_time_order
from engine.replay.log_reader import LineFaults, LogReader, sniff
from engine.sources.segment.payload import message as source

DATA = Path(os.environ.get("CUELINE_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
NOW = 1_700_000_000_000
HEADER = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"


def decode(payload: bytes, fallback_id: str) -> Message:
    return source(payload, 0, NOW, fallback_id=fallback_id)


def read(path: Path, **how: Any) -> tuple[list[Message], LineFaults]:
    faults = LineFaults()
    return list(LogReader(path, decode, **how).messages(faults)), faults


def written(folder: Path, text: str, name: str = "log") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def data(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not there (set CUELINE_DATA)")
    return path


def test_rees46_lines(tmp_path: Path) -> None:
    text = HEADER + (
        "2019-10-01 00:00:01 UTC,view,1,77,a.b,x,9.50,42,s\n"
        "2019-10-01 00:00:02 UTC,cart,1,77,,x,9.50,42,s\n"
        "2019-10-01 00:00:02 UTC,remove_from_cart,1,77,,,,42,s\n"
        '2019-10-01 00:00:03 UTC,purchase,1,77,"a,b",x,9.50,42,s\n'
    )
    messages, faults = read(written(tmp_path, text))
    base = 1_569_888_000_000
    assert [(m.customer, m.event.kind, m.event.at, m.event.category, m.event.value) for m in messages] == [
        ("42", Kind.ITEM_VIEWED, base + 1_000, "a.b", 9.5),
        ("42", Kind.CART_ADDED, base + 2_000, "77", 9.5),
        ("42", Kind.CART_REMOVED, base + 2_000, "77", 0.0),
        ("42", Kind.ORDER_COMPLETED, base + 3_000, "a,b", 9.5),
    ]
    assert faults.count == 0
    assert {m.event.quantity for m in messages} == {1}


def test_rees46_columns_are_found_by_name(tmp_path: Path) -> None:
    header = "event_time,user_id,price,category_code,category_id,product_id,event_type\n"
    messages, _ = read(written(tmp_path, header + "2019-10-01 00:00:01 UTC,7,1.5,c,9,5,view\n"))
    assert (messages[0].customer, messages[0].event.item, messages[0].event.value) == ("7", "5", 1.5)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("2019-10-01 00:00:01 UTC,view,1,77,a.b,x,9.50,42", "malformed"),
        ("2019-10-01 00:00:01 UTC,look,1,77,a.b,x,9.50,42,s", "unknown_type"),
        ("yesterday,view,1,77,a.b,x,9.50,42,s", "bad_time"),
        ("2019-10-01 00:00:01 UTC,view,1,77,a.b,x,-9.50,42,s", "bad_number"),
        ("2019-10-01 00:00:01 UTC,view,1,77,a.b,x,nan,42,s", "bad_number"),
        ("2019-10-01 00:00:01 UTC,view,1,77,a.b,x,cheap,42,s", "bad_number"),
        ("2019-10-01 00:00:01 UTC,view,1,77,a.b,x,9.50,,s", "missing_customer"),
    ],
)
def test_bad_lines_are_counted_with_their_number_and_strict_stops(tmp_path: Path, line: str, code: str) -> None:
    good = "2019-10-01 00:00:01 UTC,view,1,77,a.b,x,9.50,42,s\n"
    path = written(tmp_path, HEADER + good + line + "\n" + good, "shop.csv")
    messages, faults = read(path)
    assert len(messages) == 2
    assert faults.count == 1
    assert faults.first[0].startswith(f"shop.csv:3: {code}")
    with pytest.raises(BadRequest, match=r"shop\.csv:3"):
        read(path, strict=True)


def test_taobao_lines(tmp_path: Path) -> None:
    text = "1,2,3,pv,1511658000\n1,2,3,cart,1511658001\n1,2,3,fav,1511658002\n1,2,3,buy,1511658003\n1,2,3,pv,x\n"
    messages, faults = read(written(tmp_path, text))
    assert [m.event.kind for m in messages] == [
        Kind.ITEM_VIEWED,
        Kind.CART_ADDED,
        Kind.WISHLISTED,
        Kind.ORDER_COMPLETED,
    ]
    first = messages[0]
    assert (first.customer, first.event.item, first.event.category, first.event.at) == (
        "1",
        "2",
        "3",
        1_511_658_000_000,
    )
    assert faults.first == ["log:5: bad_time: timestamp: b'x' are no unix seconds"]


def test_otto_orders_of_one_moment_are_one_order(tmp_path: Path) -> None:
    events = [{"aid": 1, "ts": 5, "type": "clicks"}, *({"aid": a, "ts": 9, "type": "orders"} for a in (1, 2, 3))]
    messages, _ = read(written(tmp_path, json.dumps({"session": 8, "events": events}, separators=(",", ":"))))
    assert [(m.customer, m.event.kind, m.event.quantity) for m in messages] == [
        ("8", Kind.ITEM_VIEWED, 1),
        ("8", Kind.ORDER_COMPLETED, 3),
    ]


@given(st.lists(st.lists(st.integers(1, 50), min_size=1, max_size=6).map(sorted), max_size=8))
def test_visits_interleave_in_time_order(visits: list[list[int]]) -> None:
    visits.sort(key=lambda times: times[0])
    lines = [
        [Message(customer_id(str(who)), Event(1, 2, at, f"{who}-{i}")) for i, at in enumerate(times)]
        for who, times in enumerate(visits)
    ]
    found = [message for batch in in_time_order(lines) for message in batch]
    assert [m.event.at for m in found] == sorted(at for times in visits for at in times)
    for who, line in enumerate(lines):
        assert [m for m in found if m.customer == str(who)] == line


def test_segment_lines_bare_or_wrapped(tmp_path: Path) -> None:
    payload = {"type": "track", "event": "Product Viewed", "userId": "u", "properties": {"product_id": "p"}}
    lines = [
        payload,
        {"payload": {**payload, "messageId": "m"}},
        {"payload": {"type": "track", "event": "X"}},
        [1],
    ]
    messages, faults = read(written(tmp_path, "\n".join(json.dumps(line) for line in lines)))
    assert [(m.customer, m.event.kind, m.event.item) for m in messages] == [("u", Kind.ITEM_VIEWED, "p")] * 2
    assert messages[1].event.id == "m"
    assert messages[0].event.id
    assert [fault.split(": ")[1] for fault in faults.first] == ["missing_customer", "malformed"]


def test_ids_are_the_files_and_differ_within_it(tmp_path: Path) -> None:
    same = "1,2,3,pv,1511658000\n" * 3
    first, _ = read(written(tmp_path, same, "a"))
    again, _ = read(written(tmp_path, same, "b"))
    salted, _ = read(tmp_path / "a", salt="second run")
    ids = [m.event.id for m in first]
    assert len(set(ids)) == 3
    assert [m.event.id for m in again] == ids
    assert not set(ids) & {m.event.id for m in salted}


def test_gz_is_known_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "plain-looking.csv"
    path.write_bytes(gzip.compress(b"1,2,3,pv,1511658000\n"))
    assert len(read(path)[0]) == 1


def test_a_cut_gz_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    lines = b"".join(b"%d,2,3,pv,1511658000\n" % (i * 7919) for i in range(5_000))
    path.write_bytes(gzip.compress(lines)[:-2_000])
    with pytest.raises(BadRequest, match=r"cut\.gz: damaged"):
        read(path)


@pytest.mark.parametrize("text", ["", "a,b,c\n", "1;2;3\n", "PK\x03\x04"])
def test_unknown_formats_say_what_is_understood(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadRequest, match=r"REES46 CSV|empty"):
        read(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="No such file"):
        read(tmp_path / "nowhere.csv")


def test_formats_are_recognised_from_real_files() -> None:
    assert sniff("f", data("rees46/2019-Oct.first2h50.csv").read_bytes()[:400].split(b"\n")[0]) == "rees46"
    assert LogReader(data("taobao/UserBehavior.20171126T0100Z.csv.gz")).format() == "taobao"
    assert LogReader(data("otto/train.jsonl")).format() == "otto"
    assert LogReader(data("segment_examples/examples.jsonl")).format() == "segment"


def test_the_real_rees46_log_is_read_whole() -> None:
    path = data("rees46/2019-Oct.first2h50.csv")
    messages, faults = read(path)
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert faults.count == 0
    assert len(messages) == len(rows)
    names = {"view": Kind.ITEM_VIEWED, "cart": Kind.CART_ADDED, "purchase": Kind.ORDER_COMPLETED}
    for message, row in zip(messages, rows, strict=True):
        at = datetime.fromtimestamp(message.event.at / 1_000, UTC)
        assert at.strftime("%Y-%m-%d %H:%M:%S UTC") == row["event_time"]
        assert (message.customer, message.event.item) == (row["user_id"], row["product_id"])
        assert message.event.kind == names[row["event_type"]]
        assert message.event.value == float(row["price"])
        assert message.event.category == (row["category_code"] or row["category_id"])
    assert len({message.event.id for message in messages}) == len(rows)


def test_the_real_taobao_and_otto_logs_are_read_whole() -> None:
    path = data("taobao/UserBehavior.20171126T0100Z.csv.gz")
    messages, faults = read(path)
    with gzip.open(path, "rt") as file:
        behaviours = Counter(line.split(",")[3] for line in file)
    assert faults.count == 0
    kinds = Counter(message.event.kind for message in messages)
    assert kinds == {
        Kind.ITEM_VIEWED: behaviours["pv"],
        Kind.CART_ADDED: behaviours["cart"],
        Kind.WISHLISTED: behaviours["fav"],
        Kind.ORDER_COMPLETED: behaviours["buy"],
    }
    messages, faults = read(data("otto/train.jsonl"))
    assert faults.count == 0
    times = [message.event.at for message in messages]
    assert times == sorted(times)
    assert sum(message.event.quantity for message in messages) == 862


def test_every_line_of_the_segment_examples_is_a_message_or_a_fault() -> None:
    path = data("segment_examples/examples.jsonl")
    faults = LineFaults()
    far = 1_500_000_000_000
    messages = list(LogReader(path, lambda p, i: source(p, 0, far, fallback_id=i)).messages(faults))
    assert len(messages) + faults.count == 132
    assert len(messages) >= 20
