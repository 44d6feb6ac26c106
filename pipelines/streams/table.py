"""The table of the streams: what the main job reads, and what follows from that.

A new stream is its contract (`schemas`), its file beside this one with the fold of its facts, features that
use it, a line in `STREAMS`, and the number of what is stored then (`pipelines/state/schemas.json`).
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from models.ledgers import accounts, parties
from models.ledgers.ledger import Fold, Ledger, ledger_of
from pipelines.streams.clues import CLUES_STREAM
from pipelines.streams.contacts import WATCHED
from pipelines.streams.feedback import FEEDBACK
from pipelines.streams.indicators import INDICATORS
from pipelines.streams.measures import MEASURES
from pipelines.streams.moves import MOVE
from pipelines.streams.payments import PAYMENTS
from pipelines.streams.stream import Owner, Stream
from pipelines.streams.traces import TRACES
from schemas import topics

STREAMS: tuple[Stream, ...] = (
    PAYMENTS, MEASURES, TRACES, INDICATORS, CLUES_STREAM, FEEDBACK, WATCHED,
)  # fmt: skip


class Ledgers(NamedTuple):
    """The ledgers the main facts go through, and how a payment's legs travel from one to the other.

    Attributes:
        payers: of paying parties.
        accounts: of accounts.
        leg: a leg on its way: the payment, what was known of its payer, its value, and which leg it is.
        passing: kinds of facts that go by the payers to the accounts.

    """

    payers: Ledger
    accounts: Ledger
    leg: np.dtype[np.void]
    passing: tuple[np.dtype[np.void], ...]


@cache
def ledgers_of(streams: tuple[Stream, ...]) -> Ledgers:
    """Put the ledgers together from the folds of the streams that own facts in them."""
    payers = ledger_of("payers", parties.PAYMENTS, *_folds(streams, "payers"))
    leg = np.dtype(
        [("transfer", PAYMENTS.facts[0].row), ("payer", payers.view), ("value", "f8"), ("credit", "?")],
        align=True,
    )
    passing = [facts.row for stream in streams for facts in stream.facts if facts.owner != "payers"]
    account = ledger_of("accounts", accounts.LEGS, *_folds(streams, "accounts"))
    return Ledgers(payers, account, leg, tuple(dict.fromkeys(passing)))


def _folds(streams: Sequence[Stream], owner: Owner) -> list[Fold]:
    found = [facts.fold for stream in streams for facts in stream.facts if facts.owner == owner]
    return list(dict.fromkeys(fold for fold in found if fold is not None))


def topics_read(streams: Sequence[Stream] = STREAMS) -> tuple[str, ...]:
    """Return the topics the main job reads."""
    return tuple(stream.topic for stream in streams)


def topics_needed(streams: Sequence[Stream] = STREAMS) -> tuple[str, ...]:
    """Return the topics the main job reads or writes."""
    return tuple(dict.fromkeys((*topics_read(streams), *topics.WRITTEN)))


def topics_of_taint(streams: Sequence[Stream] = STREAMS) -> tuple[str, ...]:
    """Return the topics that tell of tainted money."""
    return tuple(s.topic for s in streams if any(facts.row == MOVE for facts in s.facts))
