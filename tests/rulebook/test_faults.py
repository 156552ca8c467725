"""Every fault of a rule file is reported with its place, all at once."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from pathlib import Path

import pytest

from engine.errors import BadRule
from engine.rulebook.cases import load_cases
from engine.rulebook.directory import compile_texts, load
from engine.rulebook.schema import KINDS

OFFER = """\
offers:
  - id: one
    kind: ask
    channels: [web]
    when: cart.items > 0
    value: 1
    propensity: 0.5
    say: hello
"""

MONEY = ", the number alone: money is in the shop's currency"
SHARE = "propensity must lie between 0 and 1"
QUOTES = "put the text in quotes:"
BEHIND = "a comment goes behind the closing quote"
CAP = "10: cap must be a mapping with max, period"
CONSENT = (
    "consent is no feature: it is looked up where an offer is given. Leave it out, and let the offer name what it "
    "needs, as in purpose: marketing"
)
PERIOD = "must be a period such as 7d, 12h, 30min or 90s"


def faults(*texts: str) -> list[str]:
    with pytest.raises(BadRule) as caught:
        compile_texts({f"{chr(97 + i)}.yaml": text for i, text in enumerate(texts)})
    return caught.value.faults


def when(condition: str) -> list[str]:
    """Faults of one condition, with the column counted from its first character."""
    lead = "indicators: [{name: x, when: '"
    return [
        re.sub(r"a.yaml:1:(\d+): x: ", lambda found: f"{int(found[1]) - len(lead)}: ", fault)
        for fault in faults(f"{lead}{condition}'}}]")
    ]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("session.burst > 3", "1: no feature 'session.burst'; did you mean session.bursts"),
        ("bursts > 3", "1: no feature or number 'bursts'; did you mean session.bursts?"),
        ("cart.items > 1 and busty", "20: no indicator 'busty'"),
        ("consent", f"1: {CONSENT}"),
        ("cart.items > 1 and consent.email == 1", f"20: {CONSENT}"),
        ("not consent(1)", f"5: {CONSENT}"),
        ("cart.items > 0 or 1 < consent.marketing.web", f"23: {CONSENT}"),
        ("session.bursts", "1: session.bursts is a number: compare it, as in session.bursts > 0"),
        ("cart.items + 1 > 3", "1: arithmetic takes numbers only, no features"),
        ("cart.items > minutes(3)", "14: cart.items is not a time (a count)"),
        ("idle.seconds > minute(3)", "16: no function 'minute'; did you mean minutes?"),
        ("idle.seconds > minutes()", "16: minutes(n) takes one number"),
        ("idle.seconds > minutes(hours(1))", "24: minutes(n) takes a plain number"),
        ("idle.seconds > hours(1) + 3", "16: adds a time and a plain number"),
        ("idle.seconds > contact.hours_since", "16: idle.seconds is in s, contact.hours_since in h"),
        ("idle.seconds > session.longest_pause", None),
        ("cart.items > 1 / 0", "14: divides by zero"),
        ("cart.items > 1e400", "14: is not a finite number"),
        ("cart.items > 9 ** 9", "14: arithmetic with this operator is no number"),
        ("cart.items is 3", "12: write == instead of is"),
        ("cart.items in cart.value", "15: `in` needs numbers in parentheses"),
        ("cart.items > True", "14: this value is no number"),
        ("cart.items > cart.items", "14: compares cart.items with itself"),
        ("cart.items > 1 and (", "20: not an expression: '(' was never closed"),
        ("print(1)", "1: a call is no condition"),
        ("(lambda: 1)() > 3", "1: no function: only seconds(n), minutes(n), hours(n) and days(n) can be called"),
        ("ä > 3 and é.ö > 1", "1: no feature or number 'ä'"),
        ("cart.items > 1 # many", "16: ''#'' begins no comment"),
        ("cart.items > 1 and not cart.items > 1", None),
        ("x", None),
        ("not " * 60 + "cart.items > 1", "1: nested too deeply"),
        ("(" * 300 + "1" + ")" * 300, "201: not an expression: too many nested parentheses"),
        ("cart.items > 0" + " or cart.items > 0" * 400, "1: longer than 4000 characters"),
    ],
)
def test_faults_of_conditions(condition: str, expected: str | None) -> None:
    found = when(condition)
    assert len(found) <= 2
    if expected is not None:
        assert found[0].startswith(expected.replace("''", "'")), found


def test_faults_that_concern_a_whole_rule_stand_at_its_name() -> None:
    assert when("idle.seconds > session.longest_pause") == [
        "-9: idle.seconds grows with inactivity: compare it with a number"
    ]
    assert when("x") == ["-9: depends on itself: x -> x"]
    assert when("cart.items > 1 and not cart.items > 1") == ["-9: contradicts itself: it can never hold"]


def test_too_many_clauses() -> None:
    wide = " and ".join(f"(cart.items > {n} or cart.value > {n})" for n in range(12))
    assert when(wide) == ["-9: branches into more than 64 cases: split the rule"]


def test_places_in_folded_and_quoted_texts() -> None:
    text = """\
