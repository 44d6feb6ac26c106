"""Stream `payments`: transfers as they are initiated, TRANSFER rows for the ledger of their payers."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from pipelines.kafka.port import Chunk
from pipelines.policy import Policy
from pipelines.state.shards import Rows
from pipelines.streams.clock import Window
from pipelines.streams.stream import UNREADABLE, Decoded, Facts, Stream, refusal, unreadable
from schemas import topics
from schemas.dead_letter import DeadLetter
from schemas.payment import STATUSES
from schemas.rows.transfers import TRANSFER, full_transfers, plain_transfers
from schemas.units import DAY_US

#: No payment is larger; a longer value is refused, and never parsed as a tree.
VALUE_BYTES_MAX = 16_384

#: Optional times, which may lie decades back; before 1971 they are of another unit.
_TIMES = ("payee_added_at_us", "creditor_opened_at_us", "limit_changed_at_us")
_TIME_MIN_US = 365 * DAY_US

_INITIATED = STATUSES.index("INITIATED")

Places = NDArray[np.int64]


def decode(
    chunk: Chunk, policy: Policy, window: Window, *, as_sent: bool = False
) -> tuple[Rows, list[DeadLetter], Counter[str]]:
    """Decode a chunk: TRANSFER rows in message order, and a dead letter for every message without a row.

    The third are optional fields by name that were as if absent, as they broke the contract or are times that
    cannot be true; `as_sent` leaves those as they are.
    """
    softened: Counter[str] = Counter()
    letters: list[DeadLetter] = []
    rows, plain = chunk.ahead.result() if chunk.ahead else plain_transfers(chunk.values)
    plain &= chunk.values.sizes() <= VALUE_BYTES_MAX
    decoded = np.ones(len(rows), np.bool_)
    decoded[_decode_fully(chunk, np.flatnonzero(~plain), rows, letters, softened)] = False
    rows["partition"], rows["offset"] = chunk.partitions, chunk.offsets
    rows["received_us"] = window.received_us
    if not as_sent:
        softened += _untrue_as_absent(rows, decoded, window)
    unknown = decoded & np.isnan(policy.value(rows))
    untrue = (window.too_old(rows["at_us"]) | window.too_new(rows["at_us"])) & decoded & ~unknown
    for place in np.flatnonzero(unknown).tolist():
        letters.append(refusal(chunk, place, "UNKNOWN_CURRENCY", "No rate - at `$.currency`"))
    for place in np.flatnonzero(untrue).tolist():
        if fault := window.fault(place, int(rows["at_us"][place]), "accepted_at_us"):
            letters.append(refusal(chunk, place, *fault))
    kept = rows.take(np.flatnonzero(decoded & ~(unknown | untrue))) if letters else rows
    return kept, letters, softened


def _untrue_as_absent(rows: Rows, decoded: NDArray[np.bool_], window: Window) -> Counter[str]:
    """Make optional times that cannot be true unknown; return how many of each there were."""
    found: Counter[str] = Counter()
    for name in _TIMES:
        stated = rows[name]
        untrue = decoded & (stated >= 0) & ((stated < _TIME_MIN_US) | window.too_new(stated))
        if untrue.any():
            stated[untrue] = -1
            found[name] += int(np.count_nonzero(untrue))
    return found


def _decode_fully(
    chunk: Chunk, places: Places, rows: Rows, letters: list[DeadLetter], softened: Counter[str]
) -> list[int]:
    """Decode the messages at `places` into `rows`, with a letter for each refused; return where those are.

    Messages that fail together are halved until those at fault stand alone.
    """
    if not len(places):
        return []
    values = [chunk.values[place] for place in places.tolist()]
    try:
        if max(map(len, values)) > VALUE_BYTES_MAX:
            raise OverflowError(f"Longer than {VALUE_BYTES_MAX} bytes")
        rows[places], found = full_transfers(values)
        softened.update(found)
    except UNREADABLE as error:
        if len(places) > 1:
            halves = np.array_split(places, 2)
            return [place for half in halves for place in _decode_fully(chunk, half, rows, letters, softened)]
        letters.append(unreadable(chunk, int(places[0]), error))
        return [int(places[0])]
    return []


def initiated(chunk: Chunk, policy: Policy, window: Window) -> Decoded:
    """Decode a chunk; payments that are not INITIATED are counted and go no further."""
    rows, letters, softened = decode(chunk, policy, window)
    given = len(rows)
    if (rows["status"] != _INITIATED).any():
        rows = rows.take(np.flatnonzero(rows["status"] == _INITIATED))
    counts = {"payments": len(rows), "payments_not_initiated": given - len(rows)}
    counts |= {f"{name}_as_absent": times for name, times in softened.items()}
    return Decoded([rows], letters, counts)


PAYMENTS = Stream(
    topics.PAYMENTS, "SINCE", (Facts(TRANSFER, "payers", ("debtor",)),), initiated, plain_transfers
)
