"""A file that is not YAML: where the cause stands, and what to write instead."""

from __future__ import annotations

import pytest

from engine.errors import BadRule
from engine.rulebook.directory import compile_texts
from engine.rulebook.document import MOST_FAULTY

OFFERS = """\
offers:
  - id: help
    kind: chat
    channels: [web]
    when: cart.items > 0
    value: 6
    propensity: 0.1
    say: Hello
  - id: two
    kind: chat
    channels: [web]
    when: cart.items > 0
    value: 6
    propensity: 0.1
    say: Goodbye
"""
QUOTES = "put the text in quotes: it"
WHOLE = "put the whole text in quotes, other ones than in it"
CROOKED = "write the keys of one rule below one another"
OPEN = "the quote that opens here is not closed:"
TAB = "write blanks before the text, no tab"


@pytest.mark.parametrize(
    ("sound", "written", "expected"),
    [
        ("offers:", "offers", "1:7: a colon is missing: write offers:"),
        ("id: help", "id:help", "2:8: a blank is missing after the colon: write id: help"),
        ("kind: chat", "kind:chat", "3:10: a blank is missing after the colon: write kind: chat"),
        ("when: c", "when:c", "5:10: a blank is missing after the colon: write when: cart.items > 0"),
        ("say: Goodbye", "say:Goodbye", "15:9: a blank is missing after the colon: write say: Goodbye"),
        ("kind: chat", "kind: chat channels: [web]", "3:16: write channels on a line of its own, below kind"),
        ("say: Hello", "say: We are #1\n      in town", f'8:17: {QUOTES} holds a #: say: "We are #1"'),
        ("id: help", "id help", "2:7: a colon is missing: write id: help"),
        ("kind: chat", "kind chat", "3:9: a colon is missing: write kind: chat"),
        ("say: Goodbye", "say Goodbye", "15:8: a colon is missing: write say: Goodbye"),
        ("kind: chat", "kind = chat", "3:9: write kind: chat, with a colon and a blank"),
        ("kind: chat", "kind：chat", "3:9: write kind: chat, with a colon and a blank"),
        ("kind: chat", "kind:\u00a0chat", "3:10: write an ordinary blank after the colon: kind: chat"),
        ("say: Hello", "say: Hello: how?", f'8:15: {QUOTES} holds a colon: say: "Hello: how?"'),
        ("say: Hello", "say: “Hello: how?”", f'8:16: {QUOTES} holds a colon: say: "“Hello: how?”"'),
        ("when: cart", "when: note: cart", f'5:15: {QUOTES} holds a colon: when: "note: cart.items > 0"'),
        ("say: Hello", "say: {cart.items} of it", f'8:10: {QUOTES} begins with {{: say: "{{cart.items}} of it"'),
        ("say: Hello", "say: {cart.items: see", f'8:10: {QUOTES} begins with {{: say: "{{cart.items: see"'),
        ("say: Hello", "say: [New] Hello", f'8:10: {QUOTES} begins with [: say: "[New] Hello"'),
        ("say: Hello", "say: *Hello*", f'8:10: {QUOTES} begins with *: say: "*Hello*"'),
        ("say: Hello", "say: @home", f'8:10: {QUOTES} begins with @: say: "@home"'),
        ("say: Hello", "say: - Hello", f'8:10: {QUOTES} begins with -: say: "- Hello"'),
        ("say: Hello", "say: > Hello", "8:10: write the text on the line after >, or in quotes without >"),
        ("when: cart.items", "when: {cart.items}", "5:11: begin the condition with a name, "
                                                   "as in cart.items > 0, not with {"),
        ("when: cart.items", 'when: "cart.items"', "5:11: put the whole condition in quotes, or nothing of it"),
        ("say: Hello", 'say: "Hello', f'8:10: {OPEN} write " at the end of the text'),
        ("Hello", "'Hello", f"8:10: {OPEN} write ' at the end of the text"),
        ("say: Goodbye", 'say: "Bye', f'15:10: {OPEN} write " at the end of the text'),
        ("say: Hello", "say: 'It's here'", f'8:14: {WHOLE}: say: "It\'s here"'),
        ("say: Hello", 'say: "Say "yes" now"', f"8:16: {WHOLE}: say: 'Say \"yes\" now'"),
        ("say: Hello", 'say: "Hello" dear', f'8:17: {WHOLE}: say: \'"Hello" dear\''),
        ("say: Hello", 'say: "a" and "b"', f'8:13: {WHOLE}: say: \'"a" and "b"\''),
        ("say: Hello", 'say: "Hello”', f'8:10: {OPEN} write " at the end of the text, not ”'),
        ("value: 6", "value: %6", "6:12: write 6, the number alone"),
        ("cart.items > 0", "cart.items >\t0", "5:23: write a blank instead of the tab"),
        ("say: Hello", 'say: "C:\\data"', "8:14: not YAML: found unknown escape character 'd': "
                                         "write \\ twice, or put the text in single quotes"),
        ("    kind", "\tkind", f"3:1: {TAB}"),
        ("    kind", "    \tkind", f"3:5: {TAB}"),
        ("    kind", "\u00a0   kind", "3:1: write ordinary blanks before the text: this is another character "
                                      "that looks like one"),
        ("    kind", "     kind", f"3:6: kind begins 5 characters from the left, id above it 4: {CROOKED}"),
        ("    kind", "   kind", f"3:4: kind begins 3 characters from the left, id above it 4: {CROOKED}"),
        ("  - id", "  • id", "2:3: write - and a blank before id"),
        ("  - id", "  -id", "2:3: write - and a blank before id"),
        ("[web]", "[web", "4:15: the [ that opens here is not closed: write ] at its end"),
        ("say: Hello", "cap: {max: 1; period: 7d}", "8:17: write a comma instead of ;"),
        ("say: Hello", "say: Hello\n    and more", "9:5: not YAML: write a key with a colon, or more blanks "
                                                   "before a line that belongs to the text above"),
    ],
)  # fmt: skip
def test_the_cause_is_found_where_it_stands(sound: str, written: str, expected: str) -> None:
    line, column, reason = expected.split(":", 2)
    with pytest.raises(BadRule) as caught:
        compile_texts({"a": OFFERS.replace(sound, written, 1)})
    assert caught.value.faults == [f"a:{line}:{column}: file:{reason}"]


