"""Traces: tainted money that moved on to the next account (topic `traces`)."""

from typing import Annotated

from msgspec import Meta

from schemas.contract import (
    CaseName,
    Country,
    Currency,
    Event,
    Id,
    Micros,
    MinorUnits,
    SealOrNone,
    Token,
    TransactionId,
)
from schemas.ids import derived_id

#: A case family's name as traces carry it; a longer one is replaced by an id derived from it.
CASE_BYTES = 64

#: No trace goes further than so many accounts; country files stop long before.
HOP_MAX = 1_000


class Trace(Event, frozen=True, kw_only=True):
    """One case's money in one transfer; version 1. Message key: `creditor_account`.

    Attributes:
        trace_id: derived from case and transfer: a retry, a replay or a second reading gives the same id.
        case_family: the case whose orders named the money.
        hop: accounts since the first one the victim paid (0); at least 1.
        txn_id: the transfer that carried it.
        debtor_account: the account it left.
        creditor_account: the account it reached.
        amount_minor: the tainted part of the transfer.
        transferred_minor: the whole transfer.
        at_us: the transfer's event time.
        followed: whether it is followed further without fresh evidence; not at the hop limit, at a
            good-faith holder or at the victim's own account.
        clearing_serial: PmtId/ClrSysRef of the transfer, where known; joins bank and wallet legs.
        partition: where the payment was read, with `offset`.
        offset: see `partition`.
        received_us: Kafka timestamp of the payment, microseconds UTC.
        seal: of the job that wrote it, over all bytes before it; the last field (`pipelines.kafka.seal`).

    """

    trace_id: Id
    jurisdiction: Country
    case_family: CaseName
    hop: Annotated[int, Meta(ge=1, le=HOP_MAX)]
    txn_id: TransactionId
    debtor_account: Token
    creditor_account: Token
    amount_minor: MinorUnits
    transferred_minor: MinorUnits
    currency: Currency
    at_us: Micros
    followed: bool
    clearing_serial: Annotated[str, Meta(max_length=35)] = ""
    partition: int = -1
    offset: int = -1
    received_us: int = 0
    seal: SealOrNone = ""


def trace_id(case_family: str, txn_id: str) -> str:
    """Name what one transfer carried of one case's money."""
    return derived_id("trace", case_family, txn_id)


def case_name(case_family: str) -> str:
    """Return the case family's name as traces carry it."""
    return case_family if len(case_family.encode()) <= CASE_BYTES else derived_id("case", case_family)
