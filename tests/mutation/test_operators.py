"""Each operator on a few words of source."""

from __future__ import annotations

import pytest

from tests.mutation.lua import lua_edits
from tests.mutation.mutant import Edit, mutants
from tests.mutation.operators import python_edits


def changed(text: str, edits: list[Edit], operator: str) -> set[str]:
    """The sources that the operator's edits make of `text`."""
    data = text.encode()
    made = mutants("some/file", data, edits)
    return {mutant.source(data).decode() for mutant in made if mutant.edit.operator == operator}


def python(text: str, operator: str) -> set[str]:
    return changed(text, list(python_edits(text.encode())), operator)


def lua(text: str, operator: str) -> set[str]:
    return changed(text, list(lua_edits(text.encode())), operator)


PYTHON = [
    ("comparison", "a < b", {"a >= b"}),
    ("comparison", "a <= b != c", {"a > b != c", "a <= b == c"}),
    ("comparison", "(a) is not (b)", {"(a) is (b)"}),
    ("comparison", "a not in b", {"a in b"}),
    ("boundary", "a < b", {"a <= b"}),
    ("boundary", "0 <= a < b", {"0 < a < b", "0 <= a <= b"}),
    ("boundary", "a == b", set()),
    ("constant", "a = 3", {"a = 4", "a = 2"}),
    ("constant", "a = 0xFF", {"a = 0x100", "a = 0xfe"}),
    ("constant", "a = 1.5", {"a = 2.5"}),
    ("constant", "a = True", {"a = False"}),
    ("constant", "a = 'text'", set()),
    ("constant", "a: Wide[3]", set()),
    ("constant", "class C(Base, frozen=True): ...", set()),
    ("constant", "@cached(3)\ndef f() -> None: ...", set()),
    ("constant", "raise ValueError(f'more than {x:3} of {5}', 7)", set()),
    ("arithmetic", "a + b * c", {"a - b * c", "a + b / c"}),
    ("arithmetic", "a // b", {"a * b"}),
    ("arithmetic", "a << 3 | b", {"a >> 3 | b", "a << 3 & b"}),
    ("arithmetic", "a += b", {"a -= b"}),
    ("arithmetic", "a = -b", {"a = (b)"}),
    ("arithmetic", "a + 'text'", set()),
    ("boolean", "a and b and c", {"a or b and c", "a and b or c"}),
    ("boolean", "not a", {"(a)"}),
    ("boolean", "x if a else y", {"x if (not (a)) else y"}),
    ("boolean", "[x for x in y if x.good]", {"[x for x in y if (not (x.good))]"}),
    ("boolean", "while a < b: f()", set()),
    ("call", "min(a, b)", {"max(a, b)"}),
    ("call", "all(a)", {"any(a)"}),
    ("call", "abs(a - b)", {"(a - b)"}),
    ("swapped", "f(a, b, c=d)", {"f(b, a, c=d)"}),
    ("swapped", "f(a, a)", set()),
    ("swapped", "f(*a, b)", set()),
    ("swapped", "max(a, b)", set()),
    ("dropped", "def f():\n    g()\n    return 1", {"def f():\n    pass\n    return 1"}),
    ("dropped", "def f(a):\n    a.b = 1", {"def f(a):\n    pass"}),
    ("dropped", "def f(a):\n    a[0] += 1", {"def f(a):\n    pass"}),
    ("dropped", "def f(a):\n    b = 1\n    b = a", {"def f(a):\n    b = 1\n    pass"}),
    ("dropped", "def f(a):\n    if a: return", {"def f(a):\n    if a: pass"}),
    ("dropped", "def f(a):\n    if a: raise E", {"def f(a):\n    if a: pass"}),
    ("dropped", "class C:\n    def __init__(self):\n        self.a = 1", set()),
    ("dropped", 'def f():\n    """g()"""', set()),
    ("dropped", "import a", set()),
]

LUA = [
    ("comparison", "if a >= b then", {"if a < b then"}),
    ("comparison", "if a ~= '==' then", {"if a == '==' then"}),
    ("boundary", "if a < b then", {"if a <= b then"}),
    ("constant", "local a = 32 -- not 33", {"local a = 33 -- not 33", "local a = 31 -- not 33"}),
    ("arithmetic", "return a - 'b-c' + -d", {"return a + 'b-c' + -d", "return a - 'b-c' - -d"}),
    ("boolean", "return not a and true", {"return  a and true", "return not a or true", "return not a and false"}),
    ("boolean", "-- and\n[[ or ]]", set()),
    ("dropped", "  redis.call('SET', key, value)\n", {"  \n"}),
    ("dropped", "  if a then return false end\n", {"  \n"}),
    ("dropped", "  given[#given + 1] = at\n", {"  \n"}),
    ("dropped", "  local a = 1\n  return a\n", set()),
    ("dropped", "  a = f(\n    b)\n", set()),
]


@pytest.mark.parametrize(("operator", "text", "expected"), PYTHON)
def test_an_operator_changes_python(operator: str, text: str, expected: set[str]) -> None:
    assert python(text, operator) == expected


@pytest.mark.parametrize(("operator", "text", "expected"), LUA)
def test_an_operator_changes_lua(operator: str, text: str, expected: set[str]) -> None:
    assert lua(text, operator) == expected


def test_a_lua_script_in_a_module_is_changed_as_lua() -> None:
    text = 'GUARD = """\nif a == b then redis.call(c) end\n"""\nOTHER = "a == b"\n'
    assert python(text, "comparison") == {text.replace("if a == b", "if a ~= b")}


def test_bytes_before_the_change_may_be_of_any_width() -> None:
    assert python("a = 'größer' if b < c else d", "boundary") == {"a = 'größer' if b <= c else d"}


def test_a_mutant_keeps_its_name_when_lines_are_added_before_it() -> None:
    text = "def f(a):\n    return a < 1\n"
    moved = f"import os\n\n\n{text}"

    def names(source: str) -> list[str]:
        return [mutant.id for mutant in mutants("x.py", source.encode(), python_edits(source.encode()))]

    assert names(text) == names(moved)
    assert len(set(names(text))) == len(names(text)) > 0
    assert not set(names(text)) & set(names(text.replace("def f", "def g")))


def test_the_same_words_twice_are_two_mutants() -> None:
    text = b"def f(a):\n    return a < 1 and a < 1\n"
    made = [mutant for mutant in mutants("x.py", text, python_edits(text)) if mutant.edit.operator == "boundary"]
    assert len({mutant.id for mutant in made}) == 2


def test_a_diff_names_the_file_and_the_line() -> None:
    text = b"a = 1\nb = a < 2\n"
    mutant = next(m for m in mutants("x.py", text, python_edits(text)) if m.edit.operator == "boundary")
    assert mutant.line == 2
    assert mutant.diff(text).splitlines()[2:] == ["@@ -1,2 +1,2 @@", " a = 1", "-b = a < 2", "+b = a <= 2"]