def test_a_quote_that_a_later_one_closes_is_reported_where_it_opens() -> None:
    text = OFFERS.replace("Hello", '"Hello').replace("Goodbye", '"Goodbye"')
    with pytest.raises(BadRule, match='a:8:10: file: the quote that opens here is not closed: write "'):
        compile_texts({"a": text})


def test_lines_that_look_like_a_cause_are_read_as_ever_in_a_sound_file() -> None:
    text = """\
indicators:
  - name: x
    description: >
      say:this or id that = “other”; kind
    when: cart.items > 0
  - name: y
    description: 'opens here
      say Hello: and closes'
    when: cart.items > 1
"""
    assert [indicator.name for indicator in compile_texts({"a": text}).indicators] == ["x", "y"]


@pytest.mark.parametrize(
    "text",
    ["a: b: say: x" + " " * 200_000 + "y", "say: " + "'" * 100_001, "- " + "a" * 200_000 + ": b: c",
     "\n\t" * 100_000,
     "offers: [{id: a" + " " * 200_000 + "\n b}]", "offers:\n - expires: 1" + " " * 200_000 + "x\n"],
)  # fmt: skip
def test_the_longest_lines_are_explained(text: str) -> None:
    with pytest.raises(BadRule):
        compile_texts({"a": text})


def faults(*texts: str) -> list[str]:
    with pytest.raises(BadRule) as caught:
        compile_texts({f"{chr(97 + i)}": text for i, text in enumerate(texts)})
    return caught.value.faults


def test_after_a_fault_of_yaml_the_rest_of_the_file_and_the_other_files_are_read() -> None:
    first = OFFERS.replace("say: Hello", "say: Hello: how?")
    first = first.replace("propensity: 0.1\n    say: G", "propensity: 2\n    say: G")
    assert faults(first, OFFERS.replace("value: 6", "value: six euros", 1)) == [
        f'a:8:15: file: {QUOTES} holds a colon: say: "Hello: how?"',
        "a:14:17: two: propensity must lie between 0 and 1: write 0.02 for 2 %",
        "b:6:12: help: value must be a number, such as 10 or 0.5",
    ]


def test_several_faults_of_yaml_are_reported_together() -> None:
    text = OFFERS.replace("say: Hello", 'say: "Hello').replace("say: Goodbye", "say: Bye: Bye") + OFFERS.replace(
        "offers:\n", ""
    ).replace("id: help", "id: 3").replace("id: two", "id:four")
    assert faults(text) == [
        f'a:8:10: file: {OPEN} write " at the end of the text',
        f'a:15:13: file: {QUOTES} holds a colon: say: "Bye: Bye"',
        "a:16:9: 3: id '3' is a number: choose a name",
        "a:23:8: file: a blank is missing after the colon: write id: four",
    ]


def test_who_names_a_rule_that_cannot_be_read_is_not_blamed() -> None:
    indicators = "indicators:\n  - name: busy\n    description: Much: more\n    when: cart.items > 3\n"
    assert faults(indicators + OFFERS.replace("cart.items > 0", "busy")) == [
        f'a:3:22: file: {QUOTES} holds a colon: description: "Much: more"'
    ]


def test_rules_of_a_file_that_cannot_be_read_at_all_are_left() -> None:
    assert faults(OFFERS.replace("offers:", "offers")) == ["a:1:7: file: a colon is missing: write offers:"]


def test_no_more_than_some_faulty_rules_are_passed_over() -> None:
    rule = "  - id: x\n    say: a: b\n"
    assert len(faults("offers:\n" + rule * 50)) == MOST_FAULTY + 1
