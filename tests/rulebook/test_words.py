"""Words of the contact centre in rules: queues, agents and outcomes as texts, in conditions, reasons and cases."""

from __future__ import annotations

import operator
import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from engine.cli.rules import app
from engine.errors import BadRule
from engine.events import Contact, Event, Kind
from engine.rulebook.cases import vector
from engine.rulebook.directory import check, compile_texts
from engine.rulebook.explain import explain
from engine.rulebook.language.quotes import WORD
from engine.rulebook.model import Rulebook
from engine.rulebook.standing import holding
from engine.rulebook.wire import from_bytes, to_bytes
from engine.state.row_codec import read
from engine.state.vector import vectors_of
from engine.state.words import WORD_FEATURES, word_number
from engine.steps import finish
from tests.rulebook.test_traits import rulebook
from tests.stream.fetched import fetched
from tests.stream.test_worker import CUSTOMER, START, KafkaRecord, Setting

QUEUE, AGENT, OUTCOME = "contact.queue_now", "contact.agent_now", "contact.last_outcome"
WORDS = st.sampled_from(["billing", "Billing", " billing ", "#1", "a b", "ä", "3", "1.2"]) | st.text(
    "ab B.#", min_size=1, max_size=6
).filter(lambda text: bool(text.strip()))
OPS: dict[str, Any] = {"==": operator.eq, "!=": operator.ne}


def holds(rules: Rulebook, words: dict[str, str]) -> list[bool]:
    found: list[bool] = holding(rules, vector({name: word_number(word) for name, word in words.items()})).tolist()
    return found


def test_these_features_are_words() -> None:
    assert {QUEUE, AGENT, OUTCOME} == WORD_FEATURES
    assert all(re.fullmatch(WORD, name) for name in WORD_FEATURES)


@settings(deadline=None)
@given(WORDS, WORDS, st.sampled_from(sorted(OPS)), st.sampled_from(sorted(WORD_FEATURES)))
def test_a_word_is_compared_as_it_was_sent_without_the_blanks_around_it(
    known: str, asked: str, op: str, feature: str
) -> None:
    rules = rulebook(
        f"{feature} {op} {asked!r}", f"{asked!r} {op} {feature}", f"{feature} in ({asked!r}, 'x')",
        f"{feature} not in ({asked!r}, 'x')",
    )  # fmt: skip
    equal = known.strip() == asked.strip()
    truth = OPS[op](known.strip(), asked.strip())
    assert holds(rules, {feature: known}) == [truth, truth, equal, not equal]
    assert holds(rules, {}) == [False, False, False, True]


def test_any_word_is_known_and_none_is_missing() -> None:
    rules = rulebook(f'{QUEUE} != ""', f'not {QUEUE} != ""')
    assert [holds(rules, words) for words in ({QUEUE: "x"}, {})] == [[True, False], [False, True]]


async def test_rules_match_what_the_contact_centre_sent() -> None:
    """From the event on the log to the row and to the vector that rules read."""
    setting = Setting()
    await setting.worker.owned.own([1])
    events = (
        Event(1, int(Kind.CONTACT_STARTED), START, "a", contact=Contact("c-1")),
        Event(1, int(Kind.CONTACT_QUEUED), START + 1, "b", contact=Contact("c-1", queue="billing")),
        Event(1, int(Kind.CONTACT_CONNECTED), START + 2, "c", contact=Contact("c-1", agent="Ann Übel")),
        Event(1, int(Kind.CONTACT_OUTCOME), START + 3, "d", contact=Contact("c-0", reason="refund")),
    )
    records = [KafkaRecord(i, msgspec.msgpack.encode(event), CUSTOMER) for i, event in enumerate(events)]
    await setting.worker.apply(fetched({1: records}))
    await setting.worker.owned.drain()
    (row,) = await setting.store.read(1, [CUSTOMER])
    rules = rulebook(
        f'{QUEUE} == "billing"',
        f'{AGENT} in ("Bob", "Ann Übel")',
        f'{OUTCOME} == "refund"',
        f'{OUTCOME} == "Refund"',
    )
    features = vectors_of(read([row]), np.array([START + 4]), rules.columns)[0]
    assert holding(rules, features).tolist() == [True, True, True, False]


NO_ORDER = "is a word, and words have no order: use == or !=, as in"


