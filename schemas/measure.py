"""Measures in force on accounts, appeals against them, and rounds of returning money (topic `refunds`)."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta

from schemas.contract import (
    Balance,
    CaseName,
    ClaimedMicros,
    Count,
    Country,
    CurrencyOrNone,
    Id,
    IdOrNone,
    InstitutionIdOrNone,
    Line,
    LongText,
    Micros,
    MinorUnits,
    PersonId,
    Text,
    Token,
    TokenOrNone,
    Total,
    TransactionId,
    Word,
)
from schemas.order import Actor, HolderKind, MeasureKind, Record, Scope, VictimTransfer

#: Tokens or staff ids of the people who decided.
People = Annotated[tuple[PersonId, ...], Meta(max_length=16)]
#: What a message may state as a balance; the account may be overdrawn.
Overdrawable = Annotated[int, Meta(ge=-(2**53), le=2**53)]
#: A length of time, microseconds.
Span = Annotated[int, Meta(ge=0, le=2**62)]


class MeasureState(StrEnum):
    """Where a measure stands; the machines of domain.md 1.3 to 1.7 share the words."""

    ACTIVE = "ACTIVE"
    ACTIVE_EMPTY = "ACTIVE_EMPTY"
    ACTIVE_SHORTFALL = "ACTIVE_SHORTFALL"
    WAITING = "WAITING"
    REVIEW_DUE = "REVIEW_DUE"
    PARTIALLY_DISBURSED = "PARTIALLY_DISBURSED"
    DISBURSED = "DISBURSED"
    LIFTED = "LIFTED"
    CONVERTED = "CONVERTED"
    EXPIRED = "EXPIRED"
    LAPSED = "LAPSED"
    RELEASED = "RELEASED"
    HELD = "HELD"
    CANCELLED_BY_PAYER = "CANCELLED_BY_PAYER"
    RELEASED_AT_TIMER = "RELEASED_AT_TIMER"
    RELEASED_BY_CONFIRMATION = "RELEASED_BY_CONFIRMATION"
    BLOCKED = "BLOCKED"
    ESCALATED = "ESCALATED"
    PENDING = "PENDING"
    APPLIED = "APPLIED"
    CURED = "CURED"
    RESTORED = "RESTORED"
    SUBSCRIBED = "SUBSCRIBED"
    ANSWERED = "ANSWERED"
    UNSUBSCRIBED = "UNSUBSCRIBED"
    SUSPENDED = "SUSPENDED"
    TERMINATED = "TERMINATED"


#: States in which a measure still runs. A WAITING freeze and a PENDING restriction run without effect yet; a
#: TERMINATED line stays cut without an end.
LIVE = frozenset(
    {
        MeasureState.ACTIVE,
        MeasureState.ACTIVE_EMPTY,
        MeasureState.ACTIVE_SHORTFALL,
        MeasureState.WAITING,
        MeasureState.REVIEW_DUE,
        MeasureState.PARTIALLY_DISBURSED,
        MeasureState.HELD,
        MeasureState.PENDING,
        MeasureState.APPLIED,
        MeasureState.SUBSCRIBED,
        MeasureState.SUSPENDED,
        MeasureState.TERMINATED,
    }
)


class ClockKind(StrEnum):
    """What happens when a measure's clock runs out; DEADLINE makes it graver, unless its holder has acted."""

    EXPIRY = "EXPIRY"
    RENEWAL = "RENEWAL"
    REVIEW = "REVIEW"
    VERIFY = "VERIFY"
    GRACE = "GRACE"
    DEADLINE = "DEADLINE"


class Clock(Record, order=True, frozen=True, kw_only=True):
    """A due time of a measure, integer microseconds UTC."""

    due_us: Micros
    kind: ClockKind


