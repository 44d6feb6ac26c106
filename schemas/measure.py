"""Measures in force on accounts, appeals against them, and rounds of returning money (topic `refunds`)."""

from enum import StrEnum

from schemas.order import MeasureKind, MinorUnits, Record, Scope, VictimTransfer


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


#: States in which a measure still runs. A WAITING freeze and a PENDING restriction run without effect yet.
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
    }
)


class ClockKind(StrEnum):
    """What happens when a measure's clock runs out."""

    EXPIRY = "EXPIRY"
    RENEWAL = "RENEWAL"
    REVIEW = "REVIEW"
    VERIFY = "VERIFY"
    GRACE = "GRACE"


class Clock(Record, order=True, frozen=True, kw_only=True):
    """A due time of a measure, integer microseconds UTC."""

    due_us: int
    kind: ClockKind


class Notice(Record, frozen=True, kw_only=True):
    """What the holder is told, in the holder's language (duty of domain.md 1.2, art. 32)."""

    reason_code: str
    reason: str
    legal_basis: str
    remedy_channel: str
    documents_needed: tuple[str, ...]
    language: str


class Measure(Record, frozen=True, kw_only=True):
    """One measure of one account.

    `asked_us` is the length of term the order asked for, if shorter than the law's.
    `limit_minor` is what an AMOUNT measure may hold, `held_minor` what it holds now, `disbursed_minor`
    what was paid out of it. `rank` is the order of execution on the account: earlier ranks hold first.
    """

    measure_id: str
    kind: MeasureKind
    state: MeasureState
    account_token: str
    jurisdiction: str
    regime: str
    rule: str
    scope: Scope
    rank: int
    authority_id: str = ""
    order_no: str = ""
    case_no: str = ""
    case_family: str = ""
    currency: str = ""
    limit_minor: MinorUnits = 0
    held_minor: MinorUnits = 0
    disbursed_minor: MinorUnits = 0
    disbursements: tuple[str, ...] = ()
    sequence: int = 1
    issued_at_us: int | None = None
    executed_at_us: int | None = None
    expires_at_us: int | None = None
    asked_us: int | None = None
    clocks: tuple[Clock, ...] = ()
    txn_ids: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()
    whole_or_linked: bool = False
    major_case: bool = False
    ended_why: str = ""
    ended_by: tuple[str, ...] = ()
    converted_to: str = ""
    forget_at_us: int | None = None
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

    appeal_id: str
    measure_id: str
    state: AppealState
    tier: int
    tier_name: str
    filed_at_us: int
    due_us: int | None
    outcome: str = ""
    reasons: str = ""
    decided_by: tuple[str, ...] = ()


class AccountFacts(Record, frozen=True, kw_only=True):
    """What the institution knows of the account; unknown is empty or None."""

    name_token: str = ""
    institution_id: str = ""
    currency: str = ""
    balance_minor: MinorUnits | None = None
    closed: bool = False
    language: str = ""


class RefundState(StrEnum):
    """Where a round of returning money stands (domain.md 1.9)."""

    COMPUTED = "COMPUTED"
    NOTICED = "NOTICED"
    DECIDED = "DECIDED"
    DISPATCHED = "DISPATCHED"
    CLOSED = "CLOSED"


class Claim(Record, frozen=True, kw_only=True):
    """A victim's proven loss; `recovered_minor` of it came back elsewhere: other accounts, an insurer."""

    victim_id: str
    loss_minor: MinorUnits
    recovered_minor: MinorUnits = 0


class Share(Record, frozen=True, kw_only=True):
    """What one victim gets of one freeze; `payment_id` is unique for (freeze, victim, decision).

    `repaid_minor` is what the victim had got back of this loss before: by earlier rounds, by other freezes of
    the case family, and from elsewhere.
    """

    victim_id: str
    amount_minor: MinorUnits
    repaid_minor: MinorUnits = 0
    payment_id: str = ""
    paid: bool = False
    attempts: int = 0
    pay_to: str = ""


class Refund(Record, frozen=True, kw_only=True):
    """One round of returning the money of one freeze (topic `refunds`)."""

    refund_id: str
    freeze_id: str
    case_family: str
    jurisdiction: str
    currency: str
    state: RefundState
    frozen_minor: MinorUnits
    method: str
    claims: tuple[Claim, ...]
    shares: tuple[Share, ...]
    due_us: int | None = None
    decision_no: str = ""
    court_ref: str = ""
    decided_by: tuple[str, ...] = ()
    objections: tuple[str, ...] = ()
    overdue: bool = False

    @property
    def paid_minor(self) -> int:
        """Sum of the shares paid."""
        return sum(share.amount_minor for share in self.shares if share.paid)

    @property
    def remainder_minor(self) -> int:
        """What stays frozen after this round."""
        return self.frozen_minor - sum(share.amount_minor for share in self.shares)
