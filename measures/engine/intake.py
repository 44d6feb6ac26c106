"""From a message to its journal entry: what the lifecycle job, the simulator and the tests all do alike.

A message is read (`read_order`, `read_command`), its order number is looked up in the register of all
accounts (`entered`), and it is applied to its account (`apply`). Every step is pure; who keeps the states
between the steps is the caller's affair.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from measures.authority.signing import KeyRing, open_order
from measures.engine.handle import handle
from measures.engine.orders import time_fault
from measures.law.country_file import SHIPPED, Laws
from measures.refusal import Refusal
from measures.state.account import Account, advance
from measures.state.register import Registered, register
from schemas.commands import (
    AccountMessage,
    Command,
    InstitutionCommand,
    Move,
    ObjectToRefund,
    OpenRefund,
    PlaceHold,
    ReceiveOrder,
    Tick,
)
from schemas.contract import explained
from schemas.errors import ConfigError, SchemaError, unquoted
from schemas.ids import derived_id
from schemas.journal import JournalEntry, OrderAnswered
from schemas.order import Record, message_key, order_key
from schemas.reply import Reply, ReplyCode, Why

_COMMANDS = msgspec.json.Decoder(AccountMessage)
_ENTRY = msgspec.json.Decoder(JournalEntry)

#: Largest message of topic `accounts`, and largest journal entry: brokers take 1,048,588 bytes with headers.
MESSAGE_BYTES_MAX, ENTRY_BYTES_MAX = 1 << 18, 1_000_000


class Arrival(Record, frozen=True, kw_only=True):
    """One readable message: whose account, under which law, and what is to be done."""

    account_token: str
    jurisdiction: str
    command: InstitutionCommand | ReceiveOrder

    @property
    def register_key(self) -> str:
        """Name the entry of the register this message belongs to; commands have one per account."""
        command = self.command
        if isinstance(command, ReceiveOrder):
            return order_key(command.order)
        return derived_id("account", self.account_token)


class AccountState(Record, frozen=True, kw_only=True):
    """An account and the law it is under; serialise it with msgspec."""

    jurisdiction: str
    account: Account


class Applied(NamedTuple):
    """The account after a command, and what goes to the journal, with its bytes; None if nothing happened."""

    kept: AccountState
    entry: JournalEntry | None
    value: bytes


def read_order(
    message: bytes, ring: KeyRing, received_us: int, laws: Laws = SHIPPED, *, key_at_us: int | None = None
) -> Arrival | Refusal:
    """Read a signed order as it was received at `received_us` (microseconds UTC).

    Its key must be in its window at `key_at_us`, where nobody vouches for the time of receipt; else then.
    """
    opened = open_order(message, ring, received_us if key_at_us is None else key_at_us)
    if isinstance(opened, Refusal):
        return opened
    order = opened.order
    command = ReceiveOrder(at_us=received_us, order=order, actor=opened.actor)
    return _lawful(
        Arrival(account_token=order.target.account_token, jurisdiction=order.jurisdiction, command=command),
        laws,
    )


def read_command(message: bytes, received_us: int, laws: Laws = SHIPPED) -> Arrival | Refusal:
    """Read a message of topic `accounts` as it was received at `received_us` (microseconds UTC)."""
    if len(message) > MESSAGE_BYTES_MAX:
        return Refusal(why=Why.TOO_LARGE, detail=f"longer than {MESSAGE_BYTES_MAX:,} bytes")
    try:
        given = _COMMANDS.decode(message)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return Refusal(why=Why.MALFORMED, detail=explained(error, _COMMANDS.type))
    except RecursionError:
        return Refusal(why=Why.MALFORMED, detail="nested too deep")
    command = msgspec.structs.replace(given.command, at_us=received_us)
    return _lawful(
        Arrival(account_token=given.account_token, jurisdiction=given.jurisdiction, command=command), laws
    )


def times_stated(command: Command) -> Iterator[tuple[str, int]]:
    """Yield the times of what has happened that the institution states, with the fields they stand in.

    Those of orders are judged by the engine, which owes the authority an answer.
    """
    if isinstance(command, Move):
        yield "command.flow.at_us", command.flow.at_us
    elif isinstance(command, PlaceHold) and command.received_at_us is not None:
        yield "command.received_at_us", command.received_at_us
    elif isinstance(command, OpenRefund | ObjectToRefund):
        for claim in command.claims:
            if claim.claimed_at_us is not None:
                yield "command.claims[...].claimed_at_us", claim.claimed_at_us


def entered(
    known: Registered | None, arrival: Arrival, laws: Laws = SHIPPED
) -> tuple[Registered | None, Arrival]:
    """Look an order's number up; gives the entry to keep and the order, marked if its number is taken.

    A number stands for the first account it was used on; what one account makes of it is kept there. An
    order whose times cannot be takes no number.
    """
    command = arrival.command
    if not isinstance(command, ReceiveOrder):
        return known, arrival
    regime = laws.of(arrival.jurisdiction).on(command.at_us)
    if time_fault(command.order, regime, command.at_us):
        return known, arrival
    forget_at = regime.calendar.add(command.at_us, regime.messages.remembers(command.order.kind))
    entry, status = register(known, arrival.account_token, forget_at_us=forget_at, now=command.at_us)
    if status != "CONFLICT":
        return entry, arrival
    marked = msgspec.structs.replace(command, number_taken=True)
    return entry, msgspec.structs.replace(arrival, command=marked)


def apply(kept: AccountState | None, arrival: Arrival, laws: Laws = SHIPPED) -> Applied:
    """Apply a message to its account.

    The institution says which law its account is under; an order only if nobody has said so yet.
    """
    before = kept
    if kept is None:
        kept = AccountState(
            jurisdiction=arrival.jurisdiction, account=Account(account_token=arrival.account_token)
        )
    elif not isinstance(arrival.command, ReceiveOrder):
        kept = msgspec.structs.replace(kept, jurisdiction=arrival.jurisdiction)
    applied = _handled(kept, arrival.command, laws)
    return applied if applied.entry or before is None else applied._replace(kept=before)


def tick(kept: AccountState, at_us: int, laws: Laws = SHIPPED) -> Applied:
    """Let time pass on an account."""
    return _handled(kept, Tick(at_us=at_us), laws)


def recalled(kept: AccountState | None, entry: JournalEntry) -> AccountState:
    """Rebuild an account from its journal, one entry after the other.

    Raises SchemaError if an entry is missing in between.
    """
    account = kept.account if kept else Account(account_token=entry.account_token)
    for event in entry.events:
        account = advance(account, event)
    return AccountState(jurisdiction=entry.jurisdiction, account=account)


def registrations(entry: JournalEntry) -> dict[str, Registered]:
    """Give the register's entries an account's journal entry bears witness to."""
    return {
        event.order_key: Registered(account_token=entry.account_token, forget_at_us=event.forget_at_us)
        for event in entry.events
        if isinstance(event, OrderAnswered) and event.takes_number
    }


def _lawful(arrival: Arrival, laws: Laws) -> Arrival | Refusal:
    try:
        laws.of(arrival.jurisdiction)
    except ConfigError as error:
        return Refusal(why=Why.NO_LEGAL_BASIS, detail=str(error))
    return arrival


def _handled(kept: AccountState, command: Command, laws: Laws) -> Applied:
    outcome = handle(kept.account, command, laws.of(kept.jurisdiction))
    account, refusal = outcome.account, outcome.refusal
    after = AccountState(jurisdiction=kept.jurisdiction, account=account)
    if not (outcome.events or outcome.replies or refusal):
        return Applied(after, None, b"")
    serials = [reply.message_serial for reply in outcome.replies]
    entry = JournalEntry(
        entry_id=derived_id("entry", account.account_token, account.version, command.at_us, *serials),
        account_token=account.account_token,
        jurisdiction=kept.jurisdiction,
        version=account.version,
        at_us=command.at_us,
        command=type(command).__name__,
        events=outcome.events,
        replies=outcome.replies,
        refused=refusal.why if refusal else None,
        detail=refusal.detail if refusal else "",
    )
    return Applied(after, entry, written(entry))


def written(entry: JournalEntry) -> bytes:
    """Return an entry as it goes to the journal, read back once: what cannot be read is never written.

    Raises SchemaError if it breaks its contract or is larger than a message may be.
    """
    value = msgspec.json.encode(entry)
    if len(value) > ENTRY_BYTES_MAX:
        raise SchemaError(f"an entry of {len(value):,} bytes; a message holds {ENTRY_BYTES_MAX:,}")
    try:
        _ENTRY.decode(value)
    except msgspec.MsgspecError as error:
        raise SchemaError(f"an entry that could not be read back: {unquoted(str(error))}") from error
    return value


def unable(kept: AccountState | None, arrival: Arrival) -> JournalEntry | None:
    """Answer an order the engine failed on: not executed, for a technical reason; None for other messages."""
    command = arrival.command
    if not isinstance(command, ReceiveOrder):
        return None
    order, version = command.order, kept.account.version if kept else 0
    reply = Reply(
        authority_id=order.authority_id,
        order_no=order.order_no,
        in_reply_to=order.message_serial,
        message_serial=derived_id("reply", message_key(order), ReplyCode.NOT_EXECUTED, command.at_us),
        code=ReplyCode.NOT_EXECUTED,
        at_us=command.at_us,
        version=version,
        why=Why.TECHNICAL,
        detail="the institution could not process the order; it looks at it, and the number is free",
    )
    return JournalEntry(
        entry_id=derived_id("entry", arrival.account_token, version, command.at_us, reply.message_serial),
        account_token=arrival.account_token,
        jurisdiction=kept.jurisdiction if kept else arrival.jurisdiction,
        version=version,
        at_us=command.at_us,
        command=type(command).__name__,
        replies=(reply,),
    )
