"""Freeze (domain.md 1.4): execution, waiting queue, top-up, verification clocks, renewal, pay-out."""

import msgspec

from measures.authority.people import proportionate
from measures.kinds.stop import asked_us, family_of, origin
from measures.law import notices
from measures.law.calendar import Calendar, Term
from measures.law.jurisdiction import Regime
from measures.law.rules import FreezeRule, Verification
from measures.money.currency import comparable, currency_fault, currency_of
from measures.money.disburse import disburse
from measures.money.disputed import disputed, narrowed
from measures.refusal import Refusal, first_fault
from measures.state.account import Account, waterfall
from measures.state.machine import Machine, UnitOfWork, become, end
from schemas.ids import derived_id
from schemas.measure import Clock, ClockKind, Measure, MeasureState
from schemas.order import Action, FreezeTerms, MeasureKind, Order, Scope, order_key
from schemas.reply import Why

S = MeasureState


def papers_fault(
    terms: FreezeTerms, amount_minor: int, rule: FreezeRule, scope: Scope, *, small: bool = True
) -> Refusal | None:
    """Check ground, reasons and approvals of a freeze order; None when in order.

    A sum that cannot be held against the bulk threshold is not `small`.
    """
    whole = scope is Scope.ALL_OUTFLOW
    reaches, bulk = terms.approval_level.reaches, rule.bulk
    unreasoned = whole and rule.scope is Scope.AMOUNT and not terms.whole_reason.strip()
    major_fault = terms.major_case and not (rule.major_term and reaches(rule.major_level))
    fault = first_fault(
        (not terms.legal_doc_no, Why.PAPERS_MISSING, "a freeze order names its legal document"),
        (rule.needs_case and not terms.filing_doc_ref, Why.CASE_NOT_FILED, "no freezing before case filing"),
        (unreasoned, Why.REASON_MISSING, "freezing a whole account needs a reason"),
        (not whole and not amount_minor, Why.AMOUNT_MISSING, "a limited freeze names its amount"),
        (major_fault, Why.APPROVAL_TOO_LOW, f"a major case needs {rule.major_level} approval"),
    )
    if fault or bulk is None or not (terms.bulk or amount_minor > bulk.amount or not small):
        return fault
    return first_fault(
        (not terms.legal_review_ref, Why.LEGAL_REVIEW_MISSING, "beyond the bulk thresholds"),
        (not reaches(bulk.level), Why.APPROVAL_TOO_LOW, f"bulk freezes need {bulk.level} approval"),
    )


def counted_from(order: Order, rule: FreezeRule, now: int) -> int | Refusal:
    """Give the instant the law counts an order's term from: now, or the victim's report before it."""
    if rule.starts != "REPORT":
        return now
    reported = order.reported_at_us
    return first_fault(
        (reported is None, Why.TIME_MISSING, "the term runs from the victim's report; name reported_at_us"),
        ((reported or 0) > now, Why.FUTURE_ORDER, "reported later than now"),
    ) or (reported or now)


def execute(order: Order, account: Account, regime: Regime, now: int) -> Measure | Refusal:
    """Put a freeze into force, partly, or in the queue behind an earlier one."""
    rule, facts = regime.rule(FreezeRule), account.facts
    if rule is None or facts is None:
        why = Why.NO_LEGAL_BASIS if rule is None else Why.NO_SUCH_ACCOUNT
        return Refusal(why=why, detail=f"no freeze under {regime.id}")
    terms, about = order.freeze or FreezeTerms(legal_doc_no=""), disputed(order, account)
    asked = order.scope or rule.scope
    currency = currency_of(account, regime, order)
    scope = proportionate(asked, about.amount_minor, currency, regime)
    limit = (narrowed(order, about) if order.amount_minor or scope is not asked else 0) or 0
    name = order.target.name_token
    fault = first_fault(
        (bool(name and facts.name_token) and name != facts.name_token, Why.NAME_MISMATCH, ""),
    )
    asks = max(limit, order.amount_minor or 0)
    fault = fault or currency_fault(order, account)
    fault = fault or papers_fault(terms, asks, rule, scope, small=comparable(currency, regime))
    fault = fault or _period_fault(order, account, rule, regime)
    begins = counted_from(order, rule, now)
    if fault:
        return fault
    if isinstance(begins, Refusal):
        return begins
    measure = Measure(
        measure_id=derived_id("measure", order_key(order), account.account_token),
        kind=MeasureKind.FREEZE,
        state=S.WAITING,
        account_token=account.account_token,
        jurisdiction=regime.law.id,
        regime=regime.id,
        rule="freeze",
        scope=scope,
        rank=account.ranks + 1,
        **origin(order),
        currency=currency,
        limit_minor=limit if scope is Scope.AMOUNT else 0,
        asked_us=asked_us(order),
        counted_from_us=None if rule.starts == "EXECUTION" else begins,
        txn_ids=about.txn_ids,
        whole_or_linked=scope is Scope.ALL_OUTFLOW or terms.linked_account,
        major_case=terms.major_case,
        notice=notices.notice(regime.law, "FREEZE_ORDERED", rule, facts.language),
        victim_transfer=order.victim_transfer,
    )
    if regime.calendar_of(order.authority_id).add(begins, _term(measure, rule)) <= now:
        return Refusal(why=Why.TOO_LATE, detail="the term the law gives has run out already")
    with_it = msgspec.structs.replace(account, measures=account.measures | {measure.measure_id: measure})
    takes = waterfall(with_it, now)[measure.measure_id]
    return label(measure, takes, behind=bool(_freezes(account)), regime=regime, now=now)


