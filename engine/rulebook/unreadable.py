"""Why a file is not YAML, in the words of who writes rules: what to write instead, and where."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import yaml

from engine.rulebook.faults import LONGEST_SHOWN
from engine.rulebook.language import numerals

RULE_KEYS = (
    "name",
    "description",
    "when",
    "id",
    "kind",
    "value",
    "propensity",
    "evidence",
    "boost",
    "say",
    "expires",
)
OF_MANY = frozenset(("indicators", "offers", "cases", "channels", "cap", "features", "without"))
NUMBERS = ("value", "propensity", "evidence", "boost", "max")
FREE = ("say", "description")
KEYS = OF_MANY.union(RULE_KEYS, ("max", "period"))
#: What YAML does not let a text without quotes begin with.
BEGINNINGS = re.compile(r"[{\[}\]*&!%@`>|,]|[-?](?=\s|$)")

_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_TAB = re.compile(r" *(\t)")
_BLANKS = re.compile("[- ]*([\u00a0\u2002-\u200b\u202f\u205f\u3000\ufeff])")
_DASH = re.compile(r"\s*(?:([•·–—*])\s*|(-)(?=\w))([A-Za-z]+)(?=\s*:)")
_KEY = re.compile(
    r"(?P<lead>\s*(?:- +)*)(?P<key>[A-Za-z]+)(?P<colon>\s*[:：=]+|(?=\s|$))(?P<gap>[^\S\n]*)(?P<value>.*)"
)
_COMMENT = re.compile(r"(?<!\s)\s+#.*$")
#: The contexts in which YAML knows where what it could not read began.
_BEGUN = ("while scanning a simple key", "while scanning a quoted scalar", "while parsing a flow")


class Unreadable(NamedTuple):
    """Line and column, from 1, and what to write there."""

    line: int
    column: int
    reason: str


def explain(text: str, error: yaml.MarkedYAMLError) -> Unreadable:
    """The first cause found near where YAML gave up, else YAML's own words."""
    lines = _BREAK.split(text)
    mark = error.problem_mark or error.context_mark
    at = mark.line if mark else 0
    for line in _candidates(lines, error, at):
        if found := _of_line(lines[line]):
            return Unreadable(line + 1, *found)
    return _unclosed_above(lines, at) or _crooked(lines, at) or _other(error, at, mark.column if mark else 0)


def _candidates(lines: list[str], error: yaml.MarkedYAMLError, at: int) -> Iterator[int]:
    """The lines that may be the cause, the likeliest first."""
    if error.context_mark and str(error.context).startswith(_BEGUN):
        yield error.context_mark.line
    if at < len(lines):
        yield at
    if (above := _above(lines, at)) is not None:
        yield above


def _above(lines: list[str], at: int) -> int | None:
    """The nearest line above that is neither empty nor a comment."""
    rows = range(min(at, len(lines)) - 1, -1, -1)
    return next((row for row in rows if lines[row].strip() and not lines[row].lstrip().startswith("#")), None)


def _of_line(line: str) -> tuple[int, str] | None:
    """Column and reason of what is wrong with one line by itself."""
    if found := _TAB.match(line):
        return found.start(1) + 1, "write blanks before the text, no tab"
    if found := _BLANKS.match(line):
        return found.start(
            1
        ) + 1, "write ordinary blanks before the text: this is another character that looks like one"
    if found := _DASH.match(line):
        return found.start(1 if found[1] else 2) + 1, f"write - and a blank before {found[3]}"
    found = _KEY.fullmatch(line)
    if found is None or found["key"].lower() not in KEYS:
        return None
    return _of_colon(found) or _of_value(found)


def _of_colon(found: re.Match[str]) -> tuple[int, str] | None:
    key, colon, value = found["key"], found["colon"], found["value"]
    pair = f"{key}: {value}" if value and len(value) <= LONGEST_SHOWN else f"{key}:"
    if not colon.strip():
        return found.end("key") + 1, f"a colon is missing: write {pair}"
    if colon.strip() != ":":
        return found.start("colon") + 1, f"write {pair}, with a colon and a blank"
    if value and not found["gap"]:
        return found.start("value") + 1, f"a blank is missing after the colon: write {pair}"
    if value and found["gap"].strip(" "):
        return found.start("gap") + 1, f"write an ordinary blank after the colon: {pair}"
    return None


