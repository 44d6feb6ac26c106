"""Everybody else: police and their orders, a forger, holders who object, staff, who warns victims."""

from collections.abc import Callable
from typing import Any

import msgspec
from joserfc.jwk import OKPKey

from measures.authority import dispatch
from measures.authority.dispatch import Dispatch
from measures.authority.signing import sign
from measures.law.jurisdiction import Jurisdiction
from measures.law.rules import FreezeRule, LineSuspendRule, QueryRule, ReverifyRule, StopRule
from measures.money import refund
from measures.refusal import Refusal
from measures.victims import cooldown
from schemas.commands import (
    AnswerAppeal,
    ChangeSubscriber,
    DecideRefund,
    EndHold,
    FileAppeal,
    OpenRefund,
    PlaceHold,
    Restrict,
    Reverify,
)
from schemas.ids import derived_id
from schemas.journal import AppealChanged, JournalEntry, MeasureChanged, RefundChanged
from schemas.measure import Claim, Refund
from schemas.order import (
    Action,
    ApprovalLevel,
    Attachment,
    Disbursement,
    FreezeTerms,
    MeasureKind,
    Officer,
    Order,
    QueryTerms,
    Target,
    VictimTransfer,
)
from schemas.reply import Reply
from tests.tokens import token_of
from tests.vopr.bank import Core, Worker
from tests.vopr.oracle import Oracle
from tests.vopr.world import DAY, HOUR, MINUTE, MULES, VICTIM, World

_ENTRY = msgspec.json.Decoder(JournalEntry)
FORGER = OKPKey.generate_key("Ed25519")
APPEAL_STEPS = ("ACKNOWLEDGE", "REQUEST_EVIDENCE", "RECEIVE_EVIDENCE", "DECIDE")
PAPERS = ("APPLICATION_FORM", "VICTIM_ID", "CASE_FILING", "FREEZE_NOTICE")