class Notice(Record, frozen=True, kw_only=True):
    """What the holder or the payer is told, in that person's language (duty of domain.md 1.2, art. 32).

    Attributes:
        reason: why, what is held, how much, until when, by whose order and under which number.
        legal_basis: the law, or the institution's own terms.
        remedy_channel: how to object to the one who can lift it.
        own_term: the length of the measure is the institution's own, no law's.
        machine_made: nobody who speaks the language has read the words yet.
        party: PAYER where it is for the payer, not for the holder of the account.

    """

    reason_code: Word
    reason: Text
    legal_basis: Text
    remedy_channel: Text
    documents_needed: Annotated[tuple[Text, ...], Meta(max_length=64)]
    language: Word
    own_term: bool = False
    machine_made: bool = False
    party: Literal["HOLDER", "PAYER"] = "HOLDER"


class Measure(Record, frozen=True, kw_only=True):
    """One measure of one account.

    `actor` is what the authority is that ordered it; None where the institution decided by itself.
    `asked_us` is the length of term the order asked for, if shorter than the law's. `counted_from_us` is
    where the law counts the term from.
    `limit_minor` is what an AMOUNT measure may hold, `held_minor` what it holds now, `disbursed_minor`
    what was paid out of it. `rank` is the order of execution on the account: earlier ranks hold first.
    """

    measure_id: Id
    kind: MeasureKind
    state: MeasureState
    account_token: Token
    jurisdiction: Country
    regime: Line
    rule: Word
    scope: Scope
    rank: Count
    actor: Actor | None = None
    authority_id: IdOrNone = ""
    order_no: IdOrNone = ""
    case_no: CaseName = ""
    case_family: CaseName = ""
    currency: CurrencyOrNone = ""
    limit_minor: MinorUnits = 0
    held_minor: Total = 0
    disbursed_minor: Total = 0
    disbursements: Annotated[tuple[Id, ...], Meta(max_length=4_096)] = ()
    sequence: Count = 1
    issued_at_us: ClaimedMicros | None = None
    executed_at_us: Micros | None = None
    expires_at_us: Micros | None = None
    asked_us: Span | None = None
    counted_from_us: Micros | None = None
    clocks: Annotated[tuple[Clock, ...], Meta(max_length=16)] = ()
    txn_ids: Annotated[tuple[TransactionId, ...], Meta(max_length=256)] = ()
    functions: Annotated[tuple[Word, ...], Meta(max_length=64)] = ()
    exempt: Annotated[tuple[Word, ...], Meta(max_length=64)] = ()
    whole_or_linked: bool = False
    major_case: bool = False
    ended_why: LongText = ""
    ended_by: People = ()
    converted_to: IdOrNone = ""
    forget_at_us: Micros | None = None
    notice: Notice | None = None
    victim_transfer: VictimTransfer | None = None

    @property
    def live(self) -> bool:
        """Whether the measure still runs."""
        return self.state in LIVE

    @property
    def remaining_minor(self) -> int:
        """What the measure may still hold."""
        return self.limit_minor - self.disbursed_minor

    def clocks_without(self, *kinds: ClockKind) -> tuple[Clock, ...]:
        """Return the clocks that stay when those of `kinds` stop."""
        return tuple(clock for clock in self.clocks if clock.kind not in kinds)


class AppealState(StrEnum):
    """Where an appeal stands (domain.md 1.8)."""

    FILED = "FILED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    EVIDENCE_REQUESTED = "EVIDENCE_REQUESTED"
    RECEIVED = "RECEIVED"
    DECIDED = "DECIDED"
    CLOSED = "CLOSED"


class Appeal(Record, frozen=True, kw_only=True):
    """A holder's objection to one measure, and the tier that now owes an answer."""

    appeal_id: Id
    measure_id: Id
    state: AppealState
    tier: Count
    tier_name: Line
    filed_at_us: Micros
    due_us: Micros | None
    outcome: Word = ""
    reasons: Text = ""
    decided_by: People = ()


