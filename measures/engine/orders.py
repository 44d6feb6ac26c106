"""What becomes of an authority's message: recognised, checked, executed, parked or refused.

Rules of domain.md 1.10: the same message gets its stored reply; the same number with another body is a
conflict that changes nothing; a lift that comes before its order waits for it; a retroactive order never
changes a running term.
"""

from measures.authority.people import officers_fault, officers_of
from measures.engine.replies import answer, answer_again, answer_unstored, park, quarantine, resolve
from measures.kinds.stop import family_of
from measures.law.jurisdiction import Regime
from measures.law.rule_base import OrderedRule
from measures.money.disburse import book
from measures.money.release import Effect, Release, of_order, release_fault
from measures.refusal import Refusal, first_fault
from measures.state.machine import UnitOfWork, become, end
from schemas.contract import MICROS_MAX
from schemas.measure import Measure, MeasureState
from schemas.order import (
    Action,
    Actor,
    Initiation,
    Order,
    body_hash,
    key_of,
    message_key,
    order_key,
)
from schemas.reply import Why


def receive(work: UnitOfWork, order: Order, actor: Actor, *, number_taken: bool = False) -> None:
    """Take in one verified message and answer it."""
    answered, body = work.account.answered, body_hash(order)
    same, taken = answered.get(message_key(order)), answered.get(order_key(order))
    running = find(work, order.authority_id, order.order_no)
    if same is not None and same.body_hash == body:
        answer_again(work, order, same)
    elif taken is not None and taken.body_hash == body:
        answer_again(work, order, taken)
    elif taken or (same and same.takes_number) or number_taken or _runs_already(order, running):
        quarantine(work, order)
    elif order.expected_version not in (None, work.account.version):
        at = f"the account is at version {work.account.version}"
        answer_unstored(work, order, Refusal(why=Why.STALE_VERSION, detail=at))
    elif fault := formal_fault(work, order, actor):
        answer(work, order, fault)
    elif order.action is not Action.ISSUE:
        _act(work, order)
    elif order.initiation is Initiation.RETROACTIVE:
        _complete_papers(work, order)
    elif not _lifted_before(work, order):
        _execute(work, order, actor)


def _runs_already(order: Order, running: Measure | None) -> bool:
    return order.action is Action.ISSUE and running is not None and running.live


def formal_fault(work: UnitOfWork, order: Order, actor: Actor) -> Refusal | None:
    """Check what an order must be before anybody looks at the account; None when in order."""
    if fault := time_fault(order, work.regime, work.now):
        return fault
    regime, now = work.regime, work.now
    rule = _rule(work, order)
    issue, expires = order.action is Action.ISSUE, order.expire_at_us
    return first_fault(
        (order.jurisdiction != regime.law.id, Why.NO_LEGAL_BASIS, f"the account is under {regime.law.id}"),
        (rule is None and issue, Why.NO_LEGAL_BASIS, f"{regime.id} has no such {order.kind}"),
        (rule is not None and actor not in rule.actors, Why.NOT_COMPETENT, f"{actor} may not order this"),
        (expires is not None and expires <= now, Why.EXPIRED_ORDER, "received after its expiry"),
        (
            expires is not None and expires <= (order.start_at_us or 0),
            Why.MALFORMED,
            "expires before it starts",
        ),
        (not order.reason.strip(), Why.REASON_MISSING, "an order names its reason"),
        (not issue and not order.original_order_no, Why.MALFORMED, "names no original order"),
    ) or officers_fault(order, regime)


def time_fault(order: Order, regime: Regime, now: int) -> Refusal | None:
    """Check the times an order claims, before anything is computed with them; None when they can be."""
    latest = regime.calendar.add(now, regime.messages.clock_skew)
    if order.issued_at_us > latest:
        return Refusal(
            why=Why.FUTURE_ORDER, detail="issued later than now; issued_at_us is microseconds since 1970, UTC"
        )
    if order.victim_transfer is not None and order.victim_transfer.transferred_at_us > MICROS_MAX:
        return Refusal(
            why=Why.FUTURE_ORDER, detail="no transfer was made then; times are microseconds since 1970, UTC"
        )
    if regime.calendar.add(order.issued_at_us, regime.messages.valid_for) <= now:
        return Refusal(
            why=Why.EXPIRED_ORDER, detail="issued too long ago; issued_at_us is microseconds since 1970, UTC"
        )
    return None


def find(work: UnitOfWork, authority_id: str, order_no: str | None) -> Measure | None:
    """Find the measure of an order: the running one, else the latest."""
    found = [
        m for m in work.account.measures.values() if (m.authority_id, m.order_no) == (authority_id, order_no)
    ]
    return max(found, key=lambda m: (m.live, m.rank), default=None)


def _rule(work: UnitOfWork, order: Order) -> OrderedRule | None:
    """Give the rule an order rests on: its own, or that of the measure it is about."""
    held = find(work, order.authority_id, order.original_order_no)
    named, machine = work.regime.named(work.machines[order.kind].rule), work.machines[order.kind]
    rule = named.get(held.rule if held else order.rule) or named.get("")
    return rule if isinstance(rule, OrderedRule) and machine.execute else None