@pytest.mark.parametrize(
    ("when", "column", "reason"),
    [
        ("contact.queue_now", 1,
         'contact.queue_now is a word: compare it, as in contact.queue_now == "billing"'),
        ('contact.queue_now < "billing"', 21, f'contact.queue_now {NO_ORDER} contact.queue_now == "billing"'),
        ('"b" <= contact.agent_now', 1, f'contact.agent_now {NO_ORDER} contact.agent_now == "Ann"'),
        ("cart.items > 0 and contact.queue_now == billing", 41,
         'write "billing", in quotes: contact.queue_now is a word'),
        ("contact.last_outcome == 3", 25, 'write "3", in quotes: contact.last_outcome is a word'),
        ("contact.last_outcome == true", 25, 'write "true", in quotes: contact.last_outcome is a word'),
        ("contact.queue_now in (1, 2)", 23, 'write "1", in quotes: contact.queue_now is a word'),
        ("contact.queue_now == None", 22,
         'contact.queue_now is a word: compare it with a text in quotes, as in contact.queue_now == "billing"'),
        ("contact.queue_now != null", 22,
         'write contact.queue_now != "" for one that is known, whatever it is, and not contact.queue_now != "" '
         "for none"),
        ('contact.queue_now == " "', 22,
         'no word is empty: write contact.queue_now != "" for one that is known, whatever it is, and not '
         'contact.queue_now != "" for none'),
        ("contact.queue_now == contact.agent_now", 22,
         "contact.queue_now is a word: compare it with a text in quotes, not with contact.agent_now"),
        ("contact.queue_now == cart.items", 22,
         "contact.queue_now is a word: compare it with a text in quotes, not with cart.items"),
        ("cart.items == contact.queue_now", 1,
         "contact.queue_now is a word: compare it with a text in quotes, not with cart.items"),
        ("contact.queue_now == trait.queue", 1,
         "compares a trait with a word: compare each with a text in quotes"),
        ("contact.queue_now == minutes(3)", 22,
         'contact.queue_now is a word: compare it with a text in quotes, as in contact.queue_now == "billing"'),
        ('contact.queue_now = "billing"', 19, "write == to compare instead of ="),
        ("contact.queue_now == “billing”", 22, 'write "billing", with straight quotes'),
        ("contact.queue_now is 'billing'", 19, "write == instead of is"),
        ('contact.queue == "billing"', 1,
         "no feature 'contact.queue'; did you mean contact.queue_now or contact.open?"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_at_its_place(when: str, column: int, reason: str) -> None:
    with pytest.raises(BadRule) as found:
        compile_texts({"a.yaml": f"indicators:\n  - name: x\n    when: >-\n      {when}\n"})
    assert found.value.faults == [f"a.yaml:4:{column + 6}: x: {reason}"]


def test_what_lies_in_quotes_is_no_slip(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        'indicators:\n  - name: x\n    when: >-\n      contact.queue_now == "#1 1.500 2024-05-01 a  b"\n'
    )
    checked = check(tmp_path)
    assert checked.warnings == []
    assert holds(checked.rulebook, {QUEUE: "#1 1.500 2024-05-01 a  b"}) == [True]


def test_a_text_shows_no_word_and_says_what_to_write() -> None:
    with pytest.raises(BadRule) as found:
        compile_texts({"a.yaml": "offers: [{id: o, kind: sell, channels: [web], when: true, value: 1, "
                                 'propensity: 0.1, say: "In {contact.queue_now}"}]'})  # fmt: skip
    assert found.value.faults[0].endswith(
        "say: contact.queue_now cannot be shown: a row keeps a word's hash, not its letters. "
        'Write an offer for each word, as in when: contact.queue_now == "billing"'
    )


def test_a_word_named_in_a_text_is_not_advised_as_a_number(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "offers: [{id: o, kind: sell, channels: [web], when: true, value: 1, propensity: 0.1, "
        'say: "contact.queue_now"}]'
    )
    assert check(tmp_path).warnings == []


@pytest.mark.parametrize(
    ("when", "words", "expected"),
    [
        (f'{QUEUE} == "billing"', {QUEUE: "billing"}, 'contact.queue_now is "billing" (needs == "billing")'),
        (f'{QUEUE} == "billing" or {AGENT} == "x"', {QUEUE: "sales"},
         'needs contact.queue_now == "billing", has another word'),
        (f'{QUEUE} == "billing" or {QUEUE} == "sales" and cart.items > 0', {QUEUE: "sales"},
         'needs contact.queue_now == "billing", has "sales"'),
        (f'{QUEUE} == "billing"', {}, 'needs contact.queue_now == "billing", has none'),
        (f'{QUEUE} != ""', {QUEUE: "x"}, 'contact.queue_now is another word (needs != "")'),
        (f'{QUEUE} not in ("a", "b")', {QUEUE: "b"}, 'needs contact.queue_now not == "b", has "b"'),
    ],
)  # fmt: skip
def test_reasons_are_words(when: str, words: dict[str, str], expected: str) -> None:
    rules = rulebook(when)
    assert explain(rules, 0, vector({name: word_number(word) for name, word in words.items()})) == [expected]


def test_what_a_child_compiles_is_what_its_parent_reads() -> None:
    rules = rulebook(f'{QUEUE} == "billing"', 'trait.plan == "billing"')
    sent = finish(from_bytes(to_bytes(rules)))
    assert (sent.words, sent.revision) == (rules.words, rules.revision)
    assert rulebook(f'{QUEUE} == "a  b"').revision != rulebook(f'{QUEUE} == "a b"').revision


RULES = 'indicators:\n  - {name: refunded, when: contact.last_outcome == "refund"}\n'


def tried(folder: Path, cases: str) -> tuple[int, str]:
    (folder / "a.yaml").write_text(RULES)
    (folder / "a.cases.yaml").write_text(f"cases:\n{cases}")
    result = CliRunner().invoke(app, ["test", str(folder)])
    return result.exit_code, result.output.replace(f"{folder}/", "")


def test_cases_have_words_as_texts(tmp_path: Path) -> None:
    good = """\
  - {name: yes please, features: {contact.last_outcome: refund}, indicators: [refunded]}
  - {name: in capitals, features: {contact.last_outcome: Refund}, without: [refunded]}
  - {name: a number, features: {contact.last_outcome: "3"}, without: [refunded]}
"""
    assert tried(tmp_path, good) == (0, "3 of 3 cases pass\n")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("3", 'contact.last_outcome is a word: write "3", in quotes'),
        ("yes", 'contact.last_outcome is a word: write "yes", in quotes'),
        ('" "', "contact.last_outcome is a word: leave contact.last_outcome out where there is none"),
        ("[refund]", "contact.last_outcome is a word: write one text"),
        (r'"\ud800"', "contact.last_outcome is a word: no word has this text: not UTF-8"),
    ],
)
def test_a_case_with_another_value_is_refused(tmp_path: Path, value: str, reason: str) -> None:
    code, output = tried(tmp_path, f"  - {{name: c, features: {{contact.last_outcome: {value}}}}}\n")
    assert (code, output.splitlines()) == (1, [f"a.cases.yaml:2:48: c: {reason}"])