def label(measure: Measure, takes: int, *, behind: bool, regime: Regime, now: int) -> Measure:
    """Name the state of a freeze that now holds `takes` minor units; its term starts when it first holds.

    `behind` says that an earlier freeze runs on the account.
    """
    if measure.state is S.WAITING:
        if behind and takes == 0:
            return measure
        measure = _start(measure, regime, now)
    if measure.state is S.REVIEW_DUE:
        state = S.REVIEW_DUE
    elif measure.scope is Scope.AMOUNT and takes < measure.remaining_minor:
        state = S.ACTIVE_SHORTFALL
    elif measure.disbursed_minor:
        state = S.PARTIALLY_DISBURSED
    else:
        state = S.ACTIVE
    return become(measure, state, held_minor=takes)


def renew(work: UnitOfWork, order: Order, measure: Measure) -> Measure | Refusal:
    """Extend a running freeze by one more term, in time and with its legal review."""
    regime, now = work.regime, work.now
    rule, expires = regime.rule(FreezeRule), measure.expires_at_us
    if rule is None or expires is None:
        return Refusal(why=Why.WRONG_STATE, detail=f"a freeze in state {measure.state} cannot be renewed")
    if rule.max_times is not None and measure.sequence >= rule.max_times:
        return Refusal(why=Why.LIMIT_REACHED, detail=f"{rule.max_times} terms used")
    if rule.renew_before and now > regime.calendar_of(measure.authority_id).subtract(
        expires, rule.renew_before
    ):
        return Refusal(why=Why.TOO_LATE, detail="renewals are processed before the renewal deadline")
    if rule.renewal_review and not (order.freeze and order.freeze.legal_review_ref):
        return Refusal(why=Why.LEGAL_REVIEW_MISSING, detail="a renewal needs a legal review")
    if rule.needs_period and asked_us(order) is None:
        return Refusal(why=Why.TIME_MISSING, detail="the order names its own period")
    term = _term(measure, rule)
    longer = regime.calendar_of(measure.authority_id).add(expires - bool(term.edge), term)
    if rule.needs_period:
        longer = min(longer, expires + (asked_us(order) or 0))
    kept = tuple(c for c in measure.clocks if c.kind not in (ClockKind.EXPIRY, ClockKind.RENEWAL))
    return become(
        measure,
        measure.state,
        sequence=measure.sequence + 1,
        issued_at_us=order.issued_at_us,
        expires_at_us=longer,
        clocks=tuple(sorted(kept + _end_clocks(longer, rule, regime.calendar_of(measure.authority_id), now))),
    )


def confirm(measure: Measure) -> Measure:
    """Record that an authority verified the freeze: its verification clocks stop.

    The clocks of a waiting freeze have not begun, so there is nothing to stop.
    """
    if measure.state is S.WAITING:
        return measure
    return become(measure, S.ACTIVE, clocks=measure.clocks_without(ClockKind.REVIEW, ClockKind.VERIFY))


def reduce(measure: Measure, to_minor: int) -> Measure | Refusal:
    """Narrow a measure to a smaller sum; `to_minor` counts what was already paid out of it.

    A measure on the whole account becomes one over a sum, so it is narrowed to what is disputed.
    """
    ceiling, sent = measure.limit_minor if measure.scope is Scope.AMOUNT else None, measure.victim_transfer
    if ceiling is None and sent and len(measure.txn_ids) <= 1:
        to_minor = min(to_minor, sent.amount_minor)
    if to_minor <= measure.disbursed_minor or (ceiling is not None and to_minor > ceiling):
        return Refusal(why=Why.OVER_AMOUNT, detail="a reduction names a smaller sum than before")
    state = S.ACTIVE if measure.state is S.REVIEW_DUE else measure.state
    clocks = measure.clocks_without(ClockKind.REVIEW)
    return become(measure, state, scope=Scope.AMOUNT, limit_minor=to_minor, clocks=clocks)


def _period_fault(order: Order, account: Account, rule: FreezeRule, regime: Regime) -> Refusal | None:
    """Check the period an order names, and that the report came in time after the institution's hold."""
    family, reported = family_of(order), order.reported_at_us
    holds = [
        m.executed_at_us
        for m in account.measures.values()
        if m.kind is MeasureKind.HOLD and m.case_family == family and m.executed_at_us is not None
    ]
    late = False
    if rule.report_within and holds and reported is not None:
        late = reported > regime.calendar.add(min(holds), rule.report_within)
    small = 0 < (order.amount_minor or 0) < rule.min_amount
    return first_fault(
        (small, Why.BELOW_THRESHOLD, "too small a sum for this freeze"),
        (rule.needs_period and asked_us(order) is None, Why.TIME_MISSING, "the order names its own period"),
        (late, Why.CONDITION_UNMET, "the victim reported too late after the hold"),
    )


