"""Features of many legs at once: the columns asked for are compiled into one loop."""

import sys
import zlib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numba import from_dtype, types
from numpy.typing import NDArray

from models.features import legs as legs_module
from models.features.catalogue import CATALOGUE
from models.features.legs import ROW_TYPES, FloatArray, LegRow, Legs
from schemas.rows.compiled import compiled, inlined


def matrix(names: Iterable[str], legs: Legs, rows: NDArray[np.intp] | None = None) -> FloatArray:
    """Return features of `legs`, or of some of their `rows`, by name: float64[n, columns], column by column.

    Raises:
        KeyError: the catalogue lacks a name.

    """
    features = tuple(map(CATALOGUE.__getitem__, names))
    rows = np.arange(len(legs.value)) if rows is None else rows
    out = np.empty((len(rows), len(features)), order="F")
    if features:
        row_types = tuple(column.dtype for column in legs)
        _loop(row_types, *(each.compute for each in features))(*legs, rows, out.T)
    return out


def columns(X: FloatArray, held: Iterable[str], wanted: Iterable[str]) -> FloatArray:
    """Return the `wanted` columns of `X`, whose columns are `held`; one that is not there is nan."""
    held, wanted = tuple(held), tuple(wanted)
    if wanted == held[: len(wanted)]:
        return X[:, : len(wanted)]
    places = _places(held, wanted)
    found = X.T.take(places, axis=0)
    found[places < 0] = np.nan
    return found.T


@cache
def _places(held: tuple[str, ...], wanted: tuple[str, ...]) -> NDArray[np.intp]:
    """Return where each of the `wanted` is among the `held`, -1 where it is not."""
    return np.array([held.index(name) if name in held else -1 for name in wanted], np.intp)


def prepare(names: Iterable[str]) -> None:
    """Compile the loop of `matrix` for `names`, which takes seconds the first time."""
    nothing: Any = (np.empty(0, row) for row in ROW_TYPES)
    matrix(names, Legs(*nothing))


@cache
def _loop(row_types: tuple[np.dtype[Any], ...], *features: Callable[[LegRow], float]) -> Callable[..., None]:
    """Compile what fills float64[columns, n] from n rows of `Legs`, looking at each once.

    Compiled code cannot take one function after the other from a sequence, so its text is put together, a
    line a column. Its name tells what is kept of it on disk from the loops of other columns, and of other
    sources of theirs.
    """
    called = [each.__name__ for each in features]
    name = f"fill_{zlib.crc32(_sources(features), zlib.crc32(' '.join(called).encode())):08x}"
    lines = [
        f"def {name}({', '.join(Legs._fields)}, rows, out):",
        "    for at, row in enumerate(rows):",
        f"        leg = LegRow({', '.join(f'{column}[row]' for column in Legs._fields)})",
        *(f"        out[{place}, at] = {feature}(leg)" for place, feature in enumerate(called)),
    ]
    known: dict[str, Any] = dict(zip(called, map(inlined, features), strict=True))
    known |= {"__name__": __name__, "LegRow": LegRow}
    exec(compile("\n".join(lines), __file__, "exec"), known)
    loop: Callable[..., None] = known[name]
    return compiled(loop, _signature(row_types))


def _sources(features: Iterable[Callable[[LegRow], float]]) -> bytes:
    modules = {feature.__module__ for feature in features} | {legs_module.__name__}
    return b"".join(Path(sys.modules[name].__file__ or "").read_bytes() for name in sorted(modules))


def _signature(row_types: tuple[np.dtype[Any], ...]) -> Any:
    """Rows may lie apart and be read-only; one loop serves all."""
    arrays = (types.Array(from_dtype(row), 1, "A", readonly=True) for row in row_types)
    return types.void(*arrays, types.intp[::1], types.Array(types.float64, 2, "C"))
