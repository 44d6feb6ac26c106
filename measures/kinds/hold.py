"""Delays the institution sets itself (domain.md 1.6): held, then released, cancelled or blocked."""

from measures.law import notices
from measures.law.jurisdiction import Regime
from measures.law.rules import HoldRule
from measures.law.words import REASON_CODES
from measures.money.currency import comparable, currency_of
from measures.money.release import Effect, Release, release_fault
from measures.refusal import Refusal, first_fault
from measures.state.account import Account
from measures.state.machine import Machine, UnitOfWork, become, end
from schemas.commands import EndHold, PlaceHold
from schemas.ids import derived_id
from schemas.measure import Clock, ClockKind, Measure, MeasureState
from schemas.order import Direction, MeasureKind, Order, Scope
from schemas.reply import Why
from schemas.units import DAY_US

S = MeasureState


#: How a hold ends by hand, and what that is to the guard.
ENDS = {
    "CANCEL": (S.CANCELLED_BY_PAYER, Effect.CANCEL),
    "CONFIRM": (S.RELEASED_BY_CONFIRMATION, Effect.RELEASE),
    "BLOCK": (S.BLOCKED, Effect.BLOCK),
}


def place(command: PlaceHold, account: Account, regime: Regime, now: int) -> Measure | Refusal:
    """Hold a payment or an amount for the rule's term, if the sums are large enough for the rule.

    One payment, and one sum of a case, is held under a rule once: a new decision gives it no new term.
    """
    rule = regime.rule(HoldRule, command.rule)
    if rule is None:
        return Refusal(why=Why.NO_LEGAL_BASIS, detail=f"{regime.id} has no hold {command.rule!r}")
    begins = now if rule.starts == "EXECUTION" else command.received_at_us
    if begins is None:
        return Refusal(
            why=Why.TIME_MISSING, detail="the term runs from the order's receipt; name received_at_us"
        )
    measure_id = derived_id("measure", command.decision_id, account.account_token, command.rule)
    if measure_id in account.measures:
        return account.measures[measure_id]
    extended = _extended(command, account, rule)
    before = _held_before(command, account)
    amount = min(command.amount_minor, _not_held_yet(command, account))
    small = amount < rule.min_amount or account.balance_minor < rule.min_balance
    unlike = bool(rule.min_amount or rule.min_balance) and not comparable(account.currency, regime)
    within = regime.calendar.add(begins, rule.grounds_within) if rule.grounds_within else None
    holder = account.facts.holder_kind if account.facts else None
    starts = extended.expires_at_us if extended and extended.expires_at_us else begins
    expires = regime.calendar.add(starts, rule.term)
    if extended:
        amount = min(amount, extended.limit_minor)
    by_amount, by_payment = rule.scope is Scope.AMOUNT, rule.scope is Scope.TRANSACTION
    fault = first_fault(
        (bool(before) and not amount, Why.LIMIT_REACHED, "was held under this rule before"),
        (command.reason_code not in REASON_CODES, Why.UNKNOWN_REASON, command.reason_code),
        (bool(rule.extends) and not extended, Why.CONDITION_UNMET, f"no {rule.extends} of the case runs"),
        (begins > now, Why.FUTURE_ORDER, "received later than now"),
        (within is not None and now >= within, Why.TOO_LATE, "the grounds came later than the law allows"),
        (expires <= now, Why.TOO_LATE, "the term the law gives has run out already"),
        (
            bool(rule.holders and holder) and holder not in rule.holders,
            Why.CONDITION_UNMET,
            f"{holder} account",
        ),
        (
            _outflow_fault(command, account, rule, now),
            Why.BELOW_THRESHOLD,
            "too small a share of the balance",
        ),
        (unlike, Why.CURRENCY_MISMATCH, f"the rule's sums are in {regime.law.currency}"),
        (small, Why.BELOW_THRESHOLD, "too small a sum for this hold"),
        (by_amount and not command.amount_minor, Why.AMOUNT_MISSING, "an amount hold names its amount"),
        (by_payment and not command.txn_id, Why.NO_SUCH_TRANSACTION, "a delayed payment is named"),
    )
    if fault:
        return fault
    return Measure(
        measure_id=measure_id,
        kind=MeasureKind.HOLD,
        state=S.HELD,
        account_token=account.account_token,
        jurisdiction=regime.law.id,
        regime=regime.id,
        rule=command.rule,
        scope=rule.scope,
        rank=account.ranks + 1,
        case_family=command.case_family,
        currency=currency_of(account, regime),
        limit_minor=amount,
        executed_at_us=now,
        counted_from_us=begins,
        expires_at_us=expires,
        clocks=(Clock(due_us=expires, kind=ClockKind.EXPIRY),),
        txn_ids=(command.txn_id,) if command.txn_id else (),
        notice=notices.notice(
            regime.law, command.reason_code, rule, account.facts.language if account.facts else ""
        ),
    )


def _extended(command: PlaceHold, account: Account, rule: HoldRule) -> Measure | None:
    """Give the running hold of the same case that a hold by this rule takes over."""
    family = command.case_family
    return next(
        (m for m in account.live() if rule.extends and (m.rule, m.case_family) == (rule.extends, family)),
        None,
    )