def _lifted_before(work: UnitOfWork, order: Order) -> bool:
    """Settle the lifts that waited for this order; True if one issued later than it has won.

    Such a lift frees what the order would have held, so it takes the people that lifting it would take.
    """
    waiting = [p for p in work.account.parked.values() if p.parent_key == order_key(order)]
    execute = work.machines[order.kind].execute
    would = execute(order, work.account, work.regime, work.now) if waiting and execute else None
    faults = [_parked_fault(work, parked.order, order, would) for parked in waiting]
    wins = [parked for parked, fault in zip(waiting, faults, strict=True) if fault is None]
    if wins:
        lifted = Refusal(why=Why.LIFTED_BEFORE_EXECUTION, detail=wins[0].order.order_no)
        answer(work, order, lifted, takes_number=True)
    for parked, fault in zip(waiting, faults, strict=True):
        resolve(work, parked.order_key, fault, "PARENT_CAME")
    return bool(wins)


def _parked_fault(
    work: UnitOfWork, lift: Order, order: Order, would: Measure | Refusal | None
) -> Refusal | None:
    if lift.issued_at_us < order.issued_at_us:
        return Refusal(why=Why.STALE_LIFT, detail="issued before the order it lifts")
    if not isinstance(would, Measure):
        return None
    return release_fault(work, Effect.LIFT, Release(would, would, _signed_by(lift), lift.reason))


def _execute(work: UnitOfWork, order: Order, actor: Actor) -> None:
    machine = work.machines[order.kind]
    if machine.execute is None:
        answer(work, order, Refusal(why=Why.NO_LEGAL_BASIS, detail=f"no order begins a {order.kind}"))
        return
    result = machine.execute(order, work.account, work.regime, work.now)
    if isinstance(result, Refusal):
        answer(work, order, result)
        return
    flows = machine.flows(order, work.account, work.regime)
    result = become(result, result.state, actor=actor)
    work.put(result, "ORDER")
    _take_over(work, order, result)
    work.settle("ORDER")
    for flow in flows if machine.reports_as else ():
        work.report(order.authority_id, order.order_no, machine.reports_as, flow)
    answer(work, order, result, flows=flows)


def _take_over(work: UnitOfWork, order: Order, fresh: Measure) -> None:
    """End what the fresh measure replaces, after it is in force: never a gap.

    What would free more than the people who signed may release runs on beside it, to its own end.
    """
    for measure in work.account.live():
        state = work.machines[measure.kind].yields_to(measure, fresh, order)
        release = Release(measure, fresh, _signed_by(order), order.reason)
        if state is not None and not release_fault(work, Effect.REPLACE, release):
            _replace(work, measure, state, fresh)


def _replace(work: UnitOfWork, measure: Measure, state: MeasureState, fresh: Measure) -> None:
    ended = end(measure, state, f"{fresh.kind} {fresh.order_no}", regime=work.regime, now=work.now)
    work.put(become(ended, state, converted_to=fresh.measure_id), "ORDER")


def _complete_papers(work: UnitOfWork, order: Order) -> None:
    """Attach papers to a measure; neither its term nor its scope changes."""
    family = family_of(order)
    same_case = [m for m in work.account.live() if m.case_family == family and m.kind is order.kind]
    measure = find(work, order.authority_id, order.original_order_no) or next(iter(same_case), None)
    missing = Refusal(why=Why.PARENT_NOT_FOUND, detail="no measure to complete")
    answer(work, order, measure or missing)


def _act(work: UnitOfWork, order: Order) -> None:
    """Change or end the measure an order names."""
    measure = find(work, order.authority_id, order.original_order_no)
    machine = work.machines[order.kind]
    act = _lift if order.action is Action.LIFT and machine.lifted_as else machine.acts.get(order.action)
    if measure is None and order.action is Action.LIFT:
        parent_key = key_of(order.authority_id, order.original_order_no or "")
        if any(answered.order_key == parent_key for answered in work.account.answered.values()):
            answer(work, order, Refusal(why=Why.ALREADY_ENDED, detail="the order was never in force"))
        else:
            park(work, order, parent_key)
        return
    other = measure is None or measure.kind is not order.kind
    ended = measure is not None and not measure.live and order.action not in machine.revived_by
    fault = first_fault(
        (act is None, Why.NO_LEGAL_BASIS, f"{order.action} of a {order.kind}"),
        (other, Why.PARENT_NOT_FOUND, str(order.original_order_no)),
        (ended, Why.ALREADY_ENDED, measure.state if measure else ""),
    )
    if fault or act is None or measure is None:
        answer(work, order, fault)
        return
    changed = act(work, order, measure)
    if isinstance(changed, Measure):
        share = order.disbursement if order.action is Action.DISBURSE else None
        release = Release(measure, changed, _signed_by(order), order.reason, share)
        changed = release_fault(work, of_order(order.action), release) or changed
    if isinstance(changed, Measure):
        work.put(changed, "ORDER")
        if share:
            book(work, measure, share)
        work.settle("ORDER")
    answer(work, order, changed)


def _signed_by(order: Order) -> tuple[str, ...]:
    return officers_of(order) or (order.authority_id,)


def _lift(work: UnitOfWork, order: Order, measure: Measure) -> Measure | Refusal:
    lifted = work.machines[measure.kind].lifted_as
    if lifted is None:
        return Refusal(why=Why.NO_LEGAL_BASIS, detail=f"no order lifts a {measure.kind}")
    if order.issued_at_us < (measure.issued_at_us or 0):
        return Refusal(why=Why.STALE_LIFT, detail="issued before the term it would end")
    by, why = _signed_by(order), order.reason.strip() or "LIFTED"
    return end(measure, lifted, why, by=by, regime=work.regime, now=work.now)
