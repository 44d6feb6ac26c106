"""What can happen to an account, seen by the legal engine.

`at_us` is the trusted clock of the caller (watermark or time of receipt), integer microseconds UTC. It is
never a time a message claims for itself: a forged time must not end a measure early.
"""

from typing import Literal

from schemas.measure import AccountFacts
from schemas.order import Actor, Flow, Order, Record


class Command(Record, frozen=True, kw_only=True):
    """Base of all commands; with `expected_version` it is refused if the account moved on."""

    at_us: int
    expected_version: int | None = None


class Tick(Command, frozen=True, kw_only=True):
    """Time passed."""


class ReceiveOrder(Command, frozen=True, kw_only=True):
    """A verified order arrived from an authority that is `actor`."""

    order: Order
    actor: Actor = Actor.POLICE


class StateFacts(Command, frozen=True, kw_only=True):
    """The institution says what it knows of the account."""

    facts: AccountFacts


class Move(Command, frozen=True, kw_only=True):
    """Money moved; without `balance_minor` the balance changes by the amount."""

    flow: Flow
    balance_minor: int | None = None


class PlaceHold(Command, frozen=True, kw_only=True):
    """The institution delays a payment or holds a suspect amount under the hold rule `rule`."""

    decision_id: str
    rule: str
    reason_code: str
    amount_minor: int = 0
    txn_id: str = ""
    case_family: str = ""


class EndHold(Command, frozen=True, kw_only=True):
    """The payer cancels, or staff confirm or block, a held payment."""

    measure_id: str
    outcome: Literal["CANCEL", "CONFIRM", "BLOCK"]
    reason: str
    by: tuple[str, ...]


class Restrict(Command, frozen=True, kw_only=True):
    """The institution limits functions of the account for the trigger `rule`."""

    decision_id: str
    rule: str
    reason_code: str


class Reverify(Command, frozen=True, kw_only=True):
    """The holder's identity was verified again."""

    by: tuple[str, ...]


class FileAppeal(Command, frozen=True, kw_only=True):
    """The holder objects to a measure."""

    filing_no: str
    measure_id: str
    reasons: str


class AnswerAppeal(Command, frozen=True, kw_only=True):
    """The tier that owes an answer takes a step; a decision names its outcome, reasons and people."""

    appeal_id: str
    step: Literal["ACKNOWLEDGE", "REQUEST_EVIDENCE", "RECEIVE_EVIDENCE", "DECIDE"]
    outcome: Literal["", "UPHELD", "PART", "REJECTED"] = ""
    reduced_to_minor: int | None = None
    reasons: str = ""
    by: tuple[str, ...] = ()