def _outflow_fault(command: PlaceHold, account: Account, rule: HoldRule, now: int) -> bool:
    """Whether the outflow of 24 hours is no more than the share of the balance that the rule asks for."""
    if rule.min_outflow_percent is None:
        return False
    left = sum(
        flow.amount_minor
        for flow in account.flows
        if flow.direction is Direction.DEBIT and now - DAY_US < flow.at_us <= now
    )
    before = account.balance_minor + left
    return (left + command.amount_minor) * 100 <= before * rule.min_outflow_percent


def _held_before(command: PlaceHold, account: Account) -> list[Measure]:
    """List holds of the same payment, or of the same case's money, under the same rule, ended ones too."""
    same_rule = (
        m for m in account.measures.values() if m.kind is MeasureKind.HOLD and m.rule == command.rule
    )
    if command.txn_id:
        return [measure for measure in same_rule if command.txn_id in measure.txn_ids]
    return [measure for measure in same_rule if measure.case_family == command.case_family]


def _not_held_yet(command: PlaceHold, account: Account) -> int:
    """Give how much money there is that no earlier hold covered: what came in since the last of them."""
    before = _held_before(command, account)
    if command.txn_id or not before:
        return 0 if before else command.amount_minor
    since = max(measure.executed_at_us or 0 for measure in before)
    credits = (flow for flow in account.flows if flow.direction is Direction.CREDIT)
    return sum(flow.amount_minor for flow in credits if flow.at_us > since)


def conclude(work: UnitOfWork, command: EndHold, measure: Measure) -> Measure | Refusal:
    """End a hold before its time: the payer cancels, or staff confirm or block the payment."""
    if measure.state is not S.HELD:
        return Refusal(why=Why.WRONG_STATE, detail=measure.state)
    no_payment = command.outcome == "BLOCK" and measure.scope is not Scope.TRANSACTION
    fault = first_fault((no_payment, Why.WRONG_STATE, "only a payment can be blocked"))
    if command.outcome == "CANCEL":
        fault = _cancel_fault(measure, work.regime, work.now)
    state, effect = ENDS[command.outcome]
    why = command.reason.strip() or command.outcome
    ended = end(measure, state, why, by=command.by, regime=work.regime, now=work.now)
    release = Release(measure, ended, command.by, command.reason)
    return fault or release_fault(work, effect, release) or ended


def _cancel_fault(measure: Measure, regime: Regime, now: int) -> Refusal | None:
    rule = regime.rule(HoldRule, measure.rule)
    if rule is None or not rule.cancellable:
        return Refusal(why=Why.NOT_CANCELLABLE, detail=measure.rule)
    until = measure.expires_at_us or now
    if rule.cancel_until_before:
        until = regime.calendar.subtract(until, rule.cancel_until_before)
    return first_fault((now > until, Why.TOO_LATE, "the payment runs too soon to be cancelled"))


def _place(work: UnitOfWork, command: PlaceHold) -> Refusal | None:
    known, placed = work.account.measures, place(command, work.account, work.regime, work.now)
    rule = work.regime.rule(HoldRule, command.rule)
    extended = _extended(command, work.account, rule) if rule else None
    refusal = work.impose(placed)
    if extended and isinstance(placed, Measure) and placed.measure_id not in known:
        over = end(extended, S.ESCALATED, command.rule, regime=work.regime, now=work.now)
        work.put(become(over, S.ESCALATED, converted_to=placed.measure_id), "INSTITUTION")
        work.settle("INSTITUTION")
    if isinstance(placed, Measure) and rule and placed.measure_id not in known:
        calendar, begins = work.regime.calendar, placed.counted_from_us or work.now
        if not calendar.foresees(begins, rule.term):
            work.alert(
                "CALENDAR_UNCERTAIN", placed.measure_id, f"holidays are certain until {calendar.known_until}"
            )
    return refusal


def _conclude(work: UnitOfWork, command: EndHold) -> Refusal | None:
    measure = work.account.measures.get(command.measure_id)
    if measure is None or measure.kind is not MeasureKind.HOLD:
        return Refusal(why=Why.WRONG_STATE, detail="no such hold")
    ended = conclude(work, command, measure)
    if isinstance(ended, Refusal):
        return ended
    work.put(ended, command.outcome)
    work.settle(command.outcome)
    return None


def _yields_to(measure: Measure, fresh: Measure, order: Order) -> MeasureState | None:
    """Give a held sum to the order that follows in the same case."""
    by_order = fresh.kind in (MeasureKind.STOP, MeasureKind.FREEZE)
    same_case = measure.case_family == fresh.case_family
    return S.ESCALATED if measure.scope is not Scope.TRANSACTION and by_order and same_case else None


MACHINE = Machine(
    kind=MeasureKind.HOLD,
    rule=HoldRule,
    transitions={
        None: frozenset({S.HELD}),
        S.HELD: frozenset(
            {S.HELD, S.RELEASED_AT_TIMER, S.ESCALATED, S.LIFTED} | {state for state, _ in ENDS.values()}
        ),
    },
    expires_as=S.RELEASED_AT_TIMER,
    commands={PlaceHold: _place, EndHold: _conclude},
    yields_to=_yields_to,
)