class AccountFacts(Record, frozen=True, kw_only=True):
    """What the institution knows of the account; unknown is empty or None.

    `subscriber_since_us` is since when a line has its present subscriber.
    """

    name_token: TokenOrNone = ""
    institution_id: InstitutionIdOrNone = ""
    currency: CurrencyOrNone = ""
    balance_minor: Balance | None = None
    closed: bool = False
    language: Word = ""
    holder_kind: HolderKind | None = None
    subscriber_since_us: Micros | None = None


class RefundState(StrEnum):
    """Where a round of returning money stands (domain.md 1.9)."""

    COMPUTED = "COMPUTED"
    NOTICED = "NOTICED"
    DECIDED = "DECIDED"
    DISPATCHED = "DISPATCHED"
    CLOSED = "CLOSED"


class Claim(Record, frozen=True, kw_only=True):
    """A victim's proven loss; `recovered_minor` of it came back elsewhere: other accounts, an insurer.

    `claimed_at_us` is when the victim claimed it, `vulnerable` whether the law spares this victim the excess.
    """

    victim_id: Token
    loss_minor: MinorUnits
    recovered_minor: MinorUnits = 0
    claimed_at_us: ClaimedMicros | None = None
    vulnerable: bool = False


#: One claim a victim.
Claims = Annotated[tuple[Claim, ...], Meta(max_length=256)]


class Share(Record, frozen=True, kw_only=True):
    """What one victim gets of one freeze; `payment_id` is unique for (freeze, victim, decision).

    `repaid_minor` is what the victim had got back of this loss before: by earlier rounds, by other freezes of
    the case family, and from elsewhere.
    """

    victim_id: Token
    amount_minor: MinorUnits
    repaid_minor: MinorUnits = 0
    payment_id: IdOrNone = ""
    paid: bool = False
    attempts: Count = 0
    pay_to: TokenOrNone = ""


class Reimbursement(Record, frozen=True, kw_only=True):
    """What the institutions owe one victim besides the share of the freeze, and by when.

    `borne_minor` is each institution's part, in the order of the country file (sending, receiving). While
    `stopped_us` is set the clock stands still, at most until `latest_us`.
    """

    victim_id: Token
    amount_minor: MinorUnits
    borne_minor: Annotated[tuple[MinorUnits, ...], Meta(max_length=8)]
    due_us: Micros
    latest_us: Micros
    stopped_us: Micros | None = None
    paid: bool = False
    overdue: bool = False

    @property
    def open_until_us(self) -> int | None:
        """When somebody must look at it; None when nothing is open."""
        if self.paid or self.overdue or not self.amount_minor:
            return None
        return self.due_us if self.stopped_us is None else self.latest_us

    def is_due(self, now: int) -> bool:
        """Whether it should have been paid by now."""
        until = self.open_until_us
        return until is not None and now >= until


class Refund(Record, frozen=True, kw_only=True):
    """One round of returning the money of one freeze (topic `refunds`)."""

    refund_id: Id
    freeze_id: Id
    case_family: CaseName
    jurisdiction: Country
    currency: CurrencyOrNone
    state: RefundState
    frozen_minor: Total
    method: Word
    claims: Claims
    shares: Annotated[tuple[Share, ...], Meta(max_length=256)]
    due_us: Micros | None = None
    decision_no: IdOrNone = ""
    court_ref: CaseName = ""
    decided_by: People = ()
    objections: Annotated[tuple[Text, ...], Meta(max_length=64)] = ()
    heard: Annotated[tuple[Id, ...], Meta(max_length=1_024)] = ()
    overdue: bool = False
    reimbursements: Annotated[tuple[Reimbursement, ...], Meta(max_length=256)] = ()

    @property
    def paid_minor(self) -> int:
        """Sum of the shares paid."""
        return sum(share.amount_minor for share in self.shares if share.paid)

    @property
    def remainder_minor(self) -> int:
        """What stays frozen after this round."""
        return self.frozen_minor - sum(share.amount_minor for share in self.shares)