def _freezes(account: Account) -> list[Measure]:
    return [m for m in account.live() if m.kind is MeasureKind.FREEZE]


def _term(measure: Measure, rule: FreezeRule) -> Term:
    return rule.major_term if measure.major_case and rule.major_term else rule.term


def _start(measure: Measure, regime: Regime, now: int) -> Measure:
    rule = regime.rule(FreezeRule)
    if rule is None:
        raise ValueError(f"{regime.id} lost its freeze rule while a freeze waited")
    calendar = regime.calendar_of(measure.authority_id)
    begins = now if measure.counted_from_us is None else measure.counted_from_us
    expires = calendar.add(begins, _term(measure, rule))
    if measure.asked_us is not None:
        expires = min(expires, now + measure.asked_us)
    checks = tuple(
        Clock(
            due_us=calendar.add(begins, check.after),
            kind=ClockKind.REVIEW if check.then == "REVIEW" else ClockKind.VERIFY,
        )
        for check in rule.verify
        if measure.whole_or_linked or not check.whole_or_linked
    )
    return become(
        measure,
        S.ACTIVE,
        executed_at_us=now,
        expires_at_us=expires,
        clocks=tuple(sorted(checks + _end_clocks(expires, rule, calendar, now))),
    )


def _end_clocks(expires: int, rule: FreezeRule, calendar: Calendar, now: int) -> tuple[Clock, ...]:
    """Return when the term ends and by when a renewal must be in, unless the term is too short for one."""
    end = Clock(due_us=expires, kind=ClockKind.EXPIRY)
    deadline = calendar.subtract(expires, rule.renew_before) if rule.renew_before else now
    if deadline <= now:
        return (end,)
    return (Clock(due_us=deadline, kind=ClockKind.RENEWAL), end)


def _confirm(work: UnitOfWork, order: Order, measure: Measure) -> Measure:
    return confirm(measure)


def _reduce(work: UnitOfWork, order: Order, measure: Measure) -> Measure | Refusal:
    return reduce(measure, order.amount_minor or 0)


def _unverified(work: UnitOfWork, measure: Measure) -> None:
    """Free what no authority verified in time, or show it to a person where the law frees others alone."""
    rule = work.regime.rule(FreezeRule)
    release = next((check for check in rule.verify if check.then == "RELEASE"), None) if rule else None
    if release and not _released(release, measure):
        work.put(become(measure, S.REVIEW_DUE, clocks=measure.clocks_without(ClockKind.VERIFY)), "TIMER")
        work.alert("REVIEW_DUE", measure.measure_id)
        return
    ended = end(measure, S.RELEASED, "NOT_VERIFIED_IN_TIME", regime=work.regime, now=work.now)
    work.put(ended, "TIMER")
    work.alert("FREEZE_RELEASED_UNVERIFIED", measure.measure_id)


def _released(check: Verification, measure: Measure) -> bool:
    small = check.below is None or measure.remaining_minor < check.below
    return small and (not check.ordered_by or measure.actor in (None, *check.ordered_by))


def _review(work: UnitOfWork, measure: Measure) -> None:
    work.put(become(measure, S.REVIEW_DUE, clocks=measure.clocks_without(ClockKind.REVIEW)), "TIMER")
    work.alert("REVIEW_DUE", measure.measure_id)


def _renewal(work: UnitOfWork, measure: Measure) -> None:
    work.put(become(measure, measure.state, clocks=measure.clocks_without(ClockKind.RENEWAL)), "TIMER")
    work.alert("RENEWAL_DEADLINE", measure.measure_id)


_RUNS = frozenset({S.ACTIVE, S.ACTIVE_SHORTFALL, S.REVIEW_DUE, S.PARTIALLY_DISBURSED})
_ENDS = frozenset({S.LAPSED, S.RELEASED, S.LIFTED, S.DISBURSED})

MACHINE = Machine(
    kind=MeasureKind.FREEZE,
    rule=FreezeRule,
    transitions={
        None: frozenset({S.ACTIVE, S.ACTIVE_SHORTFALL, S.WAITING}),
        S.WAITING: _RUNS | _ENDS | {S.WAITING},
        **dict.fromkeys(_RUNS, _RUNS | _ENDS),
    },
    expires_as=S.LAPSED,
    lifted_as=S.RELEASED,
    execute=execute,
    acts={
        Action.EXTEND: renew,
        Action.CONFIRM: _confirm,
        Action.REDUCE: _reduce,
        Action.DISBURSE: disburse,
    },
    clocks={ClockKind.VERIFY: _unverified, ClockKind.REVIEW: _review, ClockKind.RENEWAL: _renewal},
    holds=label,
    queued=True,
)
