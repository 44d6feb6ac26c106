"""One command's unit of work: reads the account, records events, and keeps the state they lead to."""

from collections.abc import Mapping
from typing import Any

import msgspec

from measures.law.jurisdiction import Jurisdiction, Regime
from measures.refusal import Refusal
from measures.state.account import Account, evolve, in_force, waterfall
from measures.state.machine import Machine
from schemas.ids import derived_id
from schemas.journal import (
    Alerted,
    AppealChanged,
    EnforcementChanged,
    Event,
    JournalEvent,
    MeasureChanged,
    RefundChanged,
    Reported,
)
from schemas.measure import LIVE, Appeal, AppealState, Measure, Refund
from schemas.order import Flow, MeasureKind
from schemas.reply import Reply, Why


class UnitOfWork:
    """Where one command is worked on; `account` is always the state after the events so far."""

    def __init__(
        self, account: Account, law: Jurisdiction, at_us: int, machines: Mapping[MeasureKind, Machine]
    ) -> None:
        self.account = account
        self.law = law
        self.machines = machines
        self.now = max(at_us, account.clock_us)
        self.events: list[JournalEvent] = []
        self.replies: list[Reply] = []

    @property
    def regime(self) -> Regime:
        """The law in force now."""
        return self.law.on(self.now)

    def record(self, kind: type[Event], **fields: Any) -> None:
        """Append an event and move the state along it."""
        version = self.account.version + 1
        event: Any = kind(
            event_id=derived_id("journal", self.account.account_token, version),
            account_token=self.account.account_token,
            version=version,
            at_us=self.now,
            **fields,
        )
        self.account = evolve(self.account, event)
        self.events.append(event)

    def put(self, measure: Measure, cause: str) -> None:
        """Record a measure's new form; raises ValueError on an arrow its diagram does not have."""
        known = self.account.measures.get(measure.measure_id)
        measure = self.law.restated(measure)
        if measure == known:
            return
        was = known.state if known else None
        if not self.machines[measure.kind].may_follow(was, measure.state):
            raise ValueError(f"a {measure.kind} cannot go from {was} to {measure.state}")
        self.record(MeasureChanged, measure=measure, was=was, cause=cause)
        if measure.state not in LIVE:
            for appeal in self.account.appeals.values():
                if appeal.measure_id == measure.measure_id and appeal.state is not AppealState.CLOSED:
                    outcome = appeal.outcome or "MOOT"
                    closed = msgspec.structs.replace(
                        appeal, state=AppealState.CLOSED, outcome=outcome, due_us=None
                    )
                    self.put_appeal(closed, cause)

    def impose(self, result: Measure | Refusal) -> Refusal | None:
        """Put a measure of the institution's own into force; the same one again changes nothing."""
        if isinstance(result, Refusal):
            return result
        if result.measure_id not in self.account.measures:
            self.put(result, "INSTITUTION")
            self.settle("INSTITUTION")
        return None

    def put_appeal(self, appeal: Appeal, cause: str) -> None:
        """Record an appeal's new form."""
        known = self.account.appeals.get(appeal.appeal_id)
        self.record(AppealChanged, appeal=appeal, was=known.state if known else None, cause=cause)

    def put_refund(self, refund: Refund, cause: str) -> None:
        """Record a refund round's new form."""
        known = self.account.refunds.get(refund.refund_id)
        if refund != known:
            self.record(RefundChanged, refund=refund, was=known.state if known else None, cause=cause)

    def state_enforcement(self) -> None:
        """Say what the account forbids from now on, if that changed."""
        now = in_force(self.account, self.now)
        fields = {
            "receive_only": now.receive_only,
            "limit_minor": now.limit_minor,
            "until_us": now.until_us,
            "blocked_txn_ids": tuple(sorted(now.blocked_txn_ids)),
            "blocked_functions": tuple(sorted(now.blocked_functions)),
            "measure_ids": now.measure_ids,
        }
        stated = self.account.stated
        if stated is None and not now.measure_ids:
            return
        if stated is None or any(getattr(stated, name) != value for name, value in fields.items()):
            self.record(EnforcementChanged, **fields)

    def settle(self, cause: str) -> None:
        """Share the balance anew and record every measure that now holds more or less."""
        held = waterfall(self.account, self.now)
        seen: set[MeasureKind] = set()
        for measure in self.account.live():
            takes, behind = held.get(measure.measure_id, 0), measure.kind in seen
            holds = self.machines[measure.kind].holds
            self.put(holds(measure, takes, behind=behind, regime=self.regime, now=self.now), cause)
            seen.add(measure.kind)

    def report(self, authority_id: str, order_no: str, cause: str, flow: Flow) -> None:
        """Tell an authority of a flow."""
        self.record(Reported, authority_id=authority_id, order_no=order_no, cause=cause, flow=flow)

    def alert(self, alert: str, subject: str, detail: str | Why = "") -> None:
        """Ask a person to look."""
        self.record(Alerted, alert=alert, subject=subject, detail=str(detail))
