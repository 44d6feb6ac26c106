"""What the engine knows of a kind of measure, and the only way a measure moves along its state diagram."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from measures.law.jurisdiction import Regime
from measures.law.rules import Rule
from measures.refusal import Refusal
from measures.state.account import Account
from schemas.commands import Command
from schemas.measure import LIVE, ClockKind, Measure, MeasureState
from schemas.order import Action, Flow, MeasureKind, Order

if TYPE_CHECKING:
    from measures.state.unit_of_work import UnitOfWork

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
