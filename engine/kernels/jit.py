"""The one place that chooses the compiler's flags."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, TypeVar, cast

import numba
from numba.core.targetconfig import ConfigStack

from engine.kernels.cache import cached
from engine.kernels.linking import EntryCompiler, PartCompiler, ScalarEntryCompiler

F = TypeVar("F", bound=Callable[..., object])

#: ``error_model="numpy"``: a division by zero gives inf or NaN, as in the arrays around it. ``_nrt=False``: arrays
#: are not counted as references. Whoever calls holds them, and a kernel that made one would not compile; counted,
#: each call of one kernel by another cost two locked instructions an array, 0.5 µs of 2.2 an event in all.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
#: What Python calls, and what kernels call: that needs no wrapper by which the interpreter does.
_ENTRY: dict[str, Any] = {"pipeline_class": EntryCompiler, "no_cfunc_wrapper": True}
_SCALAR: dict[str, Any] = {**_ENTRY, "pipeline_class": ScalarEntryCompiler}
_PART: dict[str, Any] = {"pipeline_class": PartCompiler, "no_cfunc_wrapper": True, "no_cpython_wrapper": True}


def _compiled(function: Any, inline: bool | None = None, as_entry: dict[str, Any] = _ENTRY) -> Any:
    """`function` as an entry where Python calls it, and as a part where a kernel does: inlined by force if it is
    to be, None: if its caller is."""
    entry = numba.njit(**_OPTIONS, **as_entry)(function)
    if hasattr(entry, "get_overload"):  # not without the compiler (NUMBA_DISABLE_JIT)
        entry.as_part = cache(lambda forced: numba.njit(**_OPTIONS, **_PART, forceinline=forced)(function))
        part = partial(_chosen, entry.as_part, inline)
        entry.get_call_template = lambda arguments, named: _typed(part(), arguments, named)
        entry.get_overload = lambda types: part().get_overload(types)
    return entry


def _chosen(as_part: Callable[[bool], Any], inline: bool | None) -> Any:
    return as_part(_is_inlined() if inline is None else inline)


def _is_inlined() -> bool:
    """Whether what is being compiled is inlined by force, and so what it calls. numba would let the first caller
    decide that for all: a join with everything inlined that applies events took a third of a first start."""
    flags = ConfigStack.top_or_none()
    return flags is not None and bool(flags.forceinline)


def _typed(part: Any, arguments: tuple[Any, ...], named: Any) -> Any:
    """A part for these types and no others: compiled anew neither for each number that is written in a call, nor
    taken as it is for a record that begins alike."""
    arguments = tuple(map(numba.types.unliteral, arguments))
    template, parameters, arguments, named = part.get_call_template(arguments, named)
    template.cases = [part.overloads[tuple(arguments)].signature]
    return template, parameters, arguments, named


def kernel(function: F) -> F:
    """Compile `function` to machine code, which runs without the interpreter lock.

    Where Python calls it, by itself, and kept on disk (`engine.kernels.cache`); where a kernel calls it, as a part
    of that one (`engine.kernels.linking`).
    """
    return cast(F, cached(_compiled(function)))


def scalar(function: F) -> F:
    """Like `kernel`, without loops that work on several values at once: for those that work on rows, whose loops
    are short. With them code was twice as large, longer compiled and no faster: 0.67 µs to read all features, not
    0.60. Where rows are packed and unpacked they help: 1.13 µs, not 1.30.
    """
    return cast(F, cached(_compiled(function, as_entry=_SCALAR)))


def specialised(function: F) -> F:
    """Compile `function`, which was made for one line of a table, as a part of the kernels that call it.

    It is not kept on disk by itself, where those made for the other lines would take its name. Inlined by
    force, since the compiler alone left calls that made features cost 0.18 µs to read, not 0.08.
    """
    return cast(F, _compiled(function, inline=True))


@specialised
def _nothing(*arguments):
    pass


def in_turn(*steps: Any, inline: bool = True) -> Any:
    """A kernel part that calls `steps`, compiled functions of the same arguments, one after the other: a loop over
    a table that is unrolled before it is compiled, by fours, for each level is compiled as well. Where it is not
    `inline`, steps stay functions of their own."""
    while len(steps) > 4:
        steps = tuple(in_turn(*steps[i : i + 4], inline=inline) for i in range(0, len(steps), 4))
    if len(steps) == 1:
        return steps[0]
    first, second, third, fourth = (*steps, _nothing, _nothing)[:4]

    def call(*arguments):
        first(*arguments)
        second(*arguments)
        third(*arguments)
        fourth(*arguments)

    return _compiled(call, inline)


def inlined(function: F) -> F:
    """Like `kernel`, but numba copies the body into every kernel that calls it.

    For small hot kernels that take many arrays: to hand `match` its program costs 9 ns of 42.
    """
    compiled = numba.njit(**_OPTIONS, inline="always")(function)
    return cast(F, cached(compiled))