indicators:
  - name: folded
    when: >-
      cart.items > 1 and

      session.burst > 2
  - name: literal
    when: |
      cart.items > 1
      and cart.value < idle.second
  - name: plain
    when: cart.items > 1
      and nothing
  - name: quoted
    when: "cart.items > 1 and\\
      \\ nothing"
"""
    assert [fault.split(": ")[0:2] for fault in faults(text)] == [
        ["a.yaml:6:7", "folded"],
        ["a.yaml:10:24", "literal"],
        ["a.yaml:13:11", "plain"],
        ["a.yaml:16:9", "quoted"],
    ]


def test_faults_of_offers() -> None:
    text = """\
offers:
  - id: One
    kind: sel
    channels: [web, wep, web]
    when: cart.items > 0
    value: -1
    propensity: 1
    evidence: 0
    boost: .inf
    say: "{cart.valu} {cart.items:money} {cart.items:duration} {cart.items:x} }"
    cap: {max: 1.5, period: 7 weeks, per: x}
    expires: 90
    extra: 1
  - {id: two, id: two}
  - three
"""
    assert faults(text) == [
        "a.yaml:2:9: One: id 'One' may hold up to 64 lower case letters, digits, _ and -, a letter first: "
        "write one",
        "a.yaml:3:11: One: no kind 'sel'; did you mean sell? (there are sell, serve, ask, retain, nurture, chat)",
        "a.yaml:4:15: One: a channel is given twice",
        "a.yaml:4:21: One: no channel 'wep'; did you mean web? (there are web, agent, email, app)",
        "a.yaml:6:12: One: value must be a finite number, 0 or more",
        "a.yaml:7:17: One: propensity must lie between 0 and 1: nothing is sure, so write 0.99",
        "a.yaml:8:15: One: evidence must be more than 0",
        "a.yaml:9:12: One: boost must be a finite number, 0 or more",
        "a.yaml:10:12: One: say: no feature 'cart.valu'; did you mean cart.value?",
        "a.yaml:10:43: One: say: cart.items is not a time",
        "a.yaml:10:65: One: say: no format 'x'; there are .0f, ,.2f, money, duration",
        "a.yaml:10:79: One: say: a lone }: write it twice to show it",
        "a.yaml:11:16: One: cap.max must be a whole number, 1 to 10000",
        "a.yaml:11:29: One: cap.period must be a period such as 7d, 12h, 30min or 90s, not '7 weeks': write 49d",
        "a.yaml:11:38: One: unknown key 'per'; did you mean period?",
        "a.yaml:12:14: One: expires must be a period such as 7d, 12h, 30min or 90s, not '90': "
        "write the unit too, 90s, 90min, 90h or 90d",
        "a.yaml:13:5: One: unknown key 'extra'",
        *(
            f"a.yaml:14:5: two: {key} is missing"
            for key in ("channels", "kind", "propensity", "say", "value", "when")
        ),
        "a.yaml:14:15: two: id is given twice",
        "a.yaml:15:5: offer: must be a mapping with id, kind, channels, when, value, propensity, say",
    ]


def test_rules_that_are_no_list_are_asked_for_dashes() -> None:
    assert faults("indicators:\n  name: a\n  when: cart.items > 1\n") == [
        "a.yaml:2:3: indicators: indicators must be a list: "
        "write - and a blank before the first key of each member"
    ]


@pytest.mark.parametrize(
    "comment", ["value: 1 # one", "kind: ask # or sell", "when: cart.items > 0 # some", 'say: "We are #1" # home',
                "say: > # folded\n      We are #1", "say: We are#1", "say: hello\n    # a line of its own"]
)  # fmt: skip
def test_comments_elsewhere_are_comments(comment: str) -> None:
    key = comment.partition(":")[0]
    lines = [f"    {comment}\n" if line.startswith(f"    {key}:") else line for line in OFFER.splitlines(True)]
    (offer,) = compile_texts({"a.yaml": "".join(lines)}).offers
    assert (offer.value, offer.kind, offer.when) == (1, "ask", "cart.items > 0")
    assert offer.say in ("hello", "We are #1", "We are#1")


def test_descriptions_and_names_of_cases_keep_their_marks(tmp_path: Path) -> None:
    indicator = "indicators:\n  - name: a\n    description: Case #7\n    when: cart.items > 0\n"
    assert faults(indicator) == [f'a.yaml:3:23: a: {QUOTES} it holds a #: description: "Case #7"; {BEHIND}']
    (tmp_path / "a.cases.yaml").write_text("cases:\n  - name: case #7\n    features: {}\n")
    with pytest.raises(BadRule) as caught:
        load_cases(tmp_path, compile_texts({"a.yaml": OFFER}))
    assert caught.value.faults == [
        f'{tmp_path}/a.cases.yaml:2:16: case: {QUOTES} it holds a #: name: "case #7"; {BEHIND}'
    ]


@pytest.mark.parametrize("word", ["true", "yes", "off", "null", "~"])
def test_a_truth_is_no_name(word: str) -> None:
    reason = f"'{word}' is a word of the rule language: choose a name"
    assert faults(OFFER.replace("id: one", f"id: {word}"))[0].endswith(f"id {reason}")
    assert faults(f"indicators: [{{name: {word}, when: cart.items > 0}}]")[0].endswith(f"name {reason}")
    quoted = faults(f"indicators: [{{name: '{word}', when: cart.items > 0}}]")
    assert word == "~" or quoted[0].endswith(f"{word}: is a word of the rule language")


def test_a_number_is_no_name() -> None:
    assert faults(OFFER.replace("id: one", "id: 7")) == ["a.yaml:2:9: 7: id '7' is a number: choose a name"]


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("Free Delivery!", ": write free_delivery"),
        ("“help”", ": write help"),
        ("1st", ""),
        ("o\u200bne", ": write one"),
        ("Grüße", ""),
    ],
)
def test_a_name_is_shown_as_it_may_be(name: str, instead: str) -> None:
    (fault,) = faults(f"indicators: [{{name: '{name}', when: cart.items > 0}}]")
    assert fault.endswith(
        f"name {name!r} may hold up to 64 lower case letters, digits and _, a letter first{instead}"
    )


def test_names_are_unique_over_all_files() -> None:
    indicator = "indicators:\n  - {name: a, when: cart.items > 1}\n"
    assert faults(indicator, indicator) == ["b.yaml:2:12: a: defined already at a.yaml:2:12"]
    assert faults(OFFER, OFFER) == ["b.yaml:2:9: one: defined already at a.yaml:2:9"]


def test_names_with_one_hash_are_told_apart() -> None:
    text = "indicators: [{name: costarring, when: cart.items > 1}, {name: liquid, when: cart.items > 1}]"
    assert faults(text) == [
        "a.yaml:1:63: liquid: has the same code as costarring: choose another name",
    ]


def test_cycles() -> None:
    text = "indicators: [{name: a, when: b}, {name: b, when: not c}, {name: c, when: a}, {name: d, when: a}]"
    (fault,) = faults(text)
    assert fault in (
        "a.yaml:1:21: a: depends on itself: a -> b -> c -> a",
        "a.yaml:1:21: a: depends on itself: a -> c -> b -> a",
    )


def test_who_names_a_faulty_indicator_is_not_blamed() -> None:
    indicator = "indicators: [{name: a, when: cart.item > 1}]"
    assert len(faults(indicator, OFFER.replace("cart.items > 0", "a"))) == 1
    assert len(faults("indicators: [", OFFER.replace("cart.items > 0", "a"))) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no indicators and no offers"),
        ("# nothing yet\n", "holds no indicators and no offers"),
        ("{}", "holds no indicators and no offers"),
        ("- a", "must be a mapping with indicators, offers"),
        ("offer: []", "unknown key 'offer'; did you mean offers?"),
        ("offers: one", "offers must be a list"),
        ("a: [", "not YAML: "),
        ("a: 1\n--- b\n", "not YAML: "),
        ("a: \x07", "not YAML: special characters are not allowed"),
        ('offers: [{id: "\\ud800"}]', "id holds a character that cannot be shown"),
        ("[" * 3_000, "not YAML: nested too deeply"),
        ("- " * 3_000, "nested too deeply"),
        ("&a [*a]", "must be a mapping"),
        ("a: " + "x" * (1 << 18), "larger than"),
    ],
)
def test_faults_of_files(text: str, reason: str) -> None:
    assert any(
        f"file: {reason}" in fault or f"offer: {reason}" in fault or reason in fault for fault in faults(text)
    )


def test_a_directory_is_read_without_cases_and_hidden_files(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(OFFER)
    (tmp_path / "one.cases.yaml").write_text("no: rules")
    (tmp_path / ".#one.yaml").symlink_to("nowhere")
    (tmp_path / "notes.txt").write_text("hello")
    assert [offer.id for offer in load(tmp_path).offers] == ["one"]
    (tmp_path / "two.yml").write_bytes(b"offers:\n  - id: \xff\n")
    (tmp_path / "three.yaml").mkdir()
    with pytest.raises(BadRule) as caught:
        load(tmp_path)
    assert caught.value.faults == [
        f"{tmp_path}/three.yaml:1:1: file: cannot be read: Is a directory",
        f"{tmp_path}/two.yml:2:9: file: is not UTF-8",
    ]


def test_what_is_no_file_is_refused_without_opening_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "device.yaml").symlink_to("/dev/zero")
    (tmp_path / "large.yaml").write_bytes(b"")
    os.truncate(tmp_path / "large.yaml", 1 << 40)
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(tmp_path):
        listener.bind("socket.yaml")  # its path may not be long
    with pytest.raises(BadRule) as caught:
        load(tmp_path)
    assert caught.value.faults == [
        f"{tmp_path}/device.yaml:1:1: file: is a device, which is not read: put a file here",
        f"{tmp_path}/large.yaml:1:1: file: larger than 262144 characters: split it",
        f"{tmp_path}/pipe.yaml:1:1: file: is a named pipe, which is not read: put a file here",
        f"{tmp_path}/socket.yaml:1:1: file: is a socket, which is not read: put a file here",
    ]


def test_no_directory_and_no_files_are_faults(tmp_path: Path) -> None:
    for directory, reason in ((tmp_path, "holds no rule files"), (tmp_path / "away", "cannot be read")):
        with pytest.raises(BadRule, match=reason):
            load(directory)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("propensity: 0,1", "17: propensity must be a number: write 0.1, with a point"),
        ("propensity: 10%", "17: propensity must be a number: write 0.10 for 10 %"),
        ("propensity: 12,5 %", "17: propensity must be a number: write 0.125 for 12,5 %"),
        ("propensity: 10", "17: propensity must lie between 0 and 1: write 0.10 for 10 %"),
        ("propensity: 100", f"17: {SHARE}: nothing is sure, so write 0.99"),
        ("propensity: 100%", f"17: {SHARE}: nothing is sure, so write 0.99"),
        ("propensity: 150 %", f"17: {SHARE}: nothing is sure, so write 0.99"),
        ("propensity: 1,0", f"17: {SHARE}: nothing is sure, so write 0.99"),
        ("propensity: 99.9%", "17: propensity must be a number: write 0.999 for 99.9 %"),
        ("propensity: 0%", f"17: {SHARE}: write 0.01 for hardly ever, or leave the offer away"),
        ("propensity: -10%", "17: propensity must be a number, such as 0.1"),
        ("value: 6 EUR", "12: value must be a number: write 6" + MONEY),
        ("value: €6", "12: value must be a number: write 6" + MONEY),
        ("value: 6,50 euros", "12: value must be a number: write 6.50" + MONEY),
        ("value: 1'000", "12: value must be a number: write 1000, with nothing between the digits but a point"),
        ("value: 1,5k", "12: value must be a number: write 1500 for 1,5k"),
        ("value: 08", "12: value must be a number: write 8"),
        ("value: 08,50", "12: value must be a number: write 8.50, with a point"),
        ("value: 007 EUR", "12: value must be a number: write 7" + MONEY),
        ("value: 1e3", "12: value must be a number: write 1000"),
        ("propensity: 1 in 10", "17: propensity must be a number: write 0.1 for 1 in 10"),
        ("propensity: O.1", "17: propensity must be a number, such as 0.1"),
        ("value: 6.0.1", "12: value must be a number, such as 10 or 0.5"),
        ("value: [6]", "12: value must be a number alone, such as 10 or 0.5"),
        ('say: "{cart.value:money"', "11: say: a lone {: close it with }, or write it twice to show it"),
        ("value: about 6", "12: value must be a number: write 6, the number alone"),
        ("value: '6'", "12: value must be a number: write 6 without quotes"),
        ("value: six", "12: value must be a number: write 6"),
        ("value: lots", "12: value must be a number, such as 10 or 0.5"),
        ("value: –6", "12: value must be a finite number, 0 or more"),
        ("value: 1:30", "12: value must be a number in digits, with a point"),
        ("value:", "11: value is empty"),
        ("say:", "9: say is empty"),
        ("say: {cart.items}", "10: say must be text: it begins with {, so put it in quotes"),
        ("say: [New]", "10: say must be text: it begins with [, so put it in quotes"),
        ("say: !Now or never", f'10: {QUOTES} it begins with !: say: "!Now or never"'),
        ("when: !watcher and cart.items > 0", "11: when must be text: write not instead of !"),
        ("channels: web, email", "15: channels must be a list: write [web, email]"),
        ("channels: (web email)", "15: channels must be a list: write [web, email]"),
        ("kind: Chat", "11: no kind 'Chat'; did you mean chat? (there are " + ", ".join(KINDS) + ")"),
        ("cap: max=1", "10: must be a mapping with max, period: write max: 1, with a colon and a blank"),
        ("cap:\n      max:1\n      period:7d", "7: must be a mapping with max, period: write max: 1, "
                                             "with a colon and a blank"),
        ("cap: {max:1, period: 7d}", "11: unknown key 'max:1': write max: 1, with a colon and a blank"),
        ("cap: {max: 1,5, period: 7d}", "18: unknown key '5': a comma ends the text before it; "
                                        "put that in quotes, or write a number with a point"),
        ("cap: {max: 2 times, period: 7d}", "16: cap.max must be a number: write 2, the number alone"),
        ("expires: 10 minutes", f"14: expires {PERIOD}, not '10 minutes': write 10min"),
        ("say: We are #1, ask us", f'17: {QUOTES} it holds a #: say: "We are #1, ask us"; {BEHIND}'),
        ("say: Hello # the home page", f'16: {QUOTES} it holds a #: say: "Hello # the home page"; {BEHIND}'),
        ("say: #1 in town", f'10: {QUOTES} it begins with #: say: "#1 in town"'),
        ("say: # nothing yet", f'10: {QUOTES} it begins with #: say: "# nothing yet"'),
        ("say: ! now", f'10: {QUOTES} it begins with !: say: "! now"'),
        ("say: We are\n      the #1", f"11: {QUOTES} it holds a #; {BEHIND}"),
        ("kind: [sell]", "11: kind must be one word, without brackets"),
        ("channels:", "14: channels are empty"),
        ("channels: all", "15: channels must be a list: write [web, agent, email, app]"),
        ("channels: web and email", "15: channels must be a list: write [web, email]"),
        ("channels: {web}", "15: channels must be a list: write [ and ] instead of { and }"),
        ("channels:\n      -web", "7: channels must be a list: write - and a blank before each member"),
        ("when:\n      - cart.items > 0\n      - cart.value > 3",
         "7: when must be text: write all of it on one line, joined by and"),
        ("cap: once", f"{CAP}: write {{max: 1, period: 30d}} for once in 30 days"),
        ("cap: once a week", f"{CAP}: write {{max: 1, period: 7d}}"),
        ("cap: 2x per day", f"{CAP}: write {{max: 2, period: 1d}}"),
        ("cap: daily", f"{CAP}: write {{max: 1, period: 1d}}"),
        ("cap: never", f"{CAP}: leave the line away for no cap"),
        ("cap: sometimes", f"{CAP}: write {{max: 1, period: 7d}} for once in 7 days"),
        ("cap: {max: once, period: 7d}", "16: cap.max must be a number: write 1"),
        ("cap: {max: 1, period: week}", f"27: cap.period {PERIOD}, not 'week': write 7d"),
        ("expires: 0min", f"14: expires {PERIOD}, not '0min': write more than 0"),
        ("expires: 1h 30min", f"14: expires {PERIOD}, not '1h 30min': write 90min"),
        ("expires: ten minutes", f"14: expires {PERIOD}, not 'ten minutes': write 10min"),
        ("expires: 24.12.2026", f"14: expires {PERIOD}, not '24.12.2026': it is a length of time and no date"),
        ("expires: 2026-12-24", "14: expires must be text: it is a length of time and no date, such as 7d"),
        ("boost: x2", "12: boost must be a number: write 2"),
        ("expires: 1,5 h", f"14: expires {PERIOD}, not '1,5 h': write 90min"),
    ],
)  # fmt: skip
def test_a_fault_of_a_field_says_what_to_write_instead(line: str, expected: str) -> None:
    key = line.partition(":")[0]
    text = "".join(kept for kept in OFFER.splitlines(True) if not kept.startswith(f"    {key}:"))
    row = text.count("\n") + (2 if "\n" in line else 1)
    assert faults(f"{text}    {line}\n") == [f"a.yaml:{row}:{expected}".replace(": ", ": one: ", 1)]


@pytest.mark.parametrize(
    ("purpose", "fault"),
    [
        ("Marketing", "purpose 'Marketing' may hold up to 32 lower case letters"),
        ("1", "purpose must be text"),
        ("a" * 33, f"purpose '{'a' * 33}' may hold up to 32 lower case letters"),
    ],
)
def test_purposes_that_are_none(purpose: str, fault: str) -> None:
    (found,) = faults(f"{OFFER}    purpose: {purpose}\n")
    assert found.startswith(f"a.yaml:9:14: one: {fault}")


def test_an_indicator_is_not_called_consent() -> None:
    assert faults("indicators: [{name: consent, when: cart.items > 0}]\n") == [
        "a.yaml:1:21: consent: is a word of the rule language"
    ]
