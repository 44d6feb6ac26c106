"""A stream the product does not have: people report accounts. What adding one takes, but for its line."""

from typing import Annotated, Any

import msgspec
import numpy as np

from models.ledgers.ledger import Fold
from pipelines.kafka.port import Chunk
from pipelines.policy import Policy
from pipelines.streams.clock import Window
from pipelines.streams.stream import Decoded, Facts, Stream, each
from schemas.contract import Event, Micros, Token
from schemas.rows import Rows
from schemas.rows.tokens import token_words

# Its contract


class Reported(Event, frozen=True, kw_only=True):
    """Somebody reported an account."""

    account_token: Token
    at_us: Micros
    trust: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1


# Its fold

REPORT = np.dtype([("key", "u8", 2), ("at_us", "i8"), ("trust", "i8")])


def _add(fact: Any, row: Any) -> None:
    row.reports += 1
    row.trust += fact.trust
    row.reported_us = max(row.reported_us, fact.at_us)


def _show(fact: Any, row: Any, view: Any) -> None:
    view.reports = row.reports
    view.trust = row.trust


REPORTS = Fold(
    REPORT,
    (("reports", "i8"), ("trust", "i8"), ("reported_us", "i8")),
    _add,
    (("reports", "i8"), ("trust", "i8")),
    _show,
)

# Its stream file

_DECODER = msgspec.json.Decoder(Reported)


def _read(value: bytes) -> list[Rows]:
    told = _DECODER.decode(value)
    row = np.zeros(1, REPORT)
    row["key"], row["at_us"], row["trust"] = token_words([told.account_token]), told.at_us, told.trust
    return [row]


def decode(chunk: Chunk, _: Policy, window: Window) -> Decoded:
    """Read reports."""
    rows, letters = each(chunk, REPORT, _read, window, "at_us")
    return Decoded([rows], letters, {"reports": len(rows)})


TOY = Stream("toy_reports", "SINCE", (Facts(REPORT, "accounts", fold=REPORTS),), decode)


# Its feature


def reports(leg: Any) -> float:
    """Reports of the account."""
    return float(leg.account.reports)
