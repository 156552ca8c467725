"""Four times the bytes cost about four times the work, whatever they are; and little before a key is known."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest

from engine.errors import BadEvent
from engine.ports.sources import Delivery
from engine.sources.array_items import array_items
from engine.sources.contacts.condition import pattern
from engine.sources.segment.batch import write_key
from engine.sources.segment.written_amounts import amount
from engine.sources.tolerant_json import repaired
from tests.sources.contacts import RECEIPT, SHIPPED, mapped
from tests.sources.payloads import read

SMALL, LARGE = 16_000, 4 * 16_000
MOST = 9  # times; what grows with the square of its size costs 16

#: What was tried on the engine, and more of its kind: the beginning, what is repeated, the end.
ATTACKS = {
    "open arrays": (b"", b"[", b""),
    "open objects": (b"", b'{"a":', b""),
    "open arrays in a batch": (b'{"batch":[', b"[", b""),
    "batches in batches": (b"{", b'"batch":[', b""),
    "one number": (b'{"writeKey":', b"9", b"}"),
    "numbers without end": (b'{"a":', b"1.", b""),
    "numbers no float holds": (b'{"batch":[', b"1e999,", b"1]}"),
    "signs": (b'{"a":', b"-", b""),
    "words that are no numbers": (b'{"a":[', b"NaN,", b"0]}"),
    "half of such a word": (b'{"a":', b"N", b""),
    "backslashes": (b'{"a":"', b"\\", b""),
    "backslashes and a quote": (b'{"a":"', b"\\\\", b'"'),
    "escaped quotes": (b'{"a":"', b'\\"', b""),
    "quotes": (b"", b'"', b""),
    "quotes in a batch": (b'{"batch":[', b'"', b""),
    "escapes without digits": (b'{"a":"', b"\\u", b'"}'),
    "halves of pairs": (b'{"a":"', b"\\ud800", b'"}'),
    "halves and a beginning": (b'{"a":"', b"\\ud83d\\u", b'"}'),
    "pairs, and a half": (b'{"a":"', b"\\ud83d\\ude00", b'\\ud800"}'),
    "names": (b"{", b'"k":0,', b'"z":NaN}'),
    "keys": (b"{", b'"writeKey":"x",', b'"z":NaN}'),
    "half keys": (b"{", b'"writeKe', b""),
    "keys without a colon": (b"{", b'"writeKey"                ', b""),
    "a key far behind its name": (b'{"writeKey":', b" ", b""),
    "keys too long": (b"{", b'"writeKey":"' + b"a" * 300, b""),
    "a list for a key": (b'{"writeKey":[', b"[],", b"0]}"),
    "byte order marks": (b"", b"\xef\xbb\xbf", b""),
    "half byte order marks": (b"", b"\xef\xbb", b""),
    "no UTF-8": (b'{"a":"', b"\xff", b'"}'),
    "control characters": (b'{"a":"', b"\x01", b'"}'),
    "zeros": (b"", b"\0", b""),
}


def payload(attack: str, size: int) -> bytes:
    begin, part, end = ATTACKS[attack]
    return begin + part * (size // len(part)) + end


def cost(work: Callable[[bytes], object], of: bytes) -> float:
    """The shortest of several runs: what interrupts one does not interrupt all."""
    times = []
    for _ in range(7):
        begun = time.thread_time()
        with contextlib.suppress(BadEvent):
            work(of)
        times.append(time.thread_time() - begun)
    return min(times)


def by_mapping(name: str) -> Callable[[bytes], object]:
    return lambda body: list(SHIPPED[name].events(Delivery(body), RECEIPT))


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(
    "work",
    [
        write_key,
        repaired,
        lambda body: array_items(body, b"batch"),
        by_mapping("genesys"),
        by_mapping("twilio"),
    ],
)
def test_the_cost_grows_no_faster_than_the_size(attack: str, work: Callable[[bytes], object]) -> None:
    small, large = cost(work, payload(attack, SMALL)), cost(work, payload(attack, LARGE))
    assert large < MOST * max(small, 20e-6)  # below that the clock and the call are what is measured


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_key_is_looked_for_at_the_cost_of_reading(attack: str) -> None:
    """What is no key is not made into anything, and nothing is repaired: nobody has shown a key yet."""
    ordinary = b'{"batch":[' + b'{"k":0,"n":"abc"},' * (LARGE // 18) + b"{}]}"
    assert cost(write_key, payload(attack, LARGE)) < 15 * cost(write_key, ordinary)


def test_patterns_and_paths_go_forward_only() -> None:
    """What would make a search go back and forth: many gaps in one text, and JSON within texts within JSON."""
    gaps = pattern("*a*a*a*a*a*a*b*a")
    searched = [cost(lambda body: gaps.fits(body.decode()), b"a" * size) for size in (SMALL, LARGE)]
    assert searched[1] < MOST * max(searched[0], 20e-6)
    rules = "".join(f"  - {{kind: queued, when: {{deep.{n}.text.a.a.b: '*a*b'}}}}\n" for n in range(64))
    source = mapped(f"source: slow\ncontact: id\nkinds:\n{rules}")

    def body(size: int) -> bytes:
        text = r"{\"a\":" * 8 + "1" + "}" * 8 + " " * (size // 64)
        return b'{"deep":[%b]}' % b",".join([b'{"text":"%b"}' % text.encode()] * 64)

    read = [cost(lambda one: list(source.events(Delivery(one), RECEIPT)), body(size)) for size in (SMALL, LARGE)]
    assert read[1] < MOST * read[0]


@pytest.mark.parametrize("inside", [" ", "\u00a0", "'", ",", ".", "1", "1 ", "1,", " €", "k"])
@pytest.mark.parametrize("end", ["x", "€", ""])
def test_no_amount_costs_much_more_than_another(inside: str, end: str) -> None:
    """An event has room for hundreds of them."""
    written = f"1{inside * 62}"[: 64 - len(end)] + end
    assert cost(many_amounts, written.encode()) < 40 * cost(many_amounts, "1 234,50 €".encode())


def many_amounts(written: bytes) -> None:
    text = written.decode()
    for _ in range(100):
        amount(text)


@pytest.mark.parametrize("line", [b"{}", b'{"a":0}', b'{"price":null}'])
@pytest.mark.parametrize("event", ["Checkout Started", "Cart Viewed", "Order Completed", "Product Added"])
def test_lines_that_say_nothing_cost_no_more_than_those_that_do(event: str, line: bytes) -> None:
    """Ten thousand of them fit into an event."""
    begin = b'{"userId":"ann","messageId":"m1","event":"%b","properties":{"products":[' % event.encode()
    nothing, priced = (
        begin + b",".join([one] * (30_000 // (len(one) + 1))) + b"]}}" for one in (line, b'{"price":1}')
    )
    assert read(nothing, call="track").event.id == "m1"
    assert cost(read_track, nothing) < 2 * cost(read_track, priced)


def read_track(payload: bytes) -> None:
    read(payload, call="track")
