"""All machines together, driven by Hypothesis: whatever comes in whatever order, the rules hold."""

from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from measures.authority import dispatch
from measures.authority.dispatch import Dispatch
from measures.engine.handle import Handled, handle
from measures.in_force import enforcement
from measures.kinds.table import MACHINES
from measures.law.country_file import FOLDER
from measures.law.rules import FreezeRule, HoldRule, RestrictRule, StopRule
from measures.refusal import Refusal
from measures.registry import listing
from measures.registry.listing import Listing
from measures.state.account import in_force, replay, waterfall
from schemas.commands import (
    AnswerAppeal,
    AskVerification,
    ChangeSubscriber,
    Command,
    DecideRefund,
    EndHold,
    FileAppeal,
    ObjectToRefund,
    OpenRefund,
    PaymentFailed,
    PlaceHold,
    ReceiveOrder,
    Restrict,
    Reverify,
    Tick,
)
from schemas.journal import MeasureChanged
from schemas.measure import Claim
from schemas.order import (
    Action,
    Actor,
    ApprovalLevel,
    Attachment,
    Disbursement,
    FreezeTerms,
    QueryTerms,
    Scope,
)
from tests.measures.kit import ACCOUNT, DAY, HOUR, MINUTE, OFFICERS, Bench, make_order
from tests.tokens import token_of

COUNTRIES = sorted(path.stem.upper() for path in FOLDER.glob("*.yaml"))
AUTHORITIES = ("police-1", "police-2")
NUMBERS = st.sampled_from([f"n{i}" for i in range(8)])
AMOUNTS = st.integers(1, 10_000_000)
PEOPLE = st.sampled_from([(), ("a",), ("a", "b"), ("a", "a")])
STEPS_US = st.sampled_from([1, MINUTE, HOUR, 12 * HOUR, 2 * DAY, 31 * DAY, 100 * DAY])
KINDS = st.sampled_from(["STOP", "FREEZE", "QUERY", "RESTRICTION", "LINE_SUSPEND", "RE_VERIFY"])
LATER_ACTIONS = st.sampled_from([action.value for action in Action if action is not Action.ISSUE])


