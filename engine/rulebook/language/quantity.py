"""Numbers and times in a condition: arithmetic on constants, worked out while the rules are read."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import NamedTuple

from engine.rulebook.faults import shown, suggestion

ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
DURATIONS = {"seconds": 1.0, "minutes": 60.0, "hours": 3_600.0, "days": 86_400.0}
#: The units of the catalogue that are times.
UNIT_SECONDS = {"s": 1.0, "h": 3_600.0, "d": 86_400.0}


class Quantity(NamedTuple):
    """A number, or a time in seconds."""

    value: float
    is_time: bool


class Refused(Exception):
    """A part of an expression that cannot be."""

    def __init__(self, node: ast.expr, reason: str) -> None:
        super().__init__(reason)
        self.node = node
        self.reason = reason


#: No condition may name it.
CONSENT = "consent"


def dotted(node: ast.expr) -> str | None:
    """``a.b`` for a name or an attribute of a name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (front := dotted(node.value)):
        return f"{front}.{node.attr}"
    return None


def refuse_consent(node: ast.expr) -> None:
    """Raises `Refused` where a condition names consent: it lies beside the offer history, and no row has it."""
    name = dotted(node.func if isinstance(node, ast.Call) else node)
    if name is not None and name.partition(".")[0] == CONSENT:
        raise Refused(
            node,
            "consent is no feature: it is looked up where an offer is given. Leave it out, and let the offer name "
            "what it needs, as in purpose: marketing",
        )


def quantity(node: ast.expr) -> Quantity:
    """What a constant expression comes to; raises `Refused` when it is none or not finite."""
    found = _quantity(node)
    if not math.isfinite(found.value):
        raise Refused(node, "is not a finite number")
    return found


def _quantity(node: ast.expr) -> Quantity:
    if (
        isinstance(node, ast.Constant)
        and isinstance(node.value, (int, float))
        and not isinstance(node.value, bool)
    ):
        return Quantity(_float(node.value), False)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        value, is_time = quantity(node.operand)
        return Quantity(-value if isinstance(node.op, ast.USub) else value, is_time)
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        return _binary(node)
    if isinstance(node, ast.Call):
        return _duration(node)
    if isinstance(node, (ast.Name, ast.Attribute)):
        raise Refused(node, "arithmetic takes numbers only, no features")
    raise Refused(node, f"{word(node)} is no number")


def _binary(node: ast.BinOp) -> Quantity:
    (left, left_time), (right, right_time) = quantity(node.left), quantity(node.right)
    op = type(node.op)
    if op in (ast.Add, ast.Sub) and left_time != right_time:
        raise Refused(node, "adds a time and a plain number")
    if op is ast.Mult and left_time and right_time:
        raise Refused(node, "multiplies two times")
    if op is ast.Div and right_time and not left_time:
        raise Refused(node, "divides a number by a time")
    if op is ast.Div and right == 0:
        raise Refused(node, "divides by zero")
    is_time = left_time != right_time if op is ast.Div else left_time or right_time
    return Quantity(ARITHMETIC[op](left, right), is_time)


def _duration(node: ast.Call) -> Quantity:
    name = dotted(node.func)
    if not name:
        raise Refused(node, "no function: only seconds(n), minutes(n), hours(n) and days(n) can be called")
    if name not in DURATIONS:
        raise Refused(
            node, f"no function {shown(name)}{suggestion(name, DURATIONS)} (there are {', '.join(DURATIONS)})"
        )
    if len(node.args) != 1 or node.keywords:
        raise Refused(node, f"{name}(n) takes one number")
    value, is_time = quantity(node.args[0])
    if is_time:
        raise Refused(node.args[0], f"{name}(n) takes a plain number")
    return Quantity(value * DURATIONS[name], True)


def _float(number: int | float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def word(node: ast.expr) -> str:
    """What an operator would call a piece of Python that has no place here."""
    words: dict[type[ast.expr], str] = {
        ast.Call: "a call",
        ast.BinOp: "arithmetic with this operator",
        ast.Lambda: "a function",
        ast.IfExp: "if ... else",
        ast.NamedExpr: "an assignment",
        ast.Compare: "a comparison",
        ast.BoolOp: "and/or",
        ast.Subscript: "an index",
        ast.Constant: "this value",
    }
    return words.get(type(node), "this")
