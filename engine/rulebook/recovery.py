"""The rest of a file that is not YAML in one place: the text without the rule that is to blame."""

from __future__ import annotations

import re

_MEMBER = re.compile(r"( *)[-•·–—*](?=[ \w]|$)")
_SECTION = re.compile(r"[^\s#-]")
_OTHER_BREAKS = re.compile("\r(?!\n)|[\x85\u2028\u2029]")


def without_rule(text: str, line: int) -> str | None:
    """`text` with blanks in place of the rule that `line` (from 1) belongs to, so that all else stays where it is;
    None where it belongs to none.

    >>> without_rule("offers:\\n- id: a\\n  say: b: c\\n- id: d\\n", 3)
    'offers:\\n       \\n           \\n- id: d\\n'
    """
    lines = text.split("\n")
    if _OTHER_BREAKS.search(text) or not 0 < line <= len(lines):
        return None
    first, last = _section(lines, line - 1)
    members = [(row, len(found[1])) for row in range(first, last) if (found := _MEMBER.match(lines[row]))]
    least = min((indent for _, indent in members), default=0)
    starts = [row for row, indent in members if indent == least]
    begin = max((row for row in starts if row < line), default=None)
    if begin is None:
        return None
    end = min((row for row in starts if row >= line), default=last)
    lines[begin:end] = [re.sub(r"[^\r]", " ", one) for one in lines[begin:end]]
    return "\n".join(lines)


def _section(lines: list[str], row: int) -> tuple[int, int]:
    """The rows of the list that `row` stands in: from behind ``offers:`` to before the next such key."""
    heads = [number for number, one in enumerate(lines) if _SECTION.match(one)]
    return max((head + 1 for head in heads if head <= row), default=0), min(
        (head for head in heads if head > row), default=len(lines)
    )
