"""Stream `clues`: what operators and the bank's app see of a party before and while it pays."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from models.ledgers.clues import ACTIVE, CLUE_FACT, CLUES, GRADED, STRANGE, UNPROVED
from pipelines.kafka.port import Chunk
from pipelines.policy import Policy
from pipelines.streams.clock import Window
from pipelines.streams.grades import grades
from pipelines.streams.iso20022 import tokens_of
from pipelines.streams.stream import Decoded, Facts, Stream, refusal, unreadable
from pipelines.streams.subscriptions import Subscription, followed
from schemas import clue, topics
from schemas.clue import Clue
from schemas.contract import UNREADABLE
from schemas.dead_letter import DeadLetter
from schemas.rows import Rows, plain_json
from schemas.rows.plain_json import Column, plan
from schemas.rows.tokens import token_words
from schemas.rows.values import Values
from schemas.units import MINUTE_US

#: From this grade on a number counts as a scammer's.
GRADED_FROM = 2

#: A clue of ours or of an operator; no longer one is read.
VALUE_BYTES_MAX = 16_384

#: What came so long after it happened is counted: what was paid in between did not know it.
LATE_US = 10 * MINUTE_US

#: A clue of our own as its message states it.
_STATED = np.dtype(
    [
        ("party", "u8", 2), ("counterparty", "u8", 2), ("at_us", "i8"), ("duration_s", "u4"), ("kind", "u1"),
        ("said", "u1"), ("attestation", "u1"), ("grade", "u1"),
    ],
    align=True,
)  # fmt: skip
_ACTIVE, _KNOWN, _OVERSEAS = 1, 2, 4
_BITS = {"active": _ACTIVE, "known": _KNOWN, "overseas": _OVERSEAS}
_COLUMNS = {name: Column(name) for name in _STATED.names or () if name in Clue.__struct_fields__} | {
    name: Column("said", bit) for name, bit in _BITS.items()
}
_PLAN = plan(Clue, _STATED, _COLUMNS, clue.OF_EVENTS)
_PROVES_NOTHING = clue.ATTESTATIONS.index("C")

_PLACES = {kind: place for place, kind in enumerate(clue.KINDS)}
_LOG = logging.getLogger(__name__)


def clue_facts(found: Sequence[Clue]) -> Rows:
    """Return clues as CLUE_FACT[n]."""
    rows = np.zeros(len(found), CLUE_FACT)
    if not found:
        return rows
    rows["key"] = token_words([each.party for each in found])
    rows["at_us"] = [each.at_us for each in found]
    rows["kind"] = [_PLACES[each.kind] for each in found]
    rows["duration_s"] = [each.duration_s for each in found]
    rows["flags"] = [
        ACTIVE * each.active
        | STRANGE * (each.overseas or not each.known)
        | GRADED * (each.grade >= GRADED_FROM)
        | UNPROVED * (each.attestation == "C")
        for each in found
    ]
    named = np.flatnonzero([bool(each.counterparty) for each in found])
    if len(named):
        rows["counterparty"][named] = token_words([found[row].counterparty for row in named.tolist()])[:, 1]
    return rows


def plain_clues(values: Values) -> tuple[Rows, NDArray[np.bool_]]:
    """Decode our own clues among messages that are plain JSON, CLUE_FACT[n]; tell which those are."""
    stated, plain = plain_json.read(_PLAN, values, _STATED)
    rows = np.zeros(len(stated), CLUE_FACT)
    rows["key"], rows["counterparty"] = stated["party"], stated["counterparty"][:, 1]
    for name in ("at_us", "kind", "duration_s"):
        rows[name] = stated[name]
    said = stated["said"]
    rows["flags"] = (
        ACTIVE * (said & _ACTIVE > 0)
        | STRANGE * (said & (_KNOWN | _OVERSEAS) != _KNOWN)
        | GRADED * (stated["grade"] >= GRADED_FROM)
        | UNPROVED * (stated["attestation"] == _PROVES_NOTHING)
    )
    return rows, plain


def saying_nothing(values: Values) -> NDArray[np.bool_]:
    """Tell which clues of ours are worth no warning by themselves: of an ungraded number, no forwarding."""
    stated, plain = plain_json.read(_PLAN, values, _STATED)
    found: NDArray[np.bool_] = plain & (stated["grade"] == 0) & (stated["kind"] != _PLACES["FORWARDING"])
    return found


@dataclass(frozen=True)
class ClueReading:
    """How messages become clues.

    `subscriptions` is the file that says whose an operator's are, `keys` that of the secrets which numbers in
    clear become tokens with.
    """

    subscriptions: str = ""
    keys: str = ""
    epoch: str = ""

    def __call__(self, chunk: Chunk, _: Policy, window: Window) -> Decoded:
        """Read a chunk; a number that was graded meanwhile counts, whatever the clue says of it."""
        rows, plain = chunk.ahead.result() if chunk.ahead else plain_clues(chunk.values)
        plain &= chunk.values.sizes() <= VALUE_BYTES_MAX
        letters, ended = self._read_fully(chunk, rows, plain)
        places = np.flatnonzero(plain)
        rows = rows.take(places)
        own = window._replace(received_us=window.received_us[places])
        untrue = own.too_old(rows["at_us"]) | own.too_new(rows["at_us"])
        for row in np.flatnonzero(untrue).tolist():
            if fault := own.fault(row, int(rows["at_us"][row]), "at_us"):
                letters.append(refusal(chunk, int(places[row]), *fault))
        late = int(np.count_nonzero(own.received_us - rows["at_us"] > LATE_US))
        graded = grades().of(rows["counterparty"], own.received_us) >= GRADED_FROM
        rows["flags"] |= np.where(graded, GRADED, 0).astype(np.uint8)
        if untrue.any():
            rows = rows[~untrue]
        if ended:
            _LOG.warning("%s subscriptions to clues ended; renew them with the operator", ended)
        counts = {"clues": len(rows), "clues_late": late, "clue_subscriptions_ended": ended}
        return Decoded([rows], letters, counts)

    def _read_fully(self, chunk: Chunk, rows: Rows, read: NDArray[np.bool_]) -> tuple[list[DeadLetter], int]:
        """Read the messages not `read` into `rows`, and note which were; count subscriptions that ended."""
        places = np.flatnonzero(~read).tolist()
        if not places:
            return [], 0
        known = followed(self.subscriptions)
        parties = {name: each.party for name, each in known.items()} if known else {}
        tokens = tokens_of(self.keys, self.epoch)
        number_token = partial(tokens, "PHONE") if tokens else None
        found, letters, ended = dict[int, Clue](), list[DeadLetter](), 0
        for place in places:
            value = chunk.values[place]
            try:
                if len(value) > VALUE_BYTES_MAX:
                    raise OverflowError(f"Longer than {VALUE_BYTES_MAX} bytes")
                each = clue.read(value, parties, number_token)
            except UNREADABLE as error:
                letters.append(unreadable(chunk, place, error))
                continue
            if each is None:
                ended += clue.ended(value)
            else:
                found[place] = each
        if found:
            rows[list(found)] = clue_facts(list(found.values()))
            read[list(found)] = True
        return letters, ended


CLUES_STREAM = Stream(
    topics.CLUES, "SINCE", (Facts(CLUE_FACT, "payers", fold=CLUES),), ClueReading(), plain_clues
)


def subscribed(streams: Sequence[Stream], file: str, keys: str = "", epoch: str = "") -> tuple[Stream, ...]:
    """Return streams whose clues are read with a file of subscriptions, and of secrets for tokens.

    Raises:
        ConfigError: the file cannot be used.

    """
    followed(file)
    reading = ClueReading(file, keys, epoch)
    return tuple(each._replace(decode=reading) if each.topic == topics.CLUES else each for each in streams)


def subscriptions_of(streams: Sequence[Stream]) -> dict[str, Subscription]:
    """Return the subscriptions that the clues among streams are read with, as they stand."""
    readings = (each.decode for each in streams if isinstance(each.decode, ClueReading))
    return {name: each for reading in readings for name, each in followed(reading.subscriptions).items()}
