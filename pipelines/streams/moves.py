"""Moves of tainted money as rows: facts of the streams `measures` and `traces`, and the ledger of taint."""

from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import ValidationError

from measures.money.taint import TaintedMove
from models.ledgers.ledger import Ledger
from models.ledgers.table import Table
from schemas.rows import Rows
from schemas.rows.tokens import ascii_bytes, token_text, token_words
from schemas.trace import CASE_BYTES, HOP_MAX, Trace

#: A `TaintedMove`; `key` is its id, `debtor` and `creditor` are tokens in two words each.
MOVE = np.dtype(
    [
        ("key", "u8", 2),
        ("debtor", "u8", 2),
        ("creditor", "u8", 2),
        ("case", f"S{CASE_BYTES}"),
        ("clearing_serial", "S35"),
        ("currency", "S3"),
        ("stated", "?"),
        ("followed", "?"),
        ("hop", "i4"),
        ("amount_minor", "i8"),
        ("at_us", "i8"),
        ("version", "i8"),
        ("stated_us", "i8"),
    ],
    align=True,
)

#: Whose shards hear of a move.
KEYS = ("debtor", "creditor")


def rows_of(found: Iterable[TaintedMove]) -> Rows:
    """Return moves as MOVE rows.

    Raises:
        ValueError: an id, a case family or a currency does not fit.
        OverflowError: a number does not.

    """
    found = list(found)
    rows = np.zeros(len(found), MOVE)
    for row, move in zip(rows, found, strict=True):
        row["key"] = token_words([move.move_id.rpartition("_")[2]], "trace_id")[0]
        row["debtor"], row["creditor"] = token_words([move.debtor, move.creditor])
        row["case"] = case = move.case.encode()
        if len(case) > CASE_BYTES:
            raise ValidationError(f"Expected at most {CASE_BYTES} bytes - at `$.case_family`")
        row["clearing_serial"] = move.clearing_serial.encode("ascii", "replace")
        row["currency"] = ascii_bytes("currency", move.currency)
        for name in ("stated", "followed", "hop", "amount_minor", "at_us", "version", "stated_us"):
            row[name] = getattr(move, name)
    return rows


def note(table: Table, parts: Sequence[Rows]) -> Rows:
    """Add MOVE[n]; of one id the newest statement holds, then the smaller amount. Returns no views.

    Rows are a set by id, so duplicates, retries and order do not matter.
    """
    for fact in (fact for part in parts for fact in part):
        before = table.used
        (place,) = table.locate(fact["key"][None]).tolist()
        row = table.rows[place]
        newest, held = ((each["stated_us"], each["version"]) for each in (fact, row))
        if (
            table.used > before
            or newest > held
            or (newest == held and fact["amount_minor"] < row["amount_minor"])
        ):
            table.rows[place] = fact
    return np.empty(0, MOVE)


TAINT = Ledger("taint", MOVE, (MOVE,), MOVE, note)


def move_of(row: np.void) -> TaintedMove:
    """Return a MOVE row as what it stands for."""
    return TaintedMove(
        f"trace_{token_text(row['key'])}",
        row["case"].decode(),
        token_text(row["debtor"]),
        token_text(row["creditor"]),
        int(row["amount_minor"]),
        row["currency"].decode(),
        int(row["at_us"]),
        int(row["hop"]),
        bool(row["stated"]),
        int(row["version"]),
        bool(row["followed"]),
        row["clearing_serial"].decode(),
        int(row["stated_us"]),
    )


def traced(trace: Trace) -> TaintedMove:
    """Return the move that a trace tells of."""
    return TaintedMove(
        trace.trace_id,
        trace.case_family,
        trace.debtor_account,
        trace.creditor_account,
        trace.amount_minor,
        trace.currency,
        trace.at_us,
        trace.hop,
        followed=trace.followed and trace.hop < HOP_MAX,
        clearing_serial=trace.clearing_serial,
    )