class Police:
    """One authority: approves, signs, sends, sends again, reads replies and decides what comes next."""

    def __init__(self, name: str, private: OKPKey, world: World, law: Jurisdiction, worker: Worker) -> None:
        self.name, self.law = name, law
        self._private, self._world, self._worker = private, world, worker
        self.key_id = f"key-{name}"
        self._numbers = self._serials = 0
        self._skew = world.random.randint(-3 * MINUTE, 3 * MINUTE)
        self.orders: dict[str, Dispatch] = {}
        self._then: dict[str, Callable[[Reply], None]] = {}

    def order(
        self, kind: str, action: str, token: str, then: Callable[[Reply], None] | None = None, **fields: Any
    ) -> str:
        """Make an order, have it approved and send it; `then` is called with its settled reply."""
        self._numbers += 1
        number = fields.pop("order_no", f"{self.name}-{self._numbers}")
        order = self.draft(number, kind, action, token, **fields)
        regime = self.law.on(self._world.now)
        found = dispatch.request(order, regime)
        if isinstance(found, Dispatch) and found.state == "LEGAL_REVIEW":
            found = dispatch.review(found, "review-1", ApprovalLevel.PROVINCE, regime)
        for approver in ("chief-1", "chief-2"):
            if isinstance(found, Dispatch) and found.state == "REQUESTED":
                found = dispatch.approve(found, approver, regime)
        if isinstance(found, Refusal):
            return ""
        self.orders[number] = found
        if then:
            self._then[number] = then
        self._pursue(number)
        if self._world.chance(0.05):
            self._in_nanoseconds(order)
        return number

    def _in_nanoseconds(self, order: Order) -> None:
        """Send an order whose clock counts in another unit."""
        self.transmit(
            msgspec.structs.replace(
                order,
                order_no=f"{order.order_no}-ns",
                message_serial=self._serial(),
                issued_at_us=order.issued_at_us * 1000,
            )
        )

    def draft(self, number: str, kind: str, action: str, token: str, **fields: Any) -> Order:
        """An order in good form, issued now by this authority's clock."""
        plain = {
            "authority_id": self.name,
            "order_no": number,
            "sender_id": self.name,
            "message_serial": self._serial(),
            "jurisdiction": self.law.id,
            "kind": MeasureKind(kind),
            "action": Action(action),
            "issued_at_us": self._world.now + self._skew,
            "target": Target(
                account_token=token, institution_id="bank-1", name_token=token_of(f"name-{token}")
            ),
            "reason": "reported scam",
            "officers": tuple(
                Officer(role="HANDLER", officer_token=token_of(f"{self.name}-{n}")) for n in (1, 2)
            ),
            "attachments": tuple(Attachment(kind=paper, sha256="0") for paper in PAPERS),
        }
        return Order(**(plain | fields))

    def transmit(self, order: Order, private: OKPKey | None = None) -> None:
        """Sign and put on the wire."""
        message = sign(order, private or self._private, self.key_id)
        self._world.deliver(self._worker.arrived, "orders", message)

    def rotate(self, private: OKPKey) -> None:
        """Sign with another key from now on."""
        self._private, self.key_id = private, f"{self.key_id}-2"

    def steal(self, order: Order, private: OKPKey, key_id: str) -> None:
        """Send an order with a key that was taken off the list."""
        self._world.deliver(self._worker.arrived, "orders", sign(order, private, key_id))

    def hear(self, value: bytes) -> None:
        """Read the replies on topic `measures`; some never arrive."""
        for reply in _ENTRY.decode(value).replies:
            if reply.authority_id == self.name and reply.order_no in self.orders:
                self._world.deliver(self._answered, reply, lossy=True)

    def _answered(self, reply: Reply) -> None:
        before = self.orders[reply.order_no]
        after = dispatch.answered(before, reply, self.law.on(self._world.now))
        self.orders[reply.order_no] = after
        self._look_again(reply.order_no)
        then = self._then.pop(reply.order_no, None) if after.reply and not before.reply else None
        if then:
            then(reply)

    def _pursue(self, number: str) -> None:
        regime, on = self.law.on(self._world.now), self.orders[number]
        if dispatch.must_resend(on, regime, self._world.now):
            self.transmit(msgspec.structs.replace(on.order, message_serial=self._serial()))
            on = dispatch.sent(on, regime, self._world.now)  # type: ignore[assignment]
        self.orders[number] = on = dispatch.tick(on, regime, self._world.now)
        self._look_again(number)

    def _look_again(self, number: str) -> None:
        due = self.orders[number].next_us
        if due is not None and due > self._world.now:
            self._world.later(due - self._world.now, self._pursue, number)

    def _serial(self) -> str:
        self._serials += 1
        return f"{self.name}-m{self._serials}"


