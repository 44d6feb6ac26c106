"""What can happen to an account, seen by the legal engine (topic `accounts`).

The institution's own systems write these messages: what they know of an account, each booking on it, the
holds, appeals and refund rounds its people decide.

`at_us` is the trusted clock of the caller (watermark or time of receipt), integer microseconds UTC. It is
never a time a message claims for itself: a forged time must not end a measure early. On topic `accounts`
it is therefore left out, and the time of receipt is put in its place (`measures.engine.intake`).
"""

from typing import Annotated, Literal

from msgspec import Meta, field

from schemas.contract import (
    CaseName,
    Count,
    Country,
    Id,
    IdOrNone,
    Micros,
    MinorUnits,
    Text,
    Token,
    TokenOrNone,
    TransactionId,
    TransactionIdOrNone,
    Word,
)
from schemas.measure import AccountFacts, Claims, Overdrawable, People
from schemas.order import Actor, Flow, Order, Record, Version

#: Whose each incoming transaction is: transaction -> victim.
Senders = Annotated[dict[TransactionId, Token], Meta(max_length=1_024)]


class Command(Record, tag=True, tag_field="type", frozen=True, kw_only=True):
    """Base of all commands; with `expected_version` it is refused if the account moved on."""

    at_us: Micros = 0
    expected_version: Version | None = None


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
    """The institution says what it knows of the account.

    `position` numbers what it says of this account, facts and bookings alike, upwards: what comes again, or
    comes late, is known by it. Without one, a balance is taken only as the opening balance; after that the
    bookings tell it.
    """

    facts: AccountFacts
    position: Count | None = None


class Move(Command, frozen=True, kw_only=True):
    """Money moved; without `balance_minor` the balance, which may be overdrawn, changes by the amount.

    `position` as in `StateFacts`. Without one a booking is known by its transaction among the newest ones
    (`measures.state.seen`), and one older than those is refused.
    """

    flow: Flow
    balance_minor: Overdrawable | None = None
    position: Count | None = None


class PlaceHold(Command, frozen=True, kw_only=True):
    """The institution delays a payment or holds a suspect amount under the hold rule `rule`.

    `received_at_us` is when it received the payment order: some laws count from there.
    """

    decision_id: Id
    rule: Word
    reason_code: Word
    amount_minor: MinorUnits = 0
    txn_id: TransactionIdOrNone = ""
    case_family: CaseName = ""
    received_at_us: Micros | None = None


class EndHold(Command, frozen=True, kw_only=True):
    """The payer cancels, or staff confirm or block, a held payment."""

    measure_id: Id
    outcome: Literal["CANCEL", "CONFIRM", "BLOCK"]
    reason: Text
    by: People


class Restrict(Command, frozen=True, kw_only=True):
    """The institution limits functions of the account for the trigger `rule`.

    `until_us` is the end that a listing gives, where the rule takes its period from there.
    """

    decision_id: Id
    rule: Word
    reason_code: Word
    until_us: Micros | None = None


class Reverify(Command, frozen=True, kw_only=True):
    """The holder's identity was verified again; `proof` names how, which the user of a line needs."""

    by: People
    proof: Text = ""


class AskVerification(Command, frozen=True, kw_only=True):
    """The operator has the user of a line verified again, for what it saw at `evidence_at_us`."""

    decision_id: Id
    evidence_at_us: Micros


class ChangeSubscriber(Command, frozen=True, kw_only=True):
    """The line has another subscriber since: what was in force because of the one before ends."""

    since_us: Micros


class FileAppeal(Command, frozen=True, kw_only=True):
    """The holder objects to a measure."""

    filing_no: Id
    measure_id: Id
    reasons: Text


class AnswerAppeal(Command, frozen=True, kw_only=True):
    """The tier that owes an answer takes a step; a decision names its outcome, reasons and people."""

    appeal_id: Id
    step: Literal["ACKNOWLEDGE", "REQUEST_EVIDENCE", "RECEIVE_EVIDENCE", "DECIDE"]
    outcome: Literal["", "UPHELD", "PART", "REJECTED"] = ""
    reduced_to_minor: MinorUnits | None = None
    reasons: Text = ""
    by: People = ()


class OpenRefund(Command, frozen=True, kw_only=True):
    """Share what a freeze holds among victims; `senders` maps incoming transactions to victims.

    `requested`: a victim asked for the round, so that it is opened over a small sum too.
    """

    freeze_id: Id
    round_no: Annotated[int, Meta(ge=0, le=1_000)]
    claims: Claims
    senders: Senders = field(default_factory=dict)
    requested: bool = False


class ObjectToRefund(Command, frozen=True, kw_only=True):
    """Somebody objects while the shares can still change: corrected claims and senders.

    The same objection counts once; `objection_no` tells apart two of the same words.
    """

    refund_id: Id
    claims: Claims
    reason: Text
    senders: Senders = field(default_factory=dict)
    objection_no: IdOrNone = ""


class DecideRefund(Command, frozen=True, kw_only=True):
    """The shares are fixed under a decision number; paying them takes a signed order each."""

    refund_id: Id
    decision_no: IdOrNone
    by: People
    reason: Text
    court_ref: CaseName = ""


class PaymentFailed(Command, frozen=True, kw_only=True):
    """A victim's share came back; `pay_to` names another account of the victim.

    The same failure counts once; `failure_no` tells two failures of one payment apart.
    """

    refund_id: Id
    payment_id: Id
    pay_to: TokenOrNone = ""
    failure_no: IdOrNone = ""


class StopClock(Command, frozen=True, kw_only=True):
    """A victim was asked for information: the time to reimburse them stands still until `StartClock`."""

    refund_id: Id
    victim_id: Token


class StartClock(Command, frozen=True, kw_only=True):
    """The victim has answered: the time to reimburse them runs on."""

    refund_id: Id
    victim_id: Token


class ConfirmReimbursement(Command, frozen=True, kw_only=True):
    """The institutions have reimbursed a victim."""

    refund_id: Id
    victim_id: Token


#: What may come on topic `accounts`: everything but orders, which are signed and have their own topic.
InstitutionCommand = (
    Tick
    | StateFacts
    | Move
    | PlaceHold
    | EndHold
    | Restrict
    | Reverify
    | AskVerification
    | ChangeSubscriber
    | FileAppeal
    | AnswerAppeal
    | OpenRefund
    | ObjectToRefund
    | DecideRefund
    | PaymentFailed
    | StopClock
    | StartClock
    | ConfirmReimbursement
)


class AccountMessage(Record, frozen=True, kw_only=True):
    """One message of topic `accounts`: the institution's own systems speak of one account."""

    account_token: Token
    jurisdiction: Country
    command: InstitutionCommand
