"""What can happen to an account, seen by the legal engine (topic `accounts`).

The institution's own systems write these messages: what they know of an account, each booking on it, the
holds, appeals and refund rounds its people decide.

`at_us` is the trusted clock of the caller (watermark or time of receipt), integer microseconds UTC. It is
never a time a message claims for itself: a forged time must not end a measure early. On topic `accounts`
it is therefore left out, and the time of receipt is put in its place (`measures.engine.intake`).
"""

from typing import Literal

from msgspec import field

from schemas.measure import AccountFacts, Claim
from schemas.order import Actor, Flow, Order, Record


class Command(Record, tag=True, tag_field="type", frozen=True, kw_only=True):
    """Base of all commands; with `expected_version` it is refused if the account moved on."""

    at_us: int = 0
    expected_version: int | None = None


class Tick(Command, frozen=True, kw_only=True):
    """Time passed."""


class ReceiveOrder(Command, frozen=True, kw_only=True):
    """A verified order arrived from an authority that is `actor`.

    `number_taken` says that its number already stands for another order, on whichever account.
    """

    order: Order
    actor: Actor = Actor.POLICE
    number_taken: bool = False


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


class OpenRefund(Command, frozen=True, kw_only=True):
    """Share what a freeze holds among victims; `senders` maps incoming transactions to victims."""

    freeze_id: str
    round_no: int
    claims: tuple[Claim, ...]
    senders: dict[str, str] = field(default_factory=dict)


class ObjectToRefund(Command, frozen=True, kw_only=True):
    """Somebody objects while the shares can still change: corrected claims and senders."""

    refund_id: str
    claims: tuple[Claim, ...]
    reason: str
    senders: dict[str, str] = field(default_factory=dict)


class DecideRefund(Command, frozen=True, kw_only=True):
    """The shares are fixed under a decision number; paying them takes a signed order each."""

    refund_id: str
    decision_no: str
    by: tuple[str, ...]
    reason: str
    court_ref: str = ""


class PaymentFailed(Command, frozen=True, kw_only=True):
    """A victim's share came back; `pay_to` names another account of the victim."""

    refund_id: str
    payment_id: str
    pay_to: str = ""


#: What may come on topic `accounts`: everything but orders, which are signed and have their own topic.
InstitutionCommand = (
    Tick
    | StateFacts
    | Move
    | PlaceHold
    | EndHold
    | Restrict
    | Reverify
    | FileAppeal
    | AnswerAppeal
    | OpenRefund
    | ObjectToRefund
    | DecideRefund
    | PaymentFailed
)


class AccountMessage(Record, frozen=True, kw_only=True):
    """One message of topic `accounts`: the institution's own systems speak of one account."""

    account_token: str
    jurisdiction: str
    command: InstitutionCommand