class Case:
    """One victim's money from account to account, and the police behind it."""

    def __init__(self, name: str, police: Police, rival: Police, core: Core, world: World) -> None:
        self.name, self._rival = name, rival
        self._police, self._core, self._world, self._law = police, core, world, police.law
        self._freezes: dict[str, str] = {}

    def report(self, token: str, amount: int, sent_us: int, hop: int = 0) -> None:
        """The police learn that `amount` reached an account."""
        world, regime = self._world, self._law.on(self._world.now)
        sent = VictimTransfer(
            account_token=VICTIM, amount_minor=amount, currency=self._law.currency,
            transferred_at_us=sent_us,
        )  # fmt: skip
        fields = {"case_no": self.name, "case_family": self.name, "victim_transfer": sent}
        if regime.rule(StopRule) and world.chance(0.8):
            number = self._police.order("STOP", "ISSUE", token, self._follow(hop), **fields)
            if world.chance(0.15):
                world.later(world.between(1_000, MINUTE), self._lift, "STOP", token, number)
            if world.chance(0.6):
                later = world.between(HOUR, 60 * HOUR)
                world.later(later, self._on, "STOP", "EXTEND", token, number)
            if world.chance(0.2):
                world.later(2 * DAY, self._on, "STOP", "EXTEND", token, number)
            if world.chance(0.3):
                world.later(world.between(HOUR, 3 * DAY), self._lift, "STOP", token, number)
            self._mischief(number, "STOP", token, fields)
        if regime.rule(QueryRule) and world.chance(0.3):
            until = world.now + world.between(DAY, 60 * DAY)
            number = self._police.order("QUERY", "ISSUE", token, query=QueryTerms(until_us=until), **fields)
            world.later(world.between(HOUR, 20 * DAY), self._lift, "QUERY", token, number)
        self._line(token)
        if regime.rule(FreezeRule) and world.chance(0.8):
            world.later(world.between(MINUTE, 3 * DAY), self._freeze, token, amount, fields)

    def _line(self, token: str) -> None:
        """Have a line suspended or its user verified, where the law has it; some pass, some change hands."""
        world, regime = self._world, self._law.on(self._world.now)
        for kind, rule in (("LINE_SUSPEND", LineSuspendRule), ("RE_VERIFY", ReverifyRule)):
            if not regime.rule(rule) or world.chance(0.5):
                continue
            number = self._police.order(kind, "ISSUE", token, case_no=self.name, case_family=self.name)
            if world.chance(0.2):
                world.later(world.between(HOUR, 20 * DAY), self._lift, kind, token, number)
            if world.chance(0.4):
                passed = Reverify(by=("clerk-1",), proof="face match")
                world.later(world.between(HOUR, 20 * DAY), self._core.tell, token, passed)
            if world.chance(0.1):
                other = ChangeSubscriber(since_us=world.now)
                world.later(world.between(HOUR, 20 * DAY), self._core.tell, token, other)

    def _freeze(self, token: str, amount: int, fields: dict[str, Any]) -> None:
        world = self._world
        limit = max(1, int(amount * world.random.choice([0.5, 1, 1, 2])))
        terms = FreezeTerms(
            legal_doc_no="doc-1", filing_doc_ref="filing-1", approval_level=ApprovalLevel.CITY
        )
        if world.chance(0.1):
            terms = msgspec.structs.replace(terms, whole_reason="sole mule account")
            fields = fields | {"scope": "ALL_OUTFLOW"}
        fields = fields | {"reported_at_us": world.now}
        rule = self._law.on(world.now).rule(FreezeRule)
        if rule and rule.needs_period:
            fields |= {"start_at_us": world.now, "expire_at_us": world.now + world.between(DAY, 90 * DAY)}
        number = self._police.order("FREEZE", "ISSUE", token, freeze=terms, amount_minor=limit, **fields)
        self._freezes[number] = token
        if world.chance(0.3):
            own = {"case_no": f"{self.name}-b", "case_family": f"{self.name}-b"}
            self._rival.order("FREEZE", "ISSUE", token, freeze=terms, amount_minor=limit, **(fields | own))
        self._mischief(number, "FREEZE", token, fields | {"freeze": terms, "amount_minor": limit})
        for chance, most, action in ((0.5, 80, "CONFIRM"), (0.2, 170, "EXTEND"), (0.2, 60, "REDUCE")):
            if world.chance(chance):
                world.later(world.between(HOUR, most * DAY), self._on, "FREEZE", action, token, number)
        if world.chance(0.25):
            world.later(world.between(DAY, 100 * DAY), self._lift, "FREEZE", token, number)

    def _on(self, kind: str, action: str, token: str, number: str) -> None:
        fields: dict[str, Any] = {}
        if action == "EXTEND" and kind == "FREEZE":
            fields["freeze"] = FreezeTerms(legal_doc_no="doc-1", legal_review_ref="review-1")
        if action == "REDUCE":
            fields["amount_minor"] = self._world.random.randint(1, 10_000_000)
        fields |= self._officers(token)
        self._police.order(kind, action, token, original_order_no=number or "lost-1", **fields)

    def _officers(self, token: str) -> dict[str, Any]:
        """Every fourth order is signed by one officer alone."""
        signed = self._police.draft("", "STOP", "LIFT", token).officers
        return {"officers": signed[:1]} if self._world.chance(0.25) else {}

    def _lift(self, kind: str, token: str, number: str) -> None:
        named = number or "lost-1"
        self._police.order(kind, "LIFT", token, original_order_no=named, **self._officers(token))

    def _follow(self, hop: int) -> Callable[[Reply], None]:
        def follow(reply: Reply) -> None:
            for flow in reply.flows if hop < 3 else ():
                if flow.counterparty_token in MULES:
                    self.report(flow.counterparty_token, flow.amount_minor, flow.at_us, hop + 1)

        return follow

    def _mischief(self, number: str, kind: str, token: str, fields: dict[str, Any]) -> None:
        """Send a changed order under a number in use, the same number for another account, a forgery."""
        if not number:
            return
        for chance, target, change, key in (
            (0.15, token, {"reason": "another reason"}, None),
            (0.15, MULES[0], {}, None),
            (0.15, MULES[1], {}, None),
            (0.1, token, {"reason": "forged"}, FORGER),
        ):
            if self._world.chance(chance):
                order = self._police.draft(number, kind, "ISSUE", target, **(fields | change))
                self._world.later(self._world.between(1_000, 5 * DAY), self._police.transmit, order, key)

    def hear(self, value: bytes) -> None:
        """Read topic `measures`: freezes become refund rounds, rounds are decided and paid."""
        for event in _ENTRY.decode(value).events:
            if isinstance(event, MeasureChanged) and event.was is None:
                measure = event.measure
                mine = measure.order_no in self._freezes and measure.authority_id == self._police.name
                if mine and self._world.chance(0.7):
                    wait = self._world.between(DAY, 40 * DAY)
                    self._world.later(wait, self._open, event.account_token, measure.measure_id)
            if isinstance(event, RefundChanged) and event.refund.case_family == self.name:
                self._settle(event.account_token, event.refund)
                if event.refund.state == "CLOSED" and event.refund.paid_minor and self._world.chance(0.5):
                    wait = self._world.between(HOUR, 20 * DAY)
                    self._world.later(wait, self._again, event.account_token, event.refund)

    def _open(self, token: str, freeze_id: str) -> None:
        claims = tuple(
            Claim(
                victim_id=token_of(f"{self.name}-v{n}"), loss_minor=self._world.random.randint(1, 20_000_000)
            )
            for n in range(self._world.random.randint(1, 3))
        )
        passed = [f"{self.name}-in", *(f"{self.name}-hop-{hop}" for hop in range(3))]
        senders = dict.fromkeys(passed, claims[0].victim_id)
        self._core.tell(token, OpenRefund(freeze_id=freeze_id, round_no=1, claims=claims, senders=senders))

    def _again(self, token: str, on: Refund) -> None:
        """Open a second round with the same claims, as if nothing had been paid."""
        passed = [f"{self.name}-in", *(f"{self.name}-hop-{hop}" for hop in range(3))]
        senders = dict.fromkeys(passed, on.claims[0].victim_id)
        self._core.tell(
            token, OpenRefund(freeze_id=on.freeze_id, round_no=2, claims=on.claims, senders=senders)
        )

    def _settle(self, token: str, on: Refund) -> None:
        if on.state in ("COMPUTED", "NOTICED"):
            by = ("clerk-1",) if self._world.chance(0.3) else ("clerk-1", "clerk-2")
            first = on.refund_id == derived_id("refund", on.freeze_id, 1)
            number = "dec-1" if first else "dec-2"
            decide = DecideRefund(
                refund_id=on.refund_id, decision_no=number, by=by, reason="verified", court_ref="court-1"
            )
            wait = max(0, (on.due_us or 0) - self._world.now) + self._world.between(MINUTE, DAY)
            self._world.later(wait, self._core.tell, token, decide)
        number = next((n for n, where in self._freezes.items() if where == token), "")
        for share in refund.disbursements(on) if on.state == "DISPATCHED" else ():
            odd = msgspec.structs.replace(
                share, decision_no="dec-9", amount_minor=share.amount_minor + on.frozen_minor + 1
            )
            stranger = msgspec.structs.replace(share, victim_id=token_of("stranger"), amount_minor=1)
            for given, chance in ((share, 0.9), (share, 0.2), (odd, 0.3), (stranger, 0.3)):
                if self._world.chance(chance):
                    self._world.later(self._world.between(MINUTE, DAY), self._pay, token, number, given)

    def _pay(self, token: str, number: str, share: Disbursement) -> None:
        fields = {"original_order_no": number or "lost-1", "disbursement": share} | self._officers(token)
        self._police.order("FREEZE", "DISBURSE", token, **fields)


