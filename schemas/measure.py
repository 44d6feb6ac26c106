"""Measures in force on accounts, and the journal of their transitions (topic `measures`).

A journal event carries the thing as it is *after* the transition, so a consumer needs no state of its
own to know what holds, and applying the events in order rebuilds the account (`measures.account.replay`).
The events of one command travel in one `JournalEntry`, so no reader ever sees half a transition.
"""

from enum import StrEnum
from typing import Any

import msgspec

from schemas.order import (
    Flow,
    MeasureKind,
    MinorUnits,
    Order,
    Record,
    Reply,
    Scope,
    VictimTransfer,
    Why,
)


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
    """A victim's proven loss."""

    victim_id: str
    loss_minor: MinorUnits


class Share(Record, frozen=True, kw_only=True):
    """What one victim gets of one freeze; `payment_id` is unique for (freeze, victim, decision)."""

    victim_id: str
    amount_minor: MinorUnits
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


class Event(Record, tag_field="type", frozen=True, kw_only=True):
    """Base of the journal: `version` counts the account's events, `at_us` is the trusted clock."""

    event_id: str
    account_token: str
    version: int
    at_us: int


class FactsStated(Event, tag="facts", frozen=True, kw_only=True):
    """The institution stated what it knows of the account."""

    facts: AccountFacts


class Moved(Event, tag="moved", frozen=True, kw_only=True):
    """Money moved; `balance_minor` is the balance after it."""

    flow: Flow
    balance_minor: MinorUnits


class MeasureChanged(Event, tag="measure", frozen=True, kw_only=True):
    """A measure came into being or changed; `measure` is how it is now."""

    measure: Measure
    was: MeasureState | None
    cause: str


class AppealChanged(Event, tag="appeal", frozen=True, kw_only=True):
    """An appeal was filed or moved on."""

    appeal: Appeal
    was: AppealState | None
    cause: str


class OrderAnswered(Event, tag="answered", frozen=True, kw_only=True):
    """An order got its reply, kept until `forget_at_us` to recognise the order again."""

    reply: Reply
    order_key: str
    message_key: str
    body_hash: str
    forget_at_us: int


class OrderParked(Event, tag="parked", frozen=True, kw_only=True):
    """A lift came before its parent and waits for it until `until_us`."""

    order: Order
    order_key: str
    parent_key: str
    until_us: int


class ParkEnded(Event, tag="unparked", frozen=True, kw_only=True):
    """A parked lift met its parent or gave up."""

    order_key: str
    cause: str


class Reported(Event, tag="reported", frozen=True, kw_only=True):
    """A flow was reported to an authority: onward trace of an emptied account, or a dynamic query."""

    authority_id: str
    order_no: str
    cause: str
    flow: Flow


class Alerted(Event, tag="alert", frozen=True, kw_only=True):
    """Something a person must look at."""

    alert: str
    subject: str
    detail: str


class RefundChanged(Event, tag="refund", frozen=True, kw_only=True):
    """A round of returning money was computed, decided or moved on; also written to topic `refunds`."""

    refund: Refund
    was: RefundState | None
    cause: str


class EnforcementChanged(Event, tag="enforcement", frozen=True, kw_only=True):
    """What the account's measures forbid from now on, all taken together; replaces what was stated before.

    `limit_minor` is what a debit must leave on the account. `until_us` is when the last of the measures
    runs out by itself, None if one has no term; earlier ends are stated when they happen.
    """

    receive_only: bool = False
    limit_minor: MinorUnits = 0
    until_us: int | None = None
    blocked_txn_ids: tuple[str, ...] = ()
    blocked_functions: tuple[str, ...] = ()
    measure_ids: tuple[str, ...] = ()


class Forgotten(Event, tag="forgotten", frozen=True, kw_only=True):
    """Stored replies and ended measures whose retention ran out."""

    keys: tuple[str, ...]


JournalEvent = (
    FactsStated
    | Moved
    | MeasureChanged
    | AppealChanged
    | OrderAnswered
    | OrderParked
    | ParkEnded
    | Reported
    | Alerted
    | RefundChanged
    | EnforcementChanged
    | Forgotten
)


class JournalEntry(Record, frozen=True, kw_only=True):
    """All that one command led to, in one message: written whole or not at all (topic `measures`).

    `version` is the account's version after `events`; an entry of replies alone leaves it as it was.
    `refused` says why an institution's command had no effect.
    """

    entry_id: str
    account_token: str
    jurisdiction: str
    version: int
    at_us: int
    command: str
    events: tuple[JournalEvent, ...] = ()
    replies: tuple[Reply, ...] = ()
    refused: Why | None = None
    detail: str = ""


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema of journal entries and refunds, stored as `schemas/json/measure.v1.json`."""
    (entry, refund), components = msgspec.json.schema_components(
        [JournalEntry, Refund], ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "measure.v1",
        "oneOf": [entry, refund],
        "$defs": components,
    }
