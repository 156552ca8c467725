"""The names of numba that are not public and that engine.kernels leans on. Fails when one moves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numba.core import config
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.errors import NumbaError
from numba.core.registry import cpu_target
from numba.core.serialize import dumps
from numpy.typing import NDArray

from engine.kernels import cache
from engine.kernels.cache import KernelCache
from engine.kernels.hash_set import add_new
from engine.kernels.jit import kernel, scalar, specialised
from engine.kernels.prefetch import LINE, prefetch


def test_a_dispatcher_asks_the_cache_that_is_put_on_it() -> None:
    asked: list[str] = []

    class Asked(KernelCache):
        def load_overload(self, sig: object, target_context: object) -> None:
            asked.append("load")

        def save_overload(self, sig: object, data: object) -> None:
            asked.append("save")

    dispatcher = numba.njit(lambda x: x + 1)
    dispatcher._cache = Asked(dispatcher.py_func)
    assert (dispatcher(1), dispatcher(2)) == (2, 3)
    assert asked == ["load", "save"]
    assert sum(dispatcher.stats.cache_misses.values()) == 1


def test_a_cache_has_no_other_duties() -> None:
    assert _Cache.__abstractmethods__ == {
        "cache_path",
        "load_overload",
        "save_overload",
        "enable",
        "disable",
        "flush",
    }


def test_a_compiled_function_goes_to_bytes_and_back() -> None:
    dispatcher = numba.njit(lambda x: x * 2)
    assert dispatcher(21) == 42
    (result,) = dispatcher.overloads.values()
    assert dumps(result._reduce())  # type: ignore[no-untyped-call]
    assert not result.library.has_dynamic_globals
    assert callable(CompileResult._rebuild)


def test_the_processor_is_platform_name_and_features() -> None:
    platform, name, features = cache._processor()
    assert platform
    assert name
    assert features.startswith(("+", "-"))
    cpu_target.target_context.refresh()


def test_the_options_exist() -> None:
    assert [name for name in (*cache._OPTIONS, "CACHE_DIR") if not hasattr(config, name)] == []


def test_a_kernel_is_kept_and_a_function_of_elsewhere_is_not() -> None:
    add_new(np.ones(1, np.uint64), np.zeros(2, np.uint64), np.zeros(1, np.int64), np.zeros(1, np.int32))
    assert isinstance(add_new._cache, KernelCache)  # type: ignore[attr-defined]
    assert not isinstance(kernel(_elsewhere)._cache, KernelCache)  # type: ignore[attr-defined]
    assert Path(cache.__file__).parent == cache.FOLDER


def test_a_kernel_counts_no_references_to_arrays() -> None:
    array = np.ones(3)
    before = sys.getrefcount(array)
    outer = kernel(_hands_on)
    assert [outer(array) for _ in range(3)] == [3.0, 3.0, 3.0]
    assert sys.getrefcount(array) == before
    assert "NRT_" not in next(iter(outer.inspect_llvm().values()))  # type: ignore[attr-defined]


def test_a_kernel_that_makes_an_array_does_not_compile() -> None:
    with pytest.raises(NumbaError, match="Only accept returning of array passed"):
        kernel(_makes_an_array)(1)


def test_a_kernel_that_a_kernel_calls_is_compiled_as_a_part_of_it_alone() -> None:
    inner: Any = kernel(_doubles)
    middle: Any = kernel(lambda x: inner(x) + inner(x + 1))
    outer: Any = kernel(lambda x: middle(x) + inner(x))
    assert outer(20) == 122
    assert not inner.overloads
    assert not middle.overloads
    assert _functions_of(outer) == 2  # itself, and what the interpreter calls


def test_a_part_can_be_called_from_python_as_well() -> None:
    inner: Any = kernel(_doubles)
    outer: Any = kernel(lambda x: inner(x) + 1)
    assert (outer(3), inner(4), outer(5.0), inner(0.5)) == (7, 8, 11.0, 1.0)
    assert len(inner.overloads) == 2


def test_a_part_is_compiled_once_for_all_numbers_written_in_a_call() -> None:
    inner: Any = kernel(lambda x, y: x + y)
    outer: Any = kernel(lambda x: inner(x, 1) + inner(2, x) + inner(x, x))
    assert outer(3) == 15
    assert len(inner.as_part(False).overloads) == 1


@pytest.mark.parametrize("first", ["inlined", "plain"])
def test_what_an_inlined_part_calls_is_inlined_there_alone(first: str) -> None:
    """By force, and whichever caller is compiled first."""
    inner: Any = kernel(_doubles)
    inlined: Any = specialised(lambda x: inner(x))
    plain: Any = kernel(lambda x: inner(x))
    one, other = (inlined, plain) if first == "inlined" else (plain, inlined)
    outer: Any = kernel(lambda x: one(x) + other(x))
    assert outer(3) == 12
    assert [_is_forced(inner.as_part(forced)) for forced in (True, False)] == [True, False]


def test_a_part_is_compiled_anew_for_a_record_that_begins_alike() -> None:
    short, long = np.dtype([("a", "i8")]), np.dtype([("a", "i8"), ("b", "i8")])
    inner: Any = kernel(lambda row: row.a + 1)
    outer: Any = kernel(lambda rows: inner(rows[0]))
    assert [outer(np.zeros(1, layout)) for layout in (short, long)] == [1, 1]


@pytest.mark.parametrize(("make", "at_once"), [(kernel, True), (scalar, False)])
def test_loops_work_on_several_values_at_once_where_that_is_meant(make: Any, at_once: bool) -> None:
    summed = make(_summed)
    assert summed(np.arange(100)) == 4950
    assert (" x i64>" in next(iter(summed.inspect_llvm().values()))) == at_once


def test_what_a_part_of_a_part_needs_of_numba_is_linked_as_well() -> None:
    largest: Any = kernel(lambda array: array.argmax() + np.searchsorted(array, 2.0))
    once_more: Any = kernel(lambda array: largest(array))
    outer: Any = kernel(lambda array: once_more(array))
    assert outer(np.array([1.0, 3.0, 5.0])) == 3


def _is_forced(part: Any) -> bool:
    (written,) = part.inspect_llvm().values()
    return "alwaysinline" in str(written)


def _functions_of(dispatcher: Any) -> int:
    """How many are in its machine code."""
    (assembly,) = dispatcher.inspect_asm().values()
    return str(assembly).count(",@function")


def _summed(values: NDArray[np.int64]) -> int:
    total = 0
    for value in values:
        total += value
    return total


def _doubles(x: float) -> float:
    return x * 2


def _elsewhere(x: int) -> int:
    return x


@kernel
def _first(array: NDArray[np.float64]) -> float:
    found: float = array[0]
    return found


def _hands_on(array: NDArray[np.float64]) -> float:
    total: float = _first(array) + array[1] + array[2]
    return total


def _makes_an_array(size: int) -> int:
    return len(np.zeros(size))


def _ask(records: NDArray[np.void], place: int, byte: int) -> None:
    prefetch(records, place, byte)


@pytest.mark.parametrize("place", [0, 2, 3, -1, 1 << 40])
def test_a_kernel_asks_for_memory_and_nothing_changes(place: int) -> None:
    """It may be asked for memory that is not the records'."""
    records = np.zeros(3, np.dtype([("a", "u8"), ("b", "u8")]))
    ask: Any = numba.njit(_ask)
    ask(records, place, LINE)
    assert not records.tobytes().strip(b"\0")
    assert "prefetch" in next(iter(ask.inspect_asm().values()))
