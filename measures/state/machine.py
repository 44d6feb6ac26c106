"""What the engine knows of a kind of measure, and the unit of work that moves measures along its diagram."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from measures.law import notices
from measures.law.jurisdiction import Jurisdiction, Regime
from measures.law.rule_base import Rule
from measures.refusal import Refusal
from measures.state.account import Account, evolve, in_force, waterfall
from schemas.commands import Command
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
from schemas.measure import LIVE, Appeal, AppealState, ClockKind, Measure, MeasureState, Refund
from schemas.order import Action, Flow, MeasureKind, Order
from schemas.reply import Reply, Why

#: Puts an order into force: order, account, law, now.
Execute = Callable[[Order, Account, Regime, int], Measure | Refusal]
#: Changes a measure by an order.
Act = Callable[["UnitOfWork", Order, Measure], Measure | Refusal]
#: Carries out a command of the institution.
Take = Callable[["UnitOfWork", Any], Refusal | None]
#: What a clock of a measure does when it runs out.
Ring = Callable[["UnitOfWork", Measure], None]


def _holds(measure: Measure, takes: int, *, behind: bool, regime: Regime, now: int) -> Measure:
    """Give the measure with what it now holds."""
    return become(measure, measure.state, held_minor=takes)


def _stays(measure: Measure, fresh: Measure, order: Order) -> MeasureState | None:
    """Let a measure run on beside a fresh one."""
    return None


def _no_flows(order: Order, account: Account, regime: Regime) -> tuple[Flow, ...]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One kind of measure: a row of the table the engine loops over (`measures.kinds.table`).

    Attributes:
        kind: its name.
        rule: the rule a country file has for it.
        transitions: state -> states that may follow; None is the beginning.
        expires_as: the state in which the end of its term leaves it.
        lifted_as: the state in which an order to lift leaves it; None if no order lifts it.
        execute: how an order begins one; None if no order does.
        acts: what orders do to a running one, besides lifting it.
        revived_by: the acts that may also begin an ended one anew.
        commands: what the institution's own commands do to it.
        clocks: what its clocks do when they run out, besides the end of its term.
        yields_to: given a fresh measure and its order, the state in which it ends in favour of that one.
        holds: gives it what the balance leaves for it; `behind` says that another of its kind came before.
        queued: whether its measures wait for each other, and replies tell who was before.
        flows: the bookings an answer to its order carries.
        reports_as: under which cause these bookings are also reported; empty: in the answer alone.
        watches_as: under which cause every booking is reported while it runs; empty: none is.

    """

    kind: MeasureKind
    rule: type[Rule]
    transitions: Mapping[MeasureState | None, frozenset[MeasureState]]
    expires_as: MeasureState
    lifted_as: MeasureState | None = None
    execute: Execute | None = None
    acts: Mapping[Action, Act] = field(default_factory=dict)
    revived_by: frozenset[Action] = frozenset()
    commands: Mapping[type[Command], Take] = field(default_factory=dict)
    clocks: Mapping[ClockKind, Ring] = field(default_factory=dict)
    yields_to: Callable[[Measure, Measure, Order], MeasureState | None] = _stays
    holds: Callable[..., Measure] = _holds
    queued: bool = False
    flows: Callable[[Order, Account, Regime], tuple[Flow, ...]] = _no_flows
    reports_as: str = ""
    watches_as: str = ""

    def may_follow(self, was: MeasureState | None, state: MeasureState) -> bool:
        """Whether the diagram has an arrow from `was` to `state`."""
        return state in self.transitions.get(was, frozenset())


def become(measure: Measure, state: MeasureState, **changes: Any) -> Measure:
    """Give the measure in a new state."""
    return msgspec.structs.replace(measure, state=state, **changes)


def end(
    measure: Measure, state: MeasureState, why: str, *, by: tuple[str, ...] = (), regime: Regime, now: int
) -> Measure:
    """Give the measure ended for a named reason; it holds nothing and is kept until it may be forgotten."""
    if state in LIVE or not why:
        raise ValueError(f"a measure ends in an end state and for a reason, got {state} {why!r}")
    remember = regime.messages.remembers(measure.kind)
    return become(
        measure,
        state,
        held_minor=0,
        clocks=(),
        ended_why=why,
        ended_by=by,
        forget_at_us=regime.calendar.add(now, remember),
    )


class UnitOfWork:
    """Where one command is worked on: it reads the account, records events, keeps the state they lead to.

    `account` is always the state after the events so far.
    """

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
        measure = notices.restated(self.law, measure)
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
