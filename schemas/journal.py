"""The journal of the transitions of an account's measures (topic `measures`).

An event carries the thing as it is *after* the transition, so a consumer needs no state of its own to
know what holds, and applying the events in order rebuilds the account (`measures.state.account.replay`).
The events of one command travel in one `JournalEntry`, so no reader ever sees half a transition.
"""

from schemas.measure import (
    AccountFacts,
    Appeal,
    AppealState,
    Measure,
    MeasureState,
    Refund,
    RefundState,
)
from schemas.order import Flow, MinorUnits, Order, Record
from schemas.reply import Reply, Why


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
