"""What people write in a condition from the habit of spreadsheets, other languages and speech.

A condition is searched for slips only when it cannot be read, so what can be read never means anything else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from engine.rulebook.language import numerals, units
from engine.rulebook.language.numerals import MONEY, NUMERAL, PERCENT, UNIT, Advice
from engine.rulebook.language.quotes import takes_texts, texts
from engine.state.catalogue import BY_NAME

NAME = r"(?<![\w.])[A-Za-z_][\w.]*+"
QUOTES = "\"'`´“”„‟‘’‚«»‹›"
OPERATORS = {
    "=": "==", "===": "==", ":=": "==", "!==": "!=", "=!": "!=", "<>": "!=", "≠": "!=",
    "=>": ">=", "≥": ">=", "≧": ">=", "⩾": ">=", "=<": "<=", "≤": "<=", "≦": "<=", "⩽": "<=",
    "&&": "and", "&": "and", "∧": "and", "||": "or", "|": "or", "∨": "or", "!": "not", "~": "not", "¬": "not",
    "–": "-", "—": "-", "−": "-", "‐": "-", "‑": "-", "＞": ">", "＜": "<", "＝": "==",
    ">>": ">", "<<": "<",
    "&gt;": ">", "&lt;": "<", "&gt;=": ">=", "&lt;=": "<=", "&amp;": "and", "&amp;&amp;": "and",
    "×": "*", "·": "*", "÷": "/",
}  # fmt: skip
PURPOSE = {"==": "== to compare", "-": "- (of the keyboard)"}
MORE, LESS = "(?:greater|more|larger|higher|bigger)", "(?:less|fewer|smaller|lower)"
#: The longer ones first: the first that fits counts.
SPOKEN = {
    rf"(?:is\s+)?(?:{MORE}\s+than\s+or\s+equal\s+to|at\s+least)|mindestens": ">=",
    rf"(?:is\s+)?(?:{LESS}\s+than\s+or\s+equal\s+to|at\s+most)|höchstens": "<=",
    rf"(?:is\s+)?(?:{MORE}(?:\s+than)?|over|above)|gt|größer(?:\s+als)?": ">",
    rf"(?:is\s+)?(?:{LESS}(?:\s+than)?|under|below)|lt|kleiner(?:\s+als)?": "<",
    r"is\s+not(?:\s+equal\s+to)?|does\s+not\s+equal|not\s+equals?(?:\s+to)?|ist\s+nicht": "!=",
    r"is\s+equal\s+to|equals?(?:\s+to)?|is|eq|gleich|ist": "==",
    r"und": "and",
    r"oder": "or",
}  # fmt: skip
DAYS = (
    "monday|mon|montag|mo",
    "tuesday|tues?|dienstag|di",
    "wednesday|wed|mittwoch|mi",
    "thursday|thurs?|donnerstag|do",
    "friday|fri|freitag|fr",
    "saturday|sat|samstag|sonnabend|sa",
    "sunday|sun|sonntag|so",
)
FEATURES = {re.sub("[._]", "", name): name for name in BY_NAME}


class Slip(NamedTuple):
    """Characters `start` to `end` of a condition, what belongs there, and a sentence that says so."""

    start: int
    end: int
    instead: str
    reason: str


Found = re.Match[str]
Rule = tuple[str, Callable[[Found], Advice]]


def _operator(found: Found) -> Advice:
    written = "".join(found[0].split())
    right = OPERATORS.get(written, written)
    blanks = f" {right} " if right.isalpha() else right
    return Advice(blanks, f"write {PURPOSE.get(right, right)} instead of {found[0]}")


def _spoken(found: Found) -> Advice:
    right = next(right for spoken, right in SPOKEN.items() if re.fullmatch(spoken, found[0], re.IGNORECASE))
    return Advice(right, f"write {right} instead of {' '.join(found[0].split())}")


def _feature(found: Found) -> Advice:
    if found[0].isidentifier():  # may be an indicator
        return Advice(found[0], "")
    return _write(FEATURES[re.sub("[ ._-]", "", found[0].lower())])


def _capitals(found: Found) -> Advice:
    return Advice(found[0].lower(), f"write {found[0].lower()} in small letters")


def _between(found: Found) -> Advice:
    name, low, high = found.groups()
    return _write(f"{low} <= {name} <= {high}")


def _alone(found: Found) -> Advice:
    negated = ("not" in found[2].lower() or "!" in found[2]) is (found[3].lower() in ("true", "yes"))
    return _write(f"not {found[1]}" if negated else found[1], " alone")


def _sum(found: Found) -> Advice:
    first = units.NUMBER.match(found.string, found.start())
    if first and re.search(r"(?:and|und)\b", found.string[first.end() : found.start(3)]):
        return Advice(found[0], "")  # a number with its unit, and another comparison
    hours, minutes = numerals.duration(found[1], found[2]), numerals.duration(found[3], found[4] or "min")
    return _write(f"{hours.instead} + {minutes.instead}")


def _day(found: Found) -> Advice:
    number = next(i for i, names in enumerate(DAYS) if re.fullmatch(names, found[0], re.IGNORECASE))
    return _write(str(number), f" for {found[0]}")


def _quoted(found: Found) -> Advice:
    inside = found[0].strip(QUOTES)
    if takes_texts(found.string):  # of which a text may be asked
        straight = f'"{inside}"' if inside else '"'
        return Advice(straight, f"write {straight}, with straight quotes")
    return Advice(inside, f"write {inside} without quotes" if inside else "write names and numbers without quotes")


def _version(found: Found) -> Advice:
    if not takes_texts(found.string):
        return Advice(found[0], "")
    return _write(f'"{found[0]}"', ", in quotes, for a version")


def _date(found: Found) -> Advice:
    return Advice("0", "dates cannot be compared, only now.weekday and now.hour")


def _clock(found: Found) -> Advice:
    hour = int(found[1]) % 24
    if found[2]:
        hour = hour % 12 + (12 if found[2].lower().startswith("p") else 0)
    return Advice(str(hour), f"write {hour}, the hour alone, and compare it with now.hour")


def _write(instead: str, why: str = "") -> Advice:
    return Advice(instead, f"write {instead}{why}")


RANGE = r"(?:\.\.+|…|–|-|\bto\b|\bbis\b)"

#: In the order in which they are tried at a place.
RULES: tuple[Rule, ...] = (
    ("[\u00a0\u2002-\u200b\u202f\u205f\u3000\ufeff]", lambda found: Advice(" ", "write an ordinary blank here")),
    (rf"[{QUOTES}]({NAME}|{NUMERAL})?[{QUOTES}]|[{QUOTES}](?=\w)|(?<=\w)[{QUOTES}]", _quoted),
    (rf"\{{\s*({NAME})\s*\}}", lambda found: _write(found[1], " without braces")),
    (rf"\bin\s+({NUMERAL}(?:\s*,\s*{NUMERAL})+|[0-9]+(?:,[0-9]+)+)",
     lambda found: _write(f"in ({', '.join(found[1].replace(',', ' ').split())})")),
    (r"(?<![\w.])[0-9]+(?:\.[0-9]+){2,3}(?![\w.])", _version),
    (r"(?<![\w.])(?:[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{2,4})(?![\w.])", _date),
    (r"\b(and|or|und|oder)(?:\s+(?:and|or|und|oder))+\b", lambda found: _write(found[1].lower(), " once")),
    (r"(?<=\s)(and|or|und|oder)\s*$",
     lambda found: Advice("", f"leave {found[1]} away, or write another comparison after it")),
    (rf"({NAME})\s+(?:is\s+)?between\s+({NUMERAL})\s+and\s+({NUMERAL})", _between),
    (rf"({NAME})\s+in\s*(?:range)?[(\[]\s*({NUMERAL})\s*{RANGE}\s*({NUMERAL})\s*[)\]]", _between),
    (rf"({NAME})\s+in\s+({NUMERAL})\s*{RANGE}\s*({NUMERAL})", _between),
    (rf"({NAME})\s+in\s+range\s*\(\s*({NUMERAL}),\s*({NUMERAL})\s*\)", _between),
    (r"(?<![\w.])([a-z_]\w*)\s*(\bis\s+not\b|\bis\b|={1,3}|!=)\s*(true|false|yes|no)\b", _alone),
    (r"\b([0-9]{1,2})(?::[0-9]{2})?(?::[0-9]{2})?(?:\s*([ap]\.?m\b)|\s*Uhr\b|(?<=:[0-9]{2}))", _clock),
    (rf"({NUMERAL})\s*{PERCENT}(?!\s*(?!and\b|or\b)[\w(])", lambda found: numerals.percent(found[1])),
    (rf"{MONEY}\s*({NUMERAL})", lambda found: numerals.money(found[1])),
    (rf"({NUMERAL})\s*{MONEY}", lambda found: numerals.money(found[1])),
    (rf"({NUMERAL})\s*({UNIT})\s*(?:(?:and|und)\s+)?({NUMERAL})\s*({UNIT})?\b", _sum),
    (rf"({NUMERAL})\s*\*?\s*({UNIT})\b(?!\s*\()", lambda found: numerals.duration(found[1], found[2])),
    (rf"\b(minutes?|hours?|days?)\s+({NUMERAL})", lambda found: numerals.duration(found[2], found[1])),
    (rf"(?<![\w.])({NUMERAL})\s*k\b", lambda found: numerals.thousands(found[1])),
    (rf"(?<![\w.])({NUMERAL})\s*(?!(?:then|xor|and|or|not|in|und|oder)\b)[^\W\d_]+(?=\s*(?:$|[)&|]|(?:and|or|und|oder)\b))",
     lambda found: _write(numerals.point(found[1]).instead, ", the number alone")),
    (rf"(?<![\w.]){NUMERAL}", lambda found: numerals.point(found[0])),
    (r"(?<=[0-9])\s*;\s*(?=[0-9])", lambda found: Advice(", ", "write a comma between the numbers")),
    (r"\s*[,;]\s*$", lambda found: Advice("", f"leave {found[0].strip()} away")),
    (r"[$@](?=[a-z])", lambda found: Advice("", f"leave {found[0]} away")),
    (rf"(?:(?<=[=(,])|(?<=[=(,]\s))(?:{'|'.join(DAYS)})\b", _day),
    (r"(?<=[\w)])\s*[,;]\s*(?=[a-z(])", lambda found: Advice(" and ", "write and, or or, between two conditions")),
    (r"\b(?-i:AND|And|OR|Or|NOT|Not|IN|In)\b", _capitals),
    (r"^\s*(?:if|when|wenn)\s+|\s+then\s*$", lambda found: Advice(" ", f"leave {found[0].strip()} away")),
    (rf"(?<![\w.])(?:{'|'.join(re.sub('[._]', '[ ._-]', name) for name in BY_NAME)})(?![\w.])", _feature),
    (rf"(?<=[\w)]\s)(?:{'|'.join(SPOKEN)})(?=\s+[\w(\"'-])", _spoken),
    (r"\bnicht\b", lambda found: _write("not", " instead of nicht")),
    (r"&[gl]t;=?|(?:&amp;){1,2}|===|!==|<>|:=|=!|>>|<<|=\s*>|=\s*<|>\s+=|<\s+=|!\s+=|&&?|\|\|?|!(?!=)|(?<![<>=!])=(?!=)|[＞＜＝≠≥≧⩾≤≦⩽∧∨~¬–—−‐‑×·÷]",
     _operator),
)  # fmt: skip
_RULES = tuple((re.compile(pattern, re.IGNORECASE), advice) for pattern, advice in RULES)
_LIST = re.compile(r"\bin\s*(?=[(\[{])", re.IGNORECASE)


def find(text: str) -> list[Slip]:
    """The slips of a condition, in order, none within another.

    >>> [slip.reason for slip in find("cart.items = 0 && cart.value > 0,5")]
    ['write == to compare instead of =', 'write and instead of &&', 'write 0.5, with a point']
    """
    slips: list[Slip] = []
    for slip in sorted(_all(text), key=lambda slip: slip.start):  # at one place in the order of the rules
        if not slips or slip.start >= slips[-1].end:
            slips.append(slip)
    return slips


def _all(text: str) -> Iterator[Slip]:
    lists, quoted = list(_lists(text)), list(texts(text))
    for pattern, advice in _RULES:
        for found in pattern.finditer(text):
            instead, reason = advice(found)
            within = any(start <= found.start() < end for start, end in lists)
            if any(start <= found.start() < end for start, end in quoted):
                continue
            if (known := units.NUMBER.match(text, found.start())) and known.end() == found.end():
                continue
            if instead != found[0] and not (within and "," in found[0]):
                yield Slip(found.start(), found.end(), instead, reason)


def _lists(text: str) -> Iterator[tuple[int, int]]:
    """Where the lists after `in` are: their commas are none of a number."""
    for found in _LIST.finditer(text):
        depth, end = 0, found.end()
        for end in range(found.end(), len(text)):
            depth += (text[end] in "([{") - (text[end] in ")]}")
            if not depth:
                break
        yield found.end(), end


def repaired(text: str, slips: list[Slip]) -> tuple[str, Callable[[int], int]]:
    """The condition with what belongs there instead, and where an offset of that was in `text`."""
    parts: list[str] = []
    origin: list[int] = []
    end = 0
    for slip in (*slips, Slip(len(text), len(text), "", "")):
        parts += text[end : slip.start], slip.instead
        origin += [*range(end, slip.start), *[slip.start] * len(slip.instead)]
        end = slip.end
    return "".join(parts), lambda offset: origin[offset] if offset < len(origin) else len(text)
