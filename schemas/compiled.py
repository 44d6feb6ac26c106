"""Compile a loop over numpy arrays to machine code, once per installation where the disk allows it."""

from collections.abc import Callable
from typing import TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., object])


def compiled(loop: F) -> F:
    """Compile `loop` with numba at its first call, without the interpreter lock.

    The machine code is kept beside the source or in the user's cache, which saves seconds at every start; a
    read-only installation without either compiles anew in each process.
    """
    try:
        fast: F = njit(nogil=True, cache=True)(loop)
    except RuntimeError:
        fast = njit(nogil=True)(loop)
    return fast


def inlined(part: F) -> F:
    """Compile `part` into the loops that call it: a call that hands over arrays costs 10 ns."""
    fast: F = njit(nogil=True, forceinline=True)(part)
    return fast
