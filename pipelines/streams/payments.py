"""Stream `payments`: transfers as they are initiated, TRANSFER rows for the ledger of their payers."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.kafka.port import Chunk
from pipelines.policy import Policy
from pipelines.streams.clock import Window, placed
from pipelines.streams.iso20022 import tokens_of, transfers
from pipelines.streams.stream import Decoded, Facts, Stream, refusal, unreadable
from schemas import topics
from schemas.contract import UNREADABLE
from schemas.dead_letter import DeadLetter, ErrorCode
from schemas.iso20022.document import Element, is_xml
from schemas.iso20022.transfers import Tokens
from schemas.payment import STATUSES
from schemas.rows import Rows
from schemas.rows.transfers import TRANSFER, full_transfers, plain_transfers
from schemas.units import DAY_US

#: No payment is larger; a longer value is refused, and never parsed as a tree.
VALUE_BYTES_MAX = 16_384

#: Optional times, which may lie decades back; before 1971 they are of another unit.
_TIMES = ("payee_added_at_us", "creditor_opened_at_us", "limit_changed_at_us")
_TIME_MIN_US = 365 * DAY_US

#: Three bytes that a currency can be.
_OF_ISO_4217 = re.compile(rb"[A-Z]{3}").fullmatch
_NO_RATE: tuple[ErrorCode, str] = "UNKNOWN_CURRENCY", "No rate"
_NO_CURRENCY: tuple[ErrorCode, str] = "INVALID", "Currencies are upper case ISO 4217"

_INITIATED = STATUSES.index("INITIATED")

Places = NDArray[np.int64]


def decode(
    chunk: Chunk, policy: Policy, window: Window, tokens: Tokens | None = None, *, as_sent: bool = False
) -> tuple[Rows, list[DeadLetter], Counter[str]]:
    """Decode a chunk: TRANSFER rows, and a dead letter for every message that has none or not all of its own.

    Messages are JSON, a payment each, or XML of ISO 20022, whose accounts become tokens by `tokens`.
    The third are optional fields by name that were as if absent, as they broke the contract or are times that
    cannot be true (`as_sent` leaves those as they are), and statuses that ISO 20022 tells of others.
    """
    counts: Counter[str] = Counter()
    letters: list[DeadLetter] = []
    rows, plain = chunk.ahead.result() if chunk.ahead else plain_transfers(chunk.values)
    plain &= chunk.values.sizes() <= VALUE_BYTES_MAX
    others = np.flatnonzero(~plain)
    xml = [place for place in others.tolist() if is_xml(chunk.values[place])]
    decoded = np.ones(len(rows), np.bool_)
    decoded[xml] = False
    decoded[_decode_fully(chunk, others[decoded[others]], rows, letters, counts)] = False
    places = np.arange(len(rows))
    elements: list[Mapping[str, Element]] = []
    if xml:
        found = transfers(chunk, xml, tokens, policy.law.timezone)
        rows = np.concatenate((found.rows, rows[decoded]))
        places = np.concatenate((found.places, places[decoded]))
        elements, letters = found.elements, [*found.letters, *letters]
        counts.update(found.told)
        decoded = np.ones(len(rows), np.bool_)
    rows["partition"], rows["offset"] = chunk.partitions[places], chunk.offsets[places]
    if chunk.traces is not None:
        rows["traceparent"] = chunk.traces[places]
    received = window._replace(received_us=window.received_us[places])
    rows["received_us"] = received.received_us
    if not as_sent:
        counts += _untrue_as_absent(rows, decoded, received)
    unknown = decoded & np.isnan(policy.value(rows))
    untrue = (received.too_old(rows["at_us"]) | received.too_new(rows["at_us"])) & decoded & ~unknown

    def field(row: int, name: str) -> str:
        return elements[row][name].path if row < len(elements) else name

    for row in np.flatnonzero(unknown).tolist():
        code, said = _NO_RATE if _OF_ISO_4217(rows["currency"][row]) else _NO_CURRENCY
        said += f" - at `{placed(field(row, 'currency'))}`"
        letters.append(refusal(chunk, int(places[row]), code, said))
    for row in np.flatnonzero(untrue).tolist():
        if fault := received.fault(row, int(rows["at_us"][row]), field(row, "accepted_at_us")):
            letters.append(refusal(chunk, int(places[row]), *fault))
    kept = rows.take(np.flatnonzero(decoded & ~(unknown | untrue))) if letters or xml else rows
    return kept, one_each(letters) if xml else letters, counts


def one_each(letters: Iterable[DeadLetter]) -> list[DeadLetter]:
    """Return the first letter of each message: of several transactions in one more than one may be wrong."""
    first: dict[str, DeadLetter] = {}
    for letter in letters:
        first.setdefault(letter.dead_letter_id, letter)
    return list(first.values())


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


@dataclass(frozen=True)
class Reading:
    """How messages of the topic become payments; `keys` is the file of secrets tokens are made with.

    Payments that are not INITIATED, and what is said of earlier ones, are counted and go no further.
    """

    keys: str = ""
    epoch: str = ""

    def __call__(self, chunk: Chunk, policy: Policy, window: Window) -> Decoded:
        """Decode a chunk."""
        rows, letters, others = decode(chunk, policy, window, tokens_of(self.keys, self.epoch))
        given = len(rows)
        if (rows["status"] != _INITIATED).any():
            rows = rows.take(np.flatnonzero(rows["status"] == _INITIATED))
        told = sum(others.pop(status, 0) for status in STATUSES)
        counts = {"payments": len(rows), "payments_not_initiated": given - len(rows) + told}
        counts |= {f"{name}_as_absent": times for name, times in others.items()}
        return Decoded([rows], letters, counts)


PAYMENTS = Stream(
    topics.PAYMENTS, "SINCE", (Facts(TRANSFER, "payers", ("debtor",)),), Reading(), plain_transfers
)


def payments_among(streams: Sequence[Stream]) -> Stream:
    """Return the stream of payments among others, whatever its topic is called."""
    return next((stream for stream in streams if stream.facts == PAYMENTS.facts), PAYMENTS)


def read_as(streams: Sequence[Stream], topic: str, reading: Reading) -> tuple[Stream, ...]:
    """Return streams whose payments come on `topic`, unless it is "", and are read by `reading`."""
    mine = payments_among(streams)
    other = mine._replace(topic=topic or mine.topic, decode=reading)
    return tuple(other if stream is mine else stream for stream in streams)
