"""What may be changed in Python source: comparisons, bounds, constants, statements, arguments, arithmetic.

Every operator is a function (source, node, place) -> edits. Left alone are texts (messages, log lines, format
strings), annotations, decorators and a class's options, and what could only fail by name: a slip that any call
of the function would show proves nothing about its tests.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tests.mutation.lua import lua_edits
from tests.mutation.mutant import Edit

COMPARISON = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.Is: "is",
    ast.IsNot: "is not",
}
FLIPPED = {
    "<": ">=",
    "<=": ">",
    ">": "<=",
    ">=": "<",
    "==": "!=",
    "!=": "==",
    "in": "not in",
    "not in": "in",
    "is": "is not",
    "is not": "is",
}
SHIFTED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "//"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.BitXor: ("^", "|"),
}
CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}
#: The order of their arguments means nothing, or is a matter of types alone.
UNORDERED = {"min", "max", "isinstance", "issubclass", "cast", "getattr", "abs"}


@dataclass(frozen=True)
class Place:
    """Where a node stands: its function's name in full, and that function (None: the module or a class)."""

    name: str
    function: ast.FunctionDef | ast.AsyncFunctionDef | None


class Source:
    """A module's text (UTF-8) and its syntax tree."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.tree = ast.parse(text)
        self._starts = [0]
        for line in text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def start(self, node: ast.expr | ast.stmt) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._starts[node.end_lineno - 1] + node.end_col_offset

    def of(self, node: ast.expr | ast.stmt) -> str:
        """The node's own text."""
        return self.text[self.start(node) : self.end(node)].decode()

    def edit(self, node: ast.expr | ast.stmt, replacement: str, operator: str) -> Edit:
        return Edit(self.start(node), self.end(node), replacement, operator)

    def between(self, left: ast.expr, right: ast.expr, old: str, new: str, operator: str) -> Iterator[Edit]:
        """The operator `old` that stands between two operands becomes `new`."""
        low = self.end(left)
        at = self.text.find(old.encode(), low, self.start(right))
        if at >= 0:
            yield Edit(at, at + len(old.encode()), new, operator)


Operator = Callable[[Source, ast.AST, Place], Iterator[Edit]]


def python_edits(text: bytes) -> Iterator[Edit]:
    """Every edit of the module `text`, with those of the Lua scripts it holds."""
    source = Source(text)
    for node, place in _walk(source.tree, Place("", None)):
        for operator in OPERATORS:
            for edit in operator(source, node, place):
                yield replace(edit, where=place.name)
    yield from _embedded(source)


def comparisons(source: Source, node: ast.AST, place: Place) -> Iterator[Edit]:
    """``<`` to ``>=`` and, one value further, to ``<=``."""
    if not isinstance(node, ast.Compare):
        return
    operands = [node.left, *node.comparators]
    for left, right, kind in zip(operands, operands[1:], node.ops, strict=False):
        word = COMPARISON[type(kind)]
        yield from source.between(left, right, word, FLIPPED[word], "comparison")
        if word in SHIFTED:
            yield from source.between(left, right, word, SHIFTED[word], "boundary")


def constants(source: Source, node: ast.AST, place: Place) -> Iterator[Edit]:
    """A whole number one more and one less, a float one more, True to False."""
    if not isinstance(node, ast.Constant):
        return
    if isinstance(node.value, bool):
        yield source.edit(node, str(not node.value), "constant")
    elif isinstance(node.value, int):
        for value in (node.value + 1, node.value - 1):
            written = hex(value) if source.of(node).lower().startswith("0x") and value >= 0 else str(value)
            yield source.edit(node, written, "constant")
    elif isinstance(node.value, float):
        yield source.edit(node, repr(node.value + 1.0), "constant")


def arithmetic(source: Source, node: ast.AST, place: Place) -> Iterator[Edit]:
    """``+`` to ``-`` and the like, also in ``+=``; not where text is joined."""
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        old, new = ARITHMETIC[type(node.op)]
        if not any(map(_is_text, (node.left, node.right))):
            yield from source.between(node.left, node.right, old, new, "arithmetic")
    elif isinstance(node, ast.AugAssign) and type(node.op) in ARITHMETIC and not _is_text(node.value):
        old, new = ARITHMETIC[type(node.op)]
        yield from source.between(node.target, node.value, f"{old}=", f"{new}=", "arithmetic")
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield source.edit(node, f"({source.of(node.operand)})", "arithmetic")


