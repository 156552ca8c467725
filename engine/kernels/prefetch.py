"""Asking for memory ahead of its use, so that the processor need not wait for it."""

from __future__ import annotations

from typing import Any

from numba import config, types
from numba.core.cgutils import ir  # type: ignore[attr-defined]
from numba.extending import intrinsic

LINE = 64  # bytes of the processor's caches

#: To be read, to be kept in all caches, and no code.
_HOW = (0, 3, 1)


def _prefetch(_: Any, records: Any, place: Any, byte: Any) -> Any:
    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, place, byte = arguments
        of = signature.args[0]
        start = context.make_array(of)(context, builder, array).data
        number, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        offset = builder.add(builder.mul(place, ir.Constant(place.type, of.dtype.size)), byte)
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        ask = builder.module.declare_intrinsic("llvm.prefetch", (pointer,), kind)
        builder.call(ask, [builder.gep(builder.bitcast(start, pointer), [offset]), *(number(how) for how in _HOW)])
        return context.get_dummy_value()

    return types.void(records, types.int64, types.int64), lowered


def _nothing(records: Any, place: int, byte: int) -> None:
    """Where kernels are plain Python (NUMBA_DISABLE_JIT)."""


#: ``prefetch(records, place, byte)``: ask for the cache line of ``records[place]``, whose records lie one behind
#: the other, at the offset `byte`. It changes nothing, and may name what does not exist.
prefetch: Any = _nothing if config.DISABLE_JIT else intrinsic(_prefetch)  # type: ignore[attr-defined]
