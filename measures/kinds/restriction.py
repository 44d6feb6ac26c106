"""Suspended functions of an account (domain.md 1.7): by the institution, by an order, cured by identity."""

from measures.kinds.stop import asked_us, origin
from measures.law import notices
from measures.law.jurisdiction import Regime
from measures.law.rules import RestrictRule
from measures.law.words import REASON_CODES
from measures.money.release import Effect, Release, release_fault
from measures.refusal import Refusal, first_fault
from measures.state.account import Account
from measures.state.machine import Machine, UnitOfWork, become, end
from schemas.commands import Restrict, Reverify
from schemas.ids import derived_id
from schemas.measure import Clock, ClockKind, Measure, MeasureState
from schemas.order import Action, Actor, MeasureKind, Order, order_key
from schemas.reply import Why


def order(order: Order, account: Account, regime: Regime, now: int) -> Measure | Refusal:
    """Restrict an account by order of an authority."""
    rule = regime.rule(RestrictRule, order.rule)
    if rule is None:
        return Refusal(why=Why.NO_LEGAL_BASIS, detail=f"{regime.id} has no restriction {order.rule!r}")
    if rule.needs_period and asked_us(order) is None:
        return Refusal(why=Why.TIME_MISSING, detail="the order names its own period")
    cause = order_key(order)
    measure = _impose(account, regime, rule, now, cause=cause, name=order.rule, reason="RESTRICTION_ORDERED")
    return _run(
        become(
            measure,
            measure.state,
            **origin(order),
            asked_us=asked_us(order),
        ),
        rule,
        regime,
        now,
    )


def impose(
    account: Account,
    regime: Regime,
    now: int,
    *,
    name: str,
    decision_id: str,
    reason_code: str,
    until_us: int | None = None,
) -> Measure | Refusal:
    """Restrict an account by the institution's own trigger."""
    rule = regime.rule(RestrictRule, name)
    if rule is None or Actor.BANK not in rule.actors:
        return Refusal(
            why=Why.NO_LEGAL_BASIS, detail=f"{regime.id} lets no institution restrict for {name!r}"
        )
    fault = first_fault(
        (reason_code not in REASON_CODES, Why.UNKNOWN_REASON, reason_code),
        (rule.needs_period and until_us is None, Why.TIME_MISSING, "name the listing's end as until_us"),
        (until_us is not None and until_us <= now, Why.TOO_LATE, "the end has passed already"),
    )
    if fault:
        return fault
    measure = _impose(account, regime, rule, now, cause=decision_id, name=name, reason=reason_code)
    if until_us is not None:
        measure = become(measure, measure.state, asked_us=until_us - now)
    return _run(measure, rule, regime, now)


def extend(work: UnitOfWork, order: Order, measure: Measure) -> Measure | Refusal:
    """Give a running restriction its next term, from the end of the present one."""
    regime, rule = work.regime, work.regime.rule(RestrictRule, measure.rule)
    if rule is None or rule.term is None or measure.expires_at_us is None:
        return Refusal(why=Why.NO_LEGAL_BASIS, detail="this restriction has no term to extend")
    if measure.sequence >= rule.max_times:
        return Refusal(why=Why.LIMIT_REACHED, detail=f"{rule.max_times} terms used")
    calendar = regime.calendar_of(measure.authority_id)
    expires = calendar.add(measure.expires_at_us - bool(rule.term.edge), rule.term)
    return become(
        measure,
        measure.state,
        sequence=measure.sequence + 1,
        issued_at_us=order.issued_at_us,
        expires_at_us=expires,
        clocks=(Clock(due_us=expires, kind=ClockKind.EXPIRY),),
    )


def _impose(
    account: Account, regime: Regime, rule: RestrictRule, now: int, *, cause: str, name: str, reason: str
) -> Measure:
    language = account.facts.language if account.facts else ""
    return Measure(
        measure_id=derived_id("measure", cause, account.account_token, name),
        kind=MeasureKind.RESTRICTION,
        state=MeasureState.PENDING if rule.grace else MeasureState.APPLIED,
        account_token=account.account_token,
        jurisdiction=regime.law.id,
        regime=regime.id,
        rule=name,
        scope=rule.scope,
        rank=account.ranks + 1,
        functions=rule.functions,
        exempt=rule.exempt,
        executed_at_us=now,
        notice=notices.notice(regime.law, reason, rule, language),
    )


def _run(measure: Measure, rule: RestrictRule, regime: Regime, now: int) -> Measure:
    """Start the grace period and the term."""
    calendar = regime.calendar_of(measure.authority_id)
    starts = calendar.add(now, rule.grace) if rule.grace else now
    clocks = [Clock(due_us=starts, kind=ClockKind.GRACE)] if rule.grace else []
    expires = calendar.add(starts, rule.term) if rule.term else None
    if expires is not None and measure.asked_us is not None:
        expires = min(expires, now + measure.asked_us)
    if expires is not None:
        clocks.append(Clock(due_us=expires, kind=ClockKind.EXPIRY))
    return become(measure, measure.state, expires_at_us=expires, clocks=tuple(sorted(clocks)))


def _restrict(work: UnitOfWork, command: Restrict) -> Refusal | None:
    imposed = impose(
        work.account,
        work.regime,
        work.now,
        name=command.rule,
        decision_id=command.decision_id,
        reason_code=command.reason_code,
        until_us=command.until_us,
    )
    return work.impose(imposed)


def _reverify(work: UnitOfWork, command: Reverify) -> Refusal | None:
    for measure in work.account.live():
        rule = work.regime.rule(RestrictRule, measure.rule)
        if measure.kind is not MeasureKind.RESTRICTION or rule is None or not rule.cure:
            continue
        state = S.CURED if measure.state is S.PENDING else S.RESTORED
        ended = end(measure, state, "IDENTITY_VERIFIED", by=command.by, regime=work.regime, now=work.now)
        release = Release(measure, ended, command.by, "IDENTITY_VERIFIED")
        if fault := release_fault(work, Effect.CURE, release):
            return fault
        work.put(ended, "REVERIFY")
    return None


def _apply(work: UnitOfWork, measure: Measure) -> None:
    """Let the restriction begin: the days of grace are over."""
    work.put(become(measure, S.APPLIED, clocks=measure.clocks_without(ClockKind.GRACE)), "TIMER")


S = MeasureState

MACHINE = Machine(
    kind=MeasureKind.RESTRICTION,
    rule=RestrictRule,
    transitions={
        None: frozenset({S.PENDING, S.APPLIED}),
        S.PENDING: frozenset({S.APPLIED, S.CURED, S.LIFTED}),
        S.APPLIED: frozenset({S.APPLIED, S.RESTORED, S.EXPIRED, S.LIFTED}),
    },
    expires_as=S.EXPIRED,
    lifted_as=S.LIFTED,
    execute=order,
    acts={Action.EXTEND: extend},
    commands={Restrict: _restrict, Reverify: _reverify},
    clocks={ClockKind.GRACE: _apply},
)