def booleans(source: Source, node: ast.AST, place: Place) -> Iterator[Edit]:
    """``and`` to ``or``, ``not x`` to ``x``, and a bare condition to its opposite."""
    if isinstance(node, ast.BoolOp):
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            yield from source.between(left, right, old, new, "boolean")
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield source.edit(node, f"({source.of(node.operand)})", "boolean")
    elif isinstance(node, ast.If | ast.While | ast.IfExp) and not _has_own_edits(node.test):
        yield source.edit(node.test, f"(not ({source.of(node.test)}))", "boolean")
    elif isinstance(node, ast.comprehension):
        for test in node.ifs:
            if not _has_own_edits(test):
                yield source.edit(test, f"(not ({source.of(test)}))", "boolean")


def calls(source: Source, node: ast.AST, place: Place) -> Iterator[Edit]:
    """Two neighbouring arguments swapped; ``min`` to ``max``, ``any`` to ``all``, ``abs(x)`` to ``x``."""
    if not isinstance(node, ast.Call):
        return
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name in CALLED:
        yield source.edit(node.func, CALLED[name], "call")
    if name == "abs":
        yield source.edit(node, f"({source.of(node.args[0])})", "call")
    if name in UNORDERED:
        return
    for left, right in zip(node.args, node.args[1:], strict=False):
        if not isinstance(left, ast.Starred) and not isinstance(right, ast.Starred):
            yield from _swapped(source, left, right)


def dropped(source: Source, node: ast.AST, place: Place) -> Iterator[Edit]:
    """A statement that does something, left out."""
    if isinstance(node, ast.stmt) and place.function is not None and _may_drop(node, place.function):
        yield source.edit(node, "pass", "dropped")


OPERATORS: tuple[Operator, ...] = (comparisons, constants, arithmetic, booleans, calls, dropped)


def _embedded(source: Source) -> Iterator[Edit]:
    """Edits of the Lua scripts that stand as constants in a module."""
    text = source.text
    for statement in source.tree.body:
        if isinstance(statement, ast.Assign) and _is_lua(statement.value):
            low, high = source.start(statement.value), source.end(statement.value)
            quotes = 3 if text[low:high].startswith((b'"""', b"'''")) else 1
            name = source.of(statement.targets[0])
            for edit in lua_edits(text[low + quotes : high - quotes]):
                start = low + quotes
                yield replace(edit, start=edit.start + start, end=edit.end + start, where=name)


def _is_lua(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and "redis.call(" in node.value


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    )


def _has_own_edits(test: ast.expr) -> bool:
    """Whether another operator changes the condition itself."""
    return isinstance(test, ast.Compare | ast.BoolOp | ast.NamedExpr) or (
        isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
    )


def _swapped(source: Source, left: ast.expr, right: ast.expr) -> Iterator[Edit]:
    first, second = source.of(left), source.of(right)
    if first != second:
        gap = source.text[source.end(left) : source.start(right)].decode()
        yield Edit(source.start(left), source.end(right), f"{second}{gap}{first}", "swapped")


def _may_drop(node: ast.stmt, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call | ast.Await | ast.Yield | ast.YieldFrom)
    if isinstance(node, ast.Return):
        return node not in function.body
    if isinstance(node, ast.Assign):
        return all(_is_changed(target, node, function) for target in node.targets)
    return isinstance(node, ast.AugAssign | ast.Raise | ast.Continue | ast.Break | ast.Delete)


def _is_changed(target: ast.expr, node: ast.Assign, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether the target held something before: without that, leaving it out fails by name wherever it runs."""
    if isinstance(target, ast.Attribute | ast.Subscript):
        return function.name != "__init__"
    if not isinstance(target, ast.Name):
        return False
    parameters = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
    earlier = {
        name.id
        for name in ast.walk(function)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store) and name.lineno < node.lineno
    }
    return target.id in parameters | earlier


def _walk(node: ast.AST, place: Place) -> Iterator[tuple[ast.AST, Place]]:
    """The nodes that may be changed, each with its place."""
    yield node, place
    for child in _children(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _walk(child, Place(f"{place.name}.{child.name}".lstrip("."), child))
        elif isinstance(child, ast.ClassDef):
            yield from _walk(child, Place(f"{place.name}.{child.name}".lstrip("."), None))
        else:
            yield from _walk(child, place)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    left_alone: set[int] = set()
    if isinstance(node, ast.Raise):
        return
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        left_alone = set(map(id, node.decorator_list))
    declared = ("bases", "keywords") if isinstance(node, ast.ClassDef) else ("annotation", "returns")
    for name, value in ast.iter_fields(node):
        if name in declared:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and id(child) not in left_alone and not _is_left_alone(child):
                yield child


def _is_left_alone(node: ast.AST) -> bool:
    if isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.If):
        return ast.unparse(node.test) in ("TYPE_CHECKING", "__name__ == '__main__'")
    if isinstance(node, ast.Call):
        return ast.unparse(node.func).startswith(("log.", "TypeVar"))
    return isinstance(node, ast.arguments) and not (node.defaults or any(node.kw_defaults))
