"""Compile a loop over numpy arrays to machine code, once per installation where the disk allows it."""

from collections.abc import Callable
from typing import Any, TypeVar

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

F = TypeVar("F", bound=Callable[..., object])


def compiled(loop: F, *signature: Any) -> F:
    """Compile `loop` with numba without the interpreter lock: now for a signature, else at its first call.

    The machine code is kept beside the source or in the user's cache, which saves seconds at every start; a
    read-only installation without either compiles anew in each process.
    """
    try:
        fast: F = njit(*signature, nogil=True, cache=True)(loop)
    except RuntimeError:
        fast = njit(*signature, nogil=True)(loop)
    return fast


def inlined(part: F) -> F:
    """Compile `part` into the loops that call it: a call that hands over arrays costs 10 ns."""
    fast: F = njit(nogil=True, forceinline=True)(part)
    return fast


@intrinsic  # type: ignore[untyped-decorator]
def word_at(_: Any, octets: Any, place: Any) -> Any:
    """Return eight octets of compiled code's uint8[n] as one word, wherever they begin, the first lowest.

    Nothing checks that they are there.
    """

    def load(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        at = builder.gep(data, [arguments[1]])
        word = builder.load(builder.bitcast(at, ir.IntType(64).as_pointer()))
        word.align = 1
        return word

    return types.uint64(octets, place), load


@intrinsic  # type: ignore[untyped-decorator]
def fetch(_: Any, rows: Any, place: Any) -> Any:
    """Have row `place` of compiled code's contiguous rows brought near from memory; nothing waits for it."""
    line, octet, number = 64, ir.IntType(8).as_pointer(), ir.IntType(32)

    def ask(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        row = builder.bitcast(builder.gep(data, [arguments[1]]), octet)
        fetched = ir.FunctionType(ir.VoidType(), [octet, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [octet], fetched)
        to_write, near, of_data = (ir.Constant(number, value) for value in (1, 3, 1))
        for start in range(0, rows.dtype.size, line):
            at = builder.gep(row, [ir.Constant(number, start)])
            builder.call(prefetch, [at, to_write, near, of_data])
        return context.get_dummy_value()

    return types.void(rows, place), ask


@intrinsic  # type: ignore[untyped-decorator]
def near(_: Any, address: Any) -> Any:
    """Have the line of memory at an address brought near; nothing waits for it."""
    octet, number = ir.IntType(8).as_pointer(), ir.IntType(32)

    def ask(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        fetched = ir.FunctionType(ir.VoidType(), [octet, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [octet], fetched)
        to_read, close, of_data = (ir.Constant(number, value) for value in (0, 3, 1))
        builder.call(prefetch, [builder.inttoptr(arguments[0], octet), to_read, close, of_data])
        return context.get_dummy_value()

    return types.void(types.int64), ask
