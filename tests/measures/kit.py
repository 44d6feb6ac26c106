"""Short ways to say what happens to an account in a test."""

from typing import Any

import msgspec

from measures.engine.handle import Handled, handle
from measures.law.calendar import from_iso
from measures.law.country_file import jurisdiction
from measures.law.jurisdiction import Jurisdiction
from measures.state.account import Account
from schemas.commands import Command, Move, ReceiveOrder, StateFacts, Tick
from schemas.journal import Alerted, JournalEntry, JournalEvent
from schemas.measure import AccountFacts, Measure
from schemas.order import (
    Action,
    Actor,
    Direction,
    Flow,
    FreezeTerms,
    MeasureKind,
    Officer,
    Order,
    Target,
    VictimTransfer,
)
from schemas.reply import Reply
from tests.tokens import token_of

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
T0 = from_iso("2026-03-02T10:00:00+08:00")
ACCOUNT = token_of("acct-mule")
PAID = 5_000_000

OFFICERS = (
    Officer(role="HANDLER", officer_token=token_of("officer-1")),
    Officer(role="ASSIST", officer_token=token_of("officer-2")),
)


def make_order(order_no: str, kind: str = "STOP", action: str = "ISSUE", **changes: Any) -> Order:
    """An order in good form: CNY 50,000 stolen at T0, signed by two officers, issued at T0."""
    issue = action == "ISSUE"
    fields: dict[str, Any] = {
        "authority_id": "police-1",
        "order_no": order_no,
        "sender_id": "police-1",
        "message_serial": f"msg-{order_no}",
        "jurisdiction": "CN",
        "kind": MeasureKind(kind),
        "action": Action(action),
        "issued_at_us": T0,
        "target": Target(account_token=ACCOUNT, institution_id="bank-1", name_token=token_of("name-1")),
        "case_no": "case-1",
        "case_family": "family-1",
        "reason": "reported scam",
        "officers": OFFICERS,
    }
    if issue and kind in ("STOP", "FREEZE"):
        fields["victim_transfer"] = VictimTransfer(
            account_token=token_of("acct-victim"), amount_minor=PAID, currency="CNY", transferred_at_us=T0
        )
    if issue and kind == "FREEZE":
        fields["amount_minor"] = PAID
        fields["freeze"] = FreezeTerms(legal_doc_no="doc-1", filing_doc_ref="filing-1")
    return msgspec.structs.replace(Order(**fields), **changes)


class Bench:
    """An account under test; `do` applies a command and keeps every event."""

    def __init__(self, country: str | Jurisdiction = "CN", balance: int = 0, at_us: int = T0) -> None:
        self.law = jurisdiction(country) if isinstance(country, str) else country
        self.account = Account(account_token=ACCOUNT)
        self.events: list[JournalEvent] = []
        self.now = at_us
        facts = AccountFacts(
            name_token=token_of("name-1"),
            institution_id="bank-1",
            currency=self.law.currency,
            balance_minor=balance,
            language="en",
        )
        self.do(StateFacts(at_us=at_us, facts=facts))

    def do(self, command: Command) -> Handled:
        outcome = handle(self.account, command, self.law)
        self.account = outcome.account
        self.events += outcome.events
        self.now = max(self.now, command.at_us)
        return outcome

    def order(self, order: Order, at_us: int | None = None, actor: Actor = Actor.POLICE) -> Reply:
        at_us = self.now if at_us is None else at_us
        return self.do(ReceiveOrder(at_us=at_us, order=order, actor=actor)).replies[-1]

    def move(self, txn_id: str, amount: int, at_us: int | None = None, **changes: Any) -> Handled:
        """A credit, or with a negative amount a debit."""
        at_us = self.now if at_us is None else at_us
        flow = Flow(
            txn_id=txn_id,
            at_us=at_us,
            direction=Direction.CREDIT if amount > 0 else Direction.DEBIT,
            amount_minor=abs(amount),
            **changes,
        )
        return self.do(Move(at_us=at_us, flow=flow))

    def tick(self, at_us: int) -> Handled:
        return self.do(Tick(at_us=at_us))

    def measure(self, order_no: str) -> Measure:
        """The measure an order brought about; the latest of its number."""
        found = [m for m in self.account.measures.values() if m.order_no == order_no]
        return max(found, key=lambda m: m.rank)

    def alerts(self) -> list[str]:
        return [event.alert for event in self.events if isinstance(event, Alerted)]


def defrauded(country: str = "CN") -> Bench:
    """A bench whose account has just received the victim's money."""
    bench = Bench(country)
    bench.move("victim-txn", PAID)
    return bench


def entry_of(bench: Bench, replies: tuple[Reply, ...] = ()) -> JournalEntry:
    """All of a bench's events as if one command had led to them."""
    return JournalEntry(
        entry_id="entry-1",
        account_token=ACCOUNT,
        jurisdiction=bench.law.id,
        version=bench.account.version,
        at_us=bench.now,
        command="ReceiveOrder",
        events=tuple(bench.events),
        replies=replies,
    )
