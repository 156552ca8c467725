"""What may be changed in a Lua script: comparisons, bounds, constants, booleans, arithmetic, statements."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from tests.mutation.mutant import Edit

_TOKEN = re.compile(
    rb"""(?P<skip>\A\#![^\n]*|--\[\[.*?\]\]|--[^\n]*|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|\[\[.*?\]\])
    |(?P<word>[A-Za-z_]\w*)
    |(?P<number>\d+)
    |(?P<sign>\.\.\.?|==|~=|<=|>=|[-+*/%<>=\#(){}\[\],;:.])""",
    re.DOTALL | re.VERBOSE,
)
FLIPPED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "~=", "~=": "=="}
SHIFTED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "*"}
WORDS = {"and": "or", "or": "and", "true": "false", "false": "true", "not": ""}
#: Behind one of these a minus is a sign.
OPENING = {
    "(",
    "{",
    "[",
    ",",
    "=",
    "==",
    "~=",
    "<",
    ">",
    "<=",
    ">=",
    "return",
    "and",
    "or",
    "not",
    "",
    *ARITHMETIC,
}
_FUNCTION = re.compile(rb"^local function (\w+)", re.MULTILINE)
#: Statements of one line that can be left out: calls that write, assignments, guards.
_STATEMENT = re.compile(
    rb"^[ \t]+(?P<statement>redis\.call\([^\n]*\)|table\.\w+\([^\n]*\)|[\w.\[\]#+ ]+ = [^\n]*[^{\n,]"
    rb"|if [^\n]* then [^\n]* end|if [^\n]* then return end)[ \t]*$",
    re.MULTILINE,
)


def lua_edits(text: bytes) -> Iterator[Edit]:
    """Every edit of the script `text`."""
    for edit in (*_token_edits(text), *_dropped(text)):
        yield replace(edit, where=_function_at(text, edit.start))


def _token_edits(text: bytes) -> Iterator[Edit]:
    before = ""
    for token in _TOKEN.finditer(text):
        if token["skip"]:
            before = "text"
            continue
        word = token[0].decode()
        yield from _edits_of(token, word, before)
        before = word


def _edits_of(token: re.Match[bytes], word: str, before: str) -> Iterator[Edit]:
    def edit(replacement: str, operator: str) -> Edit:
        return Edit(token.start(), token.end(), replacement, operator)

    if word in FLIPPED:
        yield edit(FLIPPED[word], "comparison")
    if word in SHIFTED:
        yield edit(SHIFTED[word], "boundary")
    if word in ARITHMETIC and before not in OPENING:
        yield edit(ARITHMETIC[word], "arithmetic")
    if word in WORDS:
        yield edit(WORDS[word], "boolean")
    if token["number"]:
        yield edit(str(int(word) + 1), "constant")
        yield edit(str(int(word) - 1), "constant")


def _dropped(text: bytes) -> Iterator[Edit]:
    for found in _STATEMENT.finditer(text):
        statement = found["statement"]
        if not statement.startswith((b"local ", b"if not ")) and statement.count(b"(") == statement.count(b")"):
            yield Edit(found.start("statement"), found.end("statement"), "", "dropped")


def _function_at(text: bytes, place: int) -> str:
    names = [found[1].decode() for found in _FUNCTION.finditer(text) if found.start() <= place]
    return names[-1] if names else ""
