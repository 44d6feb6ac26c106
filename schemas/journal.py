"""The journal of the transitions of an account's measures (topic `measures`).

An event carries the thing as it is *after* the transition, so a consumer needs no state of its own to
know what holds, and applying the events in order rebuilds the account (`measures.state.account.replay`).
The events of one command travel in one `JournalEntry`, so no reader ever sees half a transition.
"""

from schemas.contract import (
    Balance,
    Count,
    Country,
    Id,
    IdOrNone,
    Line,
    LongText,
    Micros,
    SealOrNone,
    Token,
    Total,
    TransactionId,
    Version,
    Word,
)
from schemas.measure import (
    AccountFacts,
    Appeal,
    AppealState,
    Measure,
    MeasureState,
    Refund,
    RefundState,
)
from schemas.order import Flow, Order, Record
from schemas.reply import Reply, Why


class Event(Record, tag_field="type", frozen=True, kw_only=True):
    """Base of the journal: `version` counts the account's events, `at_us` is the trusted clock."""

    event_id: Id
    account_token: Token
    version: Version
    at_us: Micros


class FactsStated(Event, tag="facts", frozen=True, kw_only=True):
    """The institution stated what it knows; `position` is its own number of the statement."""

    facts: AccountFacts
    position: Count | None = None
    states_balance: bool = False


class Moved(Event, tag="moved", frozen=True, kw_only=True):
    """Money moved; `balance_minor` is the balance then known, `position` the booking's own number."""

    flow: Flow
    balance_minor: Balance
    position: Count | None = None
    states_balance: bool = False


class MeasureChanged(Event, tag="measure", frozen=True, kw_only=True):
    """A measure came into being or changed; `measure` is how it is now."""

    measure: Measure
    was: MeasureState | None
    cause: Line


class AppealChanged(Event, tag="appeal", frozen=True, kw_only=True):
    """An appeal was filed or moved on."""

    appeal: Appeal
    was: AppealState | None
    cause: Line


class OrderAnswered(Event, tag="answered", frozen=True, kw_only=True):
    """An order got its reply, kept until `forget_at_us` to recognise the order again.

    `takes_number` is false where the order had no effect: the same message gets the same reply, and a
    corrected order may come under the same number.
    """

    reply: Reply
    takes_number: bool = True
    order_key: Id
    message_key: Id
    body_hash: Id
    forget_at_us: Micros


class OrderParked(Event, tag="parked", frozen=True, kw_only=True):
    """A lift came before its parent and waits for it until `until_us`."""

    order: Order
    order_key: Id
    parent_key: Id
    until_us: Micros


class ParkEnded(Event, tag="unparked", frozen=True, kw_only=True):
    """A parked lift met its parent or gave up."""

    order_key: Id
    cause: Line


class Reported(Event, tag="reported", frozen=True, kw_only=True):
    """A flow was reported to an authority: onward trace of an emptied account, or a dynamic query."""

    authority_id: IdOrNone
    order_no: IdOrNone
    cause: Line
    flow: Flow


class Alerted(Event, tag="alert", frozen=True, kw_only=True):
    """Something a person must look at."""

    alert: Word
    subject: Line
    detail: LongText


class RefundChanged(Event, tag="refund", frozen=True, kw_only=True):
    """A round of returning money was computed, decided or moved on; also written to topic `refunds`."""

    refund: Refund
    was: RefundState | None
    cause: Line


class EnforcementChanged(Event, tag="enforcement", frozen=True, kw_only=True):
    """What the account's measures forbid from now on, all taken together; replaces what was stated before.

    `limit_minor` is what a debit must leave on the account. `until_us` is when the last of the measures
    runs out by itself, None if one has no term; earlier ends are stated when they happen.
    """

    receive_only: bool = False
    limit_minor: Total = 0
    until_us: Micros | None = None
    blocked_txn_ids: tuple[TransactionId, ...] = ()
    blocked_functions: tuple[Word, ...] = ()
    measure_ids: tuple[Id, ...] = ()


class Forgotten(Event, tag="forgotten", frozen=True, kw_only=True):
    """Stored replies and ended measures whose retention ran out."""

    keys: tuple[Id, ...]


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
    `refused` says why an institution's command had no effect. `seal` is of the job that wrote the entry, over
    all bytes before it; the last field (`pipelines.kafka.seal`).
    """

    entry_id: Id
    account_token: Token
    jurisdiction: Country
    version: Version
    at_us: Micros
    command: Word
    events: tuple[JournalEvent, ...] = ()
    replies: tuple[Reply, ...] = ()
    refused: Why | None = None
    detail: LongText = ""
    seal: SealOrNone = ""