class Staff:
    """The institution's people and the account holders."""

    def __init__(self, world: World, core: Core) -> None:
        self._world, self._core = world, core
        self._decisions = 0

    def hold(self, token: str, rule: str, txn_id: str, amount: int) -> None:
        """Delay a payment or hold a sum."""
        self._decisions += 1
        command = PlaceHold(
            decision_id=f"d{self._decisions}", rule=rule, reason_code="SCAM_SUSPECTED", amount_minor=amount,
            txn_id=txn_id, case_family=self._world.random.choice(["", "case-0"]),
            received_at_us=self._world.now,
        )  # fmt: skip
        self._core.tell(token, command)

    def restrict(self, token: str, rule: str) -> None:
        """Limit functions until the holder is verified again."""
        self._decisions += 1
        limit = Restrict(decision_id=f"d{self._decisions}", rule=rule, reason_code="IDENTITY_CHECK")
        self._core.tell(token, limit)
        if self._world.chance(0.5):
            wait = self._world.between(HOUR, 30 * DAY)
            self._world.later(wait, self._core.tell, token, Reverify(by=("clerk-1",)))

    def hear(self, value: bytes) -> None:
        """Read topic `measures`: holders object, tiers answer, holds are ended by hand."""
        world = self._world
        for event in _ENTRY.decode(value).events:
            token = event.account_token
            if isinstance(event, MeasureChanged) and event.was is None and event.measure.notice:
                measure_id = event.measure.measure_id
                if world.chance(0.3):
                    filing = FileAppeal(filing_no="a1", measure_id=measure_id, reasons="my own money")
                    world.later(world.between(MINUTE, 10 * DAY), self._core.tell, token, filing)
                if event.measure.kind == "HOLD" and world.chance(0.6):
                    end = EndHold(
                        measure_id=measure_id,
                        outcome=world.random.choice(["CANCEL", "CONFIRM", "BLOCK"]),
                        reason=world.random.choice(["asked", "checked", ""]),
                        by=world.random.choice([("clerk-1",), ("clerk-1", "clerk-2"), ()]),
                    )
                    world.later(world.between(MINUTE, DAY), self._core.tell, token, end)
            if isinstance(event, AppealChanged) and event.appeal.due_us is not None and world.chance(0.7):
                answer = AnswerAppeal(
                    appeal_id=event.appeal.appeal_id,
                    step=world.random.choice(
                        ["ACKNOWLEDGE", "REQUEST_EVIDENCE", "RECEIVE_EVIDENCE", "DECIDE"]
                    ),
                    outcome=world.random.choice(["UPHELD", "PART", "REJECTED"]),
                    reduced_to_minor=world.random.randint(1, 1_000_000),
                    reasons="papers seen",
                    by=world.random.choice([("judge-1",), ("judge-1", "judge-2")]),
                )
                world.later(world.between(MINUTE, 20 * DAY), self._core.tell, token, answer)


class Warner:
    """Warns victims, as often as the cool-down allows."""

    def __init__(self, world: World, oracle: Oracle, law: Jurisdiction) -> None:
        self._world, self._oracle, self._law = world, oracle, law
        self._said: dict[str, tuple[cooldown.Said, ...]] = {}

    def want(self, person: str, family: str) -> None:
        """Something suggests a warning."""
        severity, now = self._world.random.randint(1, 4), self._world.now
        asked = cooldown.Said(now, severity, family)
        said = cooldown.recent(self._said.get(person, ()), now)
        if cooldown.may_warn(said, asked, self._law.on(now)):
            self._said[person] = (*said, asked)
            self._oracle.warned(person, family, severity, now)
