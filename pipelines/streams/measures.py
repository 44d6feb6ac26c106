"""Stream `measures`: the journal of the legal engine, of which two things matter here.

What an account's measures forbid is kept in the accounts' ledger, what orders state of tainted money in that
of taint.
"""

import msgspec
import numpy as np

from measures.in_force import Enforcement, read_enforcement
from measures.money.taint import statements
from models.ledgers.enforcement import ENFORCEMENT, NOTHING_LEAVES, STATEMENTS
from pipelines.kafka.port import Chunk
from pipelines.policy import Policy
from pipelines.streams import moves
from pipelines.streams.clock import Window
from pipelines.streams.stream import Decoded, Facts, Stream, each
from schemas import topics
from schemas.dead_letter import DeadLetter
from schemas.journal import JournalEntry
from schemas.rows import Rows
from schemas.rows.tokens import token_words

#: A measure without an end, microseconds UTC.
FOREVER = np.iinfo(np.int64).max

_OF_MONEY = (b'"type":"measure"', b'"type":"reported"')
_ENTRY = msgspec.json.Decoder(JournalEntry)


def enforcements(chunk: Chunk, window: Window) -> tuple[Rows, list[DeadLetter]]:
    """Read what a chunk forbids: ENFORCEMENT rows, a dead letter for every unreadable message."""

    def read(value: bytes) -> list[Rows]:
        stated = read_enforcement(value)
        return [] if stated is None else [_row(stated)]

    return each(chunk, ENFORCEMENT, read, window, "events")


def _row(stated: Enforcement) -> Rows:
    rows = np.zeros(1, ENFORCEMENT)
    limit = NOTHING_LEAVES if stated.limit_minor is None else stated.limit_minor
    rows["key"], rows["version"] = token_words([stated.account_token]), stated.version
    rows["limit_minor"] = limit if stated.in_force else 0
    rows["at_us"] = stated.from_us
    rows["until_us"] = FOREVER if stated.until_us is None else stated.until_us
    return rows


def stated_moves(value: bytes) -> list[Rows]:
    """Read what an entry states of tainted money, as MOVE rows."""
    if not any(mark in value for mark in _OF_MONEY):
        return []
    return [moves.rows_of(statements(_ENTRY.decode(value)))]


def decode(chunk: Chunk, _: Policy, window: Window) -> Decoded:
    """Read both; a message that neither can read is one dead letter."""
    kept = window.long_ago()  # a journal is for ever, also where it was sealed anew
    stated, letters = enforcements(chunk, kept)
    moved, more = each(chunk, moves.MOVE, stated_moves, kept, "events")
    by_id = {letter.dead_letter_id: letter for letter in (*more, *letters)}
    return Decoded([stated, moved], list(by_id.values()))


MEASURES = Stream(
    topics.MEASURES,
    "WHOLE",
    (Facts(ENFORCEMENT, "accounts", fold=STATEMENTS), Facts(moves.MOVE, "taint", moves.KEYS)),
    decode,
)
