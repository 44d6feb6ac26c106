"""A recall as one institution keeps it: asked, answered, given back; every message is taken in once."""

from enum import StrEnum

import msgspec

from measures import iso20022
from measures.iso20022 import CancellationStatus, Original, RecallReason, RejectReason, ReturnReason
from measures.recalls.reader import Received, read
from schemas.errors import SchemaError
from schemas.order import Record


class RecallState(StrEnum):
    """Where a recall stands; RETURNED is part of the money or all of it."""

    ASKED = "ASKED"
    PENDING = "PENDING"
    AGREED = "AGREED"
    REJECTED = "REJECTED"
    RETURNED = "RETURNED"


_AFTER = {"CNCL": RecallState.AGREED, "RJCR": RecallState.REJECTED, "PDCR": RecallState.PENDING}


class RecallCase(Record, frozen=True, kw_only=True):
    """One recall; `taken` are the ids of messages taken in, `returned_minor` what came back so far."""

    case_id: str
    original: Original
    state: RecallState
    reason: str
    why: str = ""
    returned_minor: int = 0
    taken: tuple[str, ...] = ()


def ask(
    original: Original, *, reason: RecallReason, case_id: str, created_us: int, note: str = ""
) -> tuple[RecallCase, bytes]:
    """Open a recall; gives the case to keep and the camt.056 to send."""
    message = iso20022.recall(original, reason=reason, case_id=case_id, created_us=created_us, note=note)
    return RecallCase(case_id=case_id, original=original, state=RecallState.ASKED, reason=reason), message


def take_in(case: RecallCase, message: bytes) -> RecallCase:
    """Take in the other side's camt.029 or pacs.004; one that comes again changes nothing.

    Raises SchemaError if it cannot be read, is about another payment or case, or brings back too much.
    """
    received = read(message)
    if received.message_id in case.taken:
        return case
    _same_payment(case, received)
    taken = (*case.taken, received.message_id)
    if received.kind == "RECALL":
        raise SchemaError("a camt.056 asks; answer it with: stopline recall answer")
    if received.kind == "RESOLUTION":
        if received.case_id != case.case_id:
            raise SchemaError(f"the answer is about case {received.case_id!r}, not {case.case_id!r}")
        state = case.state if case.state is RecallState.RETURNED else _AFTER[received.verdict]
        return msgspec.structs.replace(case, state=state, why=received.reason, taken=taken)
    returned = case.returned_minor + received.returned_minor
    if returned > case.original.amount_minor:
        raise SchemaError(
            f"returns of {returned} minor units exceed the payment of {case.original.amount_minor}"
        )
    return msgspec.structs.replace(
        case, state=RecallState.RETURNED, why=received.reason, returned_minor=returned, taken=taken
    )


def answer(
    asked: bytes,
    *,
    verdict: CancellationStatus,
    created_us: int,
    reason: RejectReason | None = None,
    note: str = "",
) -> bytes:
    """Answer another institution's camt.056 with a camt.029."""
    received = _asked(asked)
    return iso20022.resolution(
        received.original,
        verdict=verdict,
        case_id=received.case_id,
        created_us=created_us,
        reason=reason,
        note=note,
    )


def give_back(
    asked: bytes, *, returned_minor: int, reason: ReturnReason, created_us: int, timezone: str
) -> bytes:
    """Return all or part of the payment that a camt.056 asked for, with a pacs.004 of the day there."""
    received = _asked(asked)
    return iso20022.payment_return(
        received.original._replace(timezone=timezone),
        returned_minor=returned_minor,
        reason=reason,
        return_id=received.case_id,
        created_us=created_us,
    )


def _asked(message: bytes) -> Received:
    received = read(message)
    if received.kind != "RECALL" or not received.case_id:
        raise SchemaError("only a camt.056 with its case can be answered")
    return received


def _same_payment(case: RecallCase, received: Received) -> None:
    for name in ("txn_id", "end_to_end_id", "uetr", "currency", "amount_minor"):
        ours, theirs = getattr(case.original, name), getattr(received.original, name)
        if ours and theirs and ours != theirs:
            raise SchemaError(f"the message is about another payment: {name} is {theirs!r}, not {ours!r}")
