"""Stream `clues`: what operators and the bank's app see of a party before and while it pays."""

import logging

import numpy as np

from models.ledgers.clues import ACTIVE, CLUE_FACT, CLUES, GRADED, STRANGE
from pipelines.kafka.port import Chunk
from pipelines.policy import Policy
from pipelines.state.shards import Rows
from pipelines.streams.clock import Window
from pipelines.streams.stream import Decoded, Facts, Stream, each
from schemas import clue, topics
from schemas.rows.tokens import token_words

#: From this grade on a number counts as a scammer's.
GRADED_FROM = 2

#: A clue of ours or of an operator; no longer one is read.
VALUE_BYTES_MAX = 16_384

_LOG = logging.getLogger(__name__)


def fact(value: bytes) -> list[Rows]:
    """Read a clue as CLUE_FACT; nothing of what only concerns a subscription."""
    if len(value) > VALUE_BYTES_MAX:
        raise OverflowError(f"Longer than {VALUE_BYTES_MAX} bytes")
    found = clue.read(value)
    return [] if found is None else [clue_fact(found)]


def clue_fact(found: clue.Clue) -> Rows:
    """Return a clue as CLUE_FACT[1]."""
    row = np.zeros(1, CLUE_FACT)
    row["key"], row["at_us"] = token_words([found.party]), found.at_us
    if found.counterparty:
        row["counterparty"] = token_words([found.counterparty])[:, 1]
    row["kind"], row["duration_s"] = clue.KINDS.index(found.kind), found.duration_s
    row["flags"] = (
        ACTIVE * found.active
        | STRANGE * (found.overseas or not found.known)
        | GRADED * (found.grade >= GRADED_FROM)
    )
    return row


def decode(chunk: Chunk, _: Policy, window: Window) -> Decoded:
    """Read clues; a subscription that ended is said aloud, as a silent feed looks like a quiet day."""
    rows, letters = each(chunk, CLUE_FACT, fact, window, "at_us")
    ended = sum(map(clue.ended, chunk.values))
    if ended:
        _LOG.warning("%s subscriptions to clues ended; renew them with the operator", ended)
    return Decoded([rows], letters, {"clues": len(rows), "clue_subscriptions_ended": ended})


CLUES_STREAM = Stream(topics.CLUES, "SINCE", (Facts(CLUE_FACT, "payers", fold=CLUES),), decode)