def _of_value(found: re.Match[str]) -> tuple[int, str] | None:
    key, value, start = found["key"], found["value"].rstrip(), found.start("value") + 1
    if key not in FREE or value[:1] in ("'", '"'):  # in a text a # is meant as one
        value = _COMMENT.sub("", value)
    if value[:1] in ("'", '"'):
        return _of_quoted(key, value, start)
    if key in OF_MANY and value[:1] in ("{", "["):
        return _of_brackets(value, start)
    if re.match(r"[>|][+-]? ", value) and key != "when":
        return start, f"write the text on the line after {value[0]}, or in quotes without {value[0]}"
    if BEGINNINGS.match(value):
        if key == "when":
            return start, f"begin the condition with a name, as in cart.items > 0, not with {value[0]}"
        if key in NUMBERS:
            advice = numerals.number(value)
            return start, advice.reason if advice else f"{key} must be a number, such as 10 or 0.5"
        return start, f"put the text in quotes: it begins with {value[0]}{sample(key, value)}"
    if colon := re.search(r":(?=\s|$)", value):
        if key not in (*FREE, "when") and (another := re.search(r"(\w+):(?=\s|$)", value)) and another[1] in KEYS:
            return start + another.start(), f"write {another[1]} on a line of its own, below {key}"
        return start + colon.start(), f"put the text in quotes: it holds a colon{sample(key, value)}"
    if key in FREE and (mark := re.search(r"\s#", value)):
        return start + mark.start() + 1, f"put the text in quotes: it holds a #{sample(key, value)}"
    return None


def _of_quoted(key: str, value: str, start: int) -> tuple[int, str] | None:
    quote = value[0]
    whole = re.match(r"'(?:[^']|'')*'" if quote == "'" else r'"(?:[^"\\]|\\.)*"', value)
    if whole is None:
        other = f", not {value[-1]}" if value[-1] in "“”„’»«" else ""
        return start, f"the quote that opens here is not closed: write {quote} at the end of the text{other}"
    if whole.end() == len(value):
        return None
    if key == "when":
        return start, "put the whole condition in quotes, or nothing of it"
    within = value.endswith(quote) and not value[whole.end()].isspace()  # "say "yes" now", not "a" and "b"
    inner = value[1:-1] if within else value
    return start + whole.end(), f"put the whole text in quotes, other ones than in it{sample(key, inner)}"


def _of_brackets(value: str, start: int) -> tuple[int, str] | None:
    close = {"{": "}", "[": "]"}[value[0]]
    if close not in value:
        return start, f"the {value[0]} that opens here is not closed: write {close} at its end"
    return (start + value.index(";"), "write a comma instead of ;") if ";" in value else None


def sample(key: str, value: str) -> str:
    """The line as it should be, when it is short."""
    quote = next((quote for quote in ('"', "'") if quote not in value and "\\" not in value), "")
    return f": {key}: {quote}{value}{quote}" if quote and len(value) <= LONGEST_SHOWN else ""


def _unclosed_above(lines: list[str], at: int) -> Unreadable | None:
    """A quote that is open at the end of its line, with a key on the next."""
    for row in range(min(at, len(lines) - 1), -1, -1):
        found, below = _KEY.fullmatch(lines[row]), lines[row + 1 : row + 2]
        if found and found["value"][:1] in ("'", '"') and below and _begins_a_key(below[0]):
            fault = _of_quoted(found["key"], found["value"].rstrip(), found.start("value") + 1)
            if fault and fault[0] == found.start("value") + 1:
                return Unreadable(row + 1, *fault)
    return None


def _begins_a_key(line: str) -> bool:
    found = _KEY.fullmatch(line)
    return bool(found and found["key"] in KEYS and found["colon"] == ":")


def _crooked(lines: list[str], at: int) -> Unreadable | None:
    """A key that does not stand below the one above it."""
    above = _above(lines, at)
    if at >= len(lines) or above is None or not _begins_a_key(lines[at]) or not _begins_a_key(lines[above]):
        return None
    here, there = _KEY.fullmatch(lines[at]), _KEY.fullmatch(lines[above])
    if here is None or there is None or here.start("key") == there.start("key"):
        return None
    reason = f"begins {here.start('key')} characters from the left, {there['key']} above it {there.start('key')}"
    return Unreadable(
        at + 1, here.start("key") + 1, f"{here['key']} {reason}: write the keys of one rule below one another"
    )


def _other(error: yaml.MarkedYAMLError, at: int, column: int) -> Unreadable:
    problem, context = str(error.problem or error.context), str(error.context)
    begun = error.context_mark
    if begun and context == "while scanning a simple key":
        reason = "write a key with a colon, or more blanks before a line that belongs to the text above"
        return Unreadable(begun.line + 1, begun.column + 1, f"not YAML: {reason}")
    if begun and context == "while scanning a quoted scalar":
        return Unreadable(begun.line + 1, begun.column + 1, "the quote that opens here is not closed")
    if "'\\t'" in problem:
        return Unreadable(at + 1, column + 1, "write a blank instead of the tab")
    hints = {
        "while parsing a flow": "between braces and brackets put texts in quotes, and close what you opened",
        "while scanning a double-quoted": "write \\ twice, or put the text in single quotes",
        "None": "a text that holds a colon goes into quotes" if problem.startswith("mapping values") else "",
    }
    hint = next((f": {hint}" for begin, hint in hints.items() if hint and context.startswith(begin)), "")
    return Unreadable(at + 1, column + 1, f"not YAML: {problem}{hint}")