class Machines(RuleBasedStateMachine):
    """One account, everybody who acts on it, an order on its way and a listed person."""

    @initialize(country=st.sampled_from(COUNTRIES), balance=st.integers(0, 5_000_000))
    def begin(self, country: str, balance: int) -> None:
        self.bench = Bench(country, balance)
        self.moves = 0
        self.on: Dispatch | None = None
        self.listed: Listing | None = None

    def do(self, command: Command) -> Handled:
        """Apply a command, and again from the same state: the same outcome."""
        before = self.bench.account
        outcome = self.bench.do(command)
        assert handle(before, command, self.bench.law) == outcome
        for event in outcome.events:
            if isinstance(event, MeasureChanged):
                assert MACHINES[event.measure.kind].may_follow(event.was, event.measure.state)
        return outcome

    def pick(self, index: int, found: dict[str, Any]) -> str:
        return sorted(found)[index % len(found)] if found else "none"

    @rule(amount=AMOUNTS, credit=st.booleans(), fresh=st.booleans())
    def money_moves(self, amount: int, credit: bool, fresh: bool) -> None:
        self.moves += fresh or not self.moves
        self.bench.move(f"t{self.moves}", amount if credit else -amount)

    @rule(
        number=NUMBERS,
        kind=KINDS,
        amount=st.none() | AMOUNTS,
        scope=st.none() | st.sampled_from(list(Scope)),
        authority=st.sampled_from(AUTHORITIES),
        actor=st.sampled_from(list(Actor)),
        whole=st.booleans(),
        asked=st.none() | STEPS_US,
    )
    def an_order_is_issued(self, number: str, kind: str, authority: str, actor: Actor, **given: Any) -> None:
        bench, amount, flows = self.bench, given["amount"], self.bench.account.flows
        order = make_order(number, kind, jurisdiction=bench.law.id, issued_at_us=bench.now)
        changes: dict[str, Any] = {"authority_id": authority, "sender_id": authority, "scope": given["scope"]}
        if order.victim_transfer:
            sent = flows[-1].amount_minor if flows else 1
            changes["victim_transfer"] = msgspec.structs.replace(
                order.victim_transfer,
                amount_minor=sent,
                currency=bench.law.currency,
                transferred_at_us=bench.now,
            )
        if kind in ("STOP", "FREEZE"):
            changes["amount_minor"] = amount
        if kind == "FREEZE" and given["whole"]:
            changes["freeze"] = FreezeTerms(
                legal_doc_no="d", filing_doc_ref="f", whole_reason="all of it", major_case=True,
                approval_level=ApprovalLevel.CITY,
            )  # fmt: skip
        if kind == "QUERY":
            changes["query"] = QueryTerms(until_us=bench.now + DAY if given["whole"] else None)
        if kind == "RESTRICTION":
            changes["rule"] = self.pick(amount or 0, bench.law.on(bench.now).named(RestrictRule))
        if given["asked"]:
            changes |= {"start_at_us": bench.now, "expire_at_us": bench.now + given["asked"]}
        self.receive(msgspec.structs.replace(order, **changes), actor)

    @rule(
        number=NUMBERS,
        kind=KINDS,
        action=LATER_ACTIONS,
        original=NUMBERS,
        amount=AMOUNTS,
        authority=st.sampled_from(AUTHORITIES),
        victim=st.sampled_from([token_of("v1"), token_of("v2")]),
        officers=st.integers(1, 2),
    )
    def an_order_follows(
        self, number: str, kind: str, action: str, original: str, officers: int, **given: Any
    ) -> None:
        share = Disbursement(victim_id=given["victim"], decision_no="d1", amount_minor=given["amount"])
        order = make_order(
            f"{number}-{action}",
            kind,
            action,
            jurisdiction=self.bench.law.id,
            issued_at_us=self.bench.now,
            authority_id=given["authority"],
            sender_id=given["authority"],
            message_serial=f"{given['authority']}-{number}-{action}",
            original_order_no=original,
            amount_minor=given["amount"],
            disbursement=share if action == "DISBURSE" else None,
            freeze=FreezeTerms(legal_doc_no="d", legal_review_ref="r") if action == "EXTEND" else None,
            officers=OFFICERS[:officers],
        )
        self.receive(order, Actor.POLICE)

    def receive(self, order: Any, actor: Actor) -> None:
        """An order always gets an answer, and a second message of it changes nothing."""
        command = ReceiveOrder(at_us=self.bench.now, order=order, actor=actor)
        assert any(reply.order_no == order.order_no for reply in self.do(command).replies)
        before = self.bench.account.measures
        self.do(command)
        assert self.bench.account.measures == before

    @rule(step=STEPS_US, back=st.booleans())
    def time_passes(self, step: int, back: bool) -> None:
        """A clock may also be behind; the account's own never goes back."""
        reached = self.bench.account.clock_us
        self.do(Tick(at_us=self.bench.now - step if back else self.bench.now + step))
        assert self.bench.account.clock_us >= reached

    @rule(number=NUMBERS, which=st.integers(0, 9), amount=st.integers(0, 10_000_000))
    def the_institution_holds(self, number: str, which: int, amount: int) -> None:
        self.do(
            PlaceHold(
                at_us=self.bench.now,
                decision_id=number,
                rule=self.pick(which, self.bench.law.on(self.bench.now).named(HoldRule)),
                reason_code="SCAM_SUSPECTED",
                amount_minor=amount,
                txn_id=f"pay-{number}",
                case_family="family-1",
            )
        )

    @rule(which=st.integers(0, 20), outcome=st.sampled_from(["CANCEL", "CONFIRM", "BLOCK"]), by=PEOPLE)
    def a_hold_is_ended(self, which: int, outcome: Any, by: tuple[str, ...]) -> None:
        measure_id = self.pick(which, self.bench.account.measures)
        self.do(EndHold(at_us=self.bench.now, measure_id=measure_id, outcome=outcome, reason="r", by=by))

    @rule(number=NUMBERS, which=st.integers(0, 9), verified=st.booleans())
    def functions_are_limited_or_restored(self, number: str, which: int, verified: bool) -> None:
        name = self.pick(which, self.bench.law.on(self.bench.now).named(RestrictRule))
        limit = Restrict(at_us=self.bench.now, decision_id=number, rule=name, reason_code="IDENTITY_CHECK")
        self.do(Reverify(at_us=self.bench.now, by=("clerk",), proof=number) if verified else limit)

    @rule(number=NUMBERS, ago=STEPS_US, changes=st.booleans())
    def a_line_is_verified_or_changes_hands(self, number: str, ago: int, changes: bool) -> None:
        then = max(0, self.bench.now - ago)
        asked = AskVerification(at_us=self.bench.now, decision_id=number, evidence_at_us=then)
        self.do(ChangeSubscriber(at_us=self.bench.now, since_us=then) if changes else asked)
        if changes:
            lines = [m for m in self.bench.account.live() if m.kind in ("LINE_SUSPEND", "RE_VERIFY")]
            assert all((m.executed_at_us or 0) > then for m in lines)

    @rule(which=st.integers(0, 20), number=NUMBERS)
    def the_holder_objects(self, which: int, number: str) -> None:
        measure_id = self.pick(which, self.bench.account.measures)
        self.do(FileAppeal(at_us=self.bench.now, filing_no=number, measure_id=measure_id, reasons="mine"))

    @precondition(lambda self: self.bench.account.appeals)
    @rule(
        which=st.integers(0, 9),
        step=st.sampled_from(["ACKNOWLEDGE", "REQUEST_EVIDENCE", "RECEIVE_EVIDENCE", "DECIDE"]),
        outcome=st.sampled_from(["", "UPHELD", "PART", "REJECTED"]),
        amount=st.none() | AMOUNTS,
        by=PEOPLE,
    )
    def an_appeal_is_answered(self, which: int, step: Any, outcome: Any, amount: int | None, by: Any) -> None:
        self.do(
            AnswerAppeal(
                at_us=self.bench.now, appeal_id=self.pick(which, self.bench.account.appeals), step=step,
                outcome=outcome, reduced_to_minor=amount, reasons="seen", by=by,
            )
        )  # fmt: skip

    @rule(
        which=st.integers(0, 20), losses=st.lists(AMOUNTS, min_size=1, max_size=2), round_no=st.integers(1, 2)
    )
    def money_is_to_be_returned(self, which: int, losses: list[int], round_no: int) -> None:
        claims = tuple(Claim(victim_id=f"v{n + 1}", loss_minor=loss) for n, loss in enumerate(losses))
        bench, known = self.bench, self.bench.account.refunds
        senders = {"t1": token_of("v1"), "t2": token_of("v2")}
        measure_id = self.pick(which, bench.account.measures)
        self.do(
            OpenRefund(
                at_us=bench.now, freeze_id=measure_id, round_no=round_no, claims=claims, senders=senders
            )
        )
        if known:
            refund_id = self.pick(which, known)
            self.do(ObjectToRefund(at_us=bench.now, refund_id=refund_id, claims=claims, reason="wrong"))

    @precondition(lambda self: self.bench.account.refunds)
    @rule(which=st.integers(0, 9), by=PEOPLE, fails=st.booleans())
    def a_round_is_decided_and_paid(self, which: int, by: Any, fails: bool) -> None:
        bench = self.bench
        refund_id = self.pick(which, bench.account.refunds)
        self.do(
            DecideRefund(
                at_us=bench.now,
                refund_id=refund_id,
                decision_no="d1",
                by=by,
                reason="verified",
                court_ref="c",
            )
        )
        on = bench.account.refunds[refund_id]
        freeze = bench.account.measures[on.freeze_id]
        for share in on.shares if on.decision_no else ():
            if fails:
                self.do(PaymentFailed(at_us=bench.now, refund_id=refund_id, payment_id=share.payment_id))
            part = Disbursement(victim_id=share.victim_id, decision_no="d1", amount_minor=share.amount_minor)
            order = make_order(
                f"pay-{share.victim_id}-{which}", "FREEZE", "DISBURSE", jurisdiction=bench.law.id,
                issued_at_us=bench.now, authority_id=freeze.authority_id, sender_id=freeze.authority_id,
                original_order_no=freeze.order_no, disbursement=part,
            )  # fmt: skip
            self.receive(order, Actor.POLICE)

    @rule(
        step=st.sampled_from(["request", "approve", "sent", "tick"]),
        by=st.sampled_from(["c1", "c2", token_of("officer-1")]),
    )
    def an_order_is_on_its_way(self, step: str, by: str) -> None:
        regime, now = self.bench.law.on(self.bench.now), self.bench.now
        stop, freeze = regime.rule(StopRule), regime.rule(FreezeRule)
        papers = (stop.papers if stop else ()) + (freeze.papers if freeze else ())
        order = make_order("o1", "FREEZE", attachments=tuple(Attachment(kind=p, sha256="0") for p in papers))
        found: Dispatch | Refusal | None = self.on
        if step == "request":
            found = dispatch.request(order, regime)
        elif self.on is not None:
            steps = {
                "approve": lambda on: dispatch.approve(on, by, regime),
                "sent": lambda on: dispatch.sent(on, regime, now),
                "tick": lambda on: dispatch.tick(on, regime, now),
            }
            found = steps[step](self.on)
        if isinstance(found, Dispatch):
            self.on = found
            assert not {token_of("officer-1"), token_of("officer-2")} & set(found.approvals)
            assert found.attempts <= 1 or found.state in ("SENT", "UNKNOWN")

    @rule(step=st.sampled_from(["enter", "ack", "appeal", "uphold", "reject", "tick"]), by=PEOPLE)
    def a_person_is_listed(self, step: str, by: tuple[str, ...]) -> None:
        regime, now, on = self.bench.law.on(self.bench.now), self.bench.now, self.listed
        found: Listing | Refusal | None = on
        if step == "enter" and regime.listing:
            ground = sorted(regime.listing.grounds)[0]
            found = listing.enter(
                "person", ground, actor=regime.listing.actors[0], authority_id="police-1", decision_no="d1",
                institutions=("b1", "b2"), language="", regime=regime, now=now,
            )  # fmt: skip
        elif on is not None:
            given = {"reasons": "seen", "by": by, "regime": regime, "now": now}
            steps = {
                "ack": lambda: listing.acknowledge(listing.acknowledge(on, "b1"), "b2"),
                "appeal": lambda: listing.appeal(on),
                "uphold": lambda: listing.decide_appeal(on, upheld=True, **given),
                "reject": lambda: listing.decide_appeal(on, upheld=False, **given),
                "tick": lambda: listing.tick(on, regime, now),
            }
            found = steps[step]() if step in steps else on
        if isinstance(found, Listing):
            self.listed = found
            assert found.state in listing.LIVE or found.ended_why
            assert found.state in listing.LIVE or not listing.cuts_in_force(found, now)

    @invariant()
    def no_unit_is_held_twice(self) -> None:
        account = self.bench.account
        held = waterfall(account, account.clock_us)
        assert sum(held.values()) <= max(0, account.balance_minor)
        assert all(m.held_minor == held.get(m.measure_id, 0) for m in account.live())

    @invariant()
    def nothing_overdue_is_left(self) -> None:
        account = self.bench.account
        assert all(clock.due_us > account.clock_us for m in account.live() for clock in m.clocks)
        whole = [m for m in account.live() if m.kind in ("STOP", "FREEZE", "HOLD") and m.state != "WAITING"]
        assert all(m.expires_at_us is not None and m.executed_at_us is not None for m in whole)

    @invariant()
    def every_measure_on_a_holder_says_why_and_how_to_object(self) -> None:
        for m in self.bench.account.measures.values():
            assert m.kind == "QUERY" or (m.notice and m.notice.legal_basis and m.notice.remedy_channel)
            assert m.live or m.ended_why

    @invariant()
    def what_was_paid_out_was_frozen_and_once_per_decision(self) -> None:
        account = self.bench.account
        payments = [p for m in account.measures.values() for p in m.disbursements]
        assert len(payments) == len(set(payments))
        assert all(refund.paid_minor <= refund.frozen_minor for refund in account.refunds.values())

    @invariant()
    def the_journal_is_the_account(self) -> None:
        assert replay(ACCOUNT, self.bench.events) == self.bench.account

    @invariant()
    def the_last_statement_is_what_is_in_force(self) -> None:
        account = self.bench.account
        now = in_force(account, account.clock_us)
        told = [each for event in self.bench.events if (each := enforcement(event)) is not None]
        assert bool(told and told[-1].in_force) == (now.receive_only or now.limit_minor > 0)
        if told and told[-1].in_force:
            assert told[-1].limit_minor == (None if now.receive_only else now.limit_minor)


Machines.TestCase.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestMachines = Machines.TestCase
