"""What is logged of a leg: identity, score, outcome, weight, models, registry, and every feature computed.

Every leg that was flagged, by the shadow model too, is kept, of the others those of a fixed share of payee
accounts, with a weight that makes up for the rest.
"""

import math
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models import features
from models.features import FloatArray
from pipelines.hot.serving import Computed, Scored
from pipelines.state.shards import event_order
from schemas.alert import Leg
from schemas.rows.compiled import compiled

#: Bits of a payee token that decide whether its ordinary legs are kept.
_SHARE_BITS = 1 << 20

COLUMNS = [
    ("txn_id", pa.string()), ("leg", pa.string()), ("at_us", pa.int64()), ("amount_minor", pa.int64()),
    ("currency", pa.string()), ("score", pa.float64()), ("outcome", pa.int8()), ("weight", pa.float64()),
    ("model", pa.string()), ("model_outcome", pa.int8()),
    ("shadow", pa.string()), ("shadow_score", pa.float64()), ("shadow_outcome", pa.int8()),
    ("lists", pa.uint32()),
]  # fmt: skip

#: What is told, or put in order by, of a payment.
_TOLD = ("txn_id", "at_us", "amount_minor", "currency", "lists", "partition", "offset")

#: A block's first letter says whose legs it holds.
LEGS: dict[bytes, Leg] = {b"C": "CREDIT", b"D": "DEBIT"}

#: What tells a feature's version, in the metadata of its column.
VERSION = "version"

#: Letters of a digest that name a model.
_MODEL_LETTERS = 12


def schema(leg: Leg) -> pa.Schema:
    """Return the columns of a leg's log: identity, score, outcome, weight, models, then all its features.

    `outcome` is what was decided, `model_outcome` and `shadow_outcome` what the scores alone ask for, `lists`
    the version of the registry that was looked up (alerts carry it in hexadecimal), 0 if none was. A
    feature's column tells its version.
    """
    return _schema(tuple(features.versions(leg.lower()).items()))


@cache
def _schema(versions: tuple[tuple[str, int], ...]) -> pa.Schema:
    logged = (pa.field(name, pa.float64(), metadata={VERSION: str(version)}) for name, version in versions)
    return pa.schema([*COLUMNS, *logged])


def block(
    computed: Computed,
    scored: tuple[Scored, Scored | None],
    *,
    outcome: NDArray[np.int64],
    share: float,
) -> bytes:
    """Return the legs to keep as the letter of the leg and an Arrow IPC message, or `b""` if there are none.

    `scored` is what the live model and the shadow model, if there is one, say of the legs.
    """
    leg, legs = computed.leg, computed.legs
    live, shadow = scored
    flagged = (outcome > 0) | (live.outcome > 0)
    if shadow is not None:
        flagged |= shadow.outcome > 0
    bits = legs.transfer["creditor_account"][:, 1] & np.uint64(_SHARE_BITS - 1)
    chosen = bits < np.uint64(math.ceil(share * _SHARE_BITS))
    kept = np.flatnonzero(chosen | flagged)
    if not len(kept):
        return b""
    transfer = {name: legs.transfer[name][kept] for name in _TOLD}
    order = event_order(transfer)
    transfer, kept = {name: column[order] for name, column in transfer.items()}, kept[order]
    weight = np.where(flagged[kept], 1.0, 1 / share if share else 1.0)
    columns: list[Any] = [
        _texts(transfer["txn_id"]), pa.repeat(leg, len(kept)), transfer["at_us"], transfer["amount_minor"],
        _texts(transfer["currency"]), live.score[kept], outcome[kept].astype(np.int8), weight,
        pa.repeat(live.model[:_MODEL_LETTERS], len(kept)), live.outcome[kept].astype(np.int8),
        *_shadow_columns(shadow, kept),
        transfer["lists"],
    ]  # fmt: skip
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, kind)
        for column, (_, kind) in zip(columns, COLUMNS, strict=True)
    ]
    arrays += _doubles(computed.whole(kept).T)
    told = _schema(tuple(computed.catalogue.items()))
    message: bytes = pa.record_batch(arrays, schema=told).serialize().to_pybytes()
    return leg[0].encode() + message


def _texts(column: NDArray[np.bytes_]) -> pa.Array:
    width = column.itemsize
    octets = np.ascontiguousarray(column).view(np.uint8).reshape(len(column), width)
    ends = np.zeros(len(column) + 1, np.int32)
    text = np.empty(len(column) * width, np.uint8)
    _packed(octets, ends, text)
    return pa.Array.from_buffers(
        pa.string(), len(column), [None, pa.py_buffer(ends), pa.py_buffer(text[: ends[-1]])]
    )


@compiled
def _packed(octets: NDArray[np.uint8], ends: NDArray[np.int32], text: NDArray[np.uint8]) -> None:
    """Write words, uint8[n, width] that zeros fill up, one behind the other, and where each ends."""
    end = 0
    for row in range(len(octets)):
        size = octets.shape[1]
        while size > 0 and octets[row, size - 1] == 0:
            size -= 1
        for place in range(size):
            text[end + place] = octets[row, place]
        end += size
        ends[row + 1] = end


def _doubles(columns: FloatArray) -> list[pa.Array]:
    """Return float64[columns, n] as an array a column, where it lies."""
    whole, size = pa.py_buffer(np.ascontiguousarray(columns)), columns.shape[1]
    return [
        pa.Array.from_buffers(pa.float64(), size, [None, whole.slice(place * 8 * size, 8 * size)])
        for place in range(len(columns))
    ]


def _shadow_columns(shadow: Scored | None, kept: NDArray[np.int64]) -> list[Any]:
    if shadow is None:
        return [pa.nulls(len(kept), kind) for kind in (pa.string(), pa.float64(), pa.int8())]
    name = pa.repeat(shadow.model[:_MODEL_LETTERS], len(kept))
    return [name, shadow.score[kept], shadow.outcome[kept].astype(np.int8)]
