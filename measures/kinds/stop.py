"""Emergency stop-payment (domain.md 1.3): match, execute, one more term, onward trace."""

from typing import Any

from measures.authority.people import proportionate
from measures.law import notices
from measures.law.jurisdiction import Regime
from measures.law.rules import StopRule
from measures.money.allocation import presumption
from measures.money.currency import currency_fault, currency_of
from measures.money.disputed import credit_of, disputed, narrowed
from measures.money.tracing import onward
from measures.refusal import Refusal, first_fault
from measures.state.account import Account
from measures.state.machine import Machine, UnitOfWork, become
from schemas.ids import derived_id
from schemas.measure import Clock, ClockKind, Measure, MeasureState
from schemas.order import Action, Direction, Flow, MeasureKind, Order, Scope, VictimTransfer, order_key
from schemas.reply import Why


def family_of(order: Order) -> str:
    """Name the case family an order counts under."""
    return order.case_family or order.case_no or order.order_no


def origin(order: Order) -> dict[str, Any]:
    """Return the fields of a measure that say which order it was made by."""
    return {
        "authority_id": order.authority_id,
        "order_no": order.order_no,
        "case_no": order.case_no,
        "case_family": family_of(order),
        "issued_at_us": order.issued_at_us,
    }


def asked_us(order: Order) -> int | None:
    """Give the length of the term an order asks for, microseconds."""
    if order.start_at_us is None or order.expire_at_us is None:
        return None
    return order.expire_at_us - order.start_at_us


def mismatch(order: Order, account: Account, rule: StopRule, regime: Regime) -> Why | None:
    """Compare order and account as the bank must before it executes; None when all match."""
    facts, sent, checked = account.facts, order.victim_transfer, rule.match
    if facts is None or order.target.account_token != account.account_token:
        return Why.NO_SUCH_ACCOUNT
    target = order.target
    other_bank = bool(facts.institution_id) and facts.institution_id != target.institution_id
    other_name = not facts.name_token or facts.name_token != target.name_token
    compares = "AMOUNT" in checked or "TIME" in checked
    fault = first_fault(
        (facts.closed, Why.ACCOUNT_CLOSED, ""),
        ("ACCOUNT" in checked and other_bank, Why.ACCOUNT_MISMATCH, ""),
        ("NAME" in checked and other_name, Why.NAME_MISMATCH, ""),
        (currency_fault(order, account) is not None, Why.CURRENCY_MISMATCH, ""),
        (compares and not (sent and _received(sent, account, rule, regime)), Why.AMOUNT_TIME_MISMATCH, ""),
    )
    return fault.why if fault else None


def execute(order: Order, account: Account, regime: Regime, now: int) -> Measure | Refusal:
    """Put a stop into force from now, or say why not."""
    rule = regime.rule(StopRule)
    if rule is None:
        return Refusal(why=Why.NO_LEGAL_BASIS, detail=f"{regime.id} knows no stop order")
    if why := mismatch(order, account, rule, regime):
        return Refusal(why=why)
    family = family_of(order)
    if account.terms_used(MeasureKind.STOP, family) >= rule.max_times:
        return Refusal(why=Why.LIMIT_REACHED, detail=f"{rule.max_times} stops in case family {family}")
    about = disputed(order, account)
    currency = currency_of(account, regime, order)
    scope = proportionate(order.scope or rule.scope, about.amount_minor, currency, regime)
    limit, txn_ids = narrowed(order, about), about.txn_ids
    if ref := order.target.txn_ref:
        flow = next((f for f in account.flows if ref in (f.txn_id, f.clearing_serial)), None)
        if flow is None:
            return Refusal(why=Why.NO_SUCH_TRANSACTION, detail=ref)
        scope, limit, txn_ids = Scope.AMOUNT, flow.amount_minor, (flow.txn_id,)
    if scope is Scope.AMOUNT and not limit:
        return Refusal(why=Why.AMOUNT_MISSING, detail="an amount stop names its amount")
    facts = account.facts
    measure = Measure(
        measure_id=derived_id("measure", order_key(order), account.account_token),
        kind=MeasureKind.STOP,
        state=_state(account),
        account_token=account.account_token,
        jurisdiction=regime.law.id,
        regime=regime.id,
        rule="stop",
        scope=scope,
        rank=account.ranks + 1,
        **origin(order),
        currency=currency,
        limit_minor=(limit or 0) if scope is Scope.AMOUNT else 0,
        sequence=account.terms_used(MeasureKind.STOP, family) + 1,
        asked_us=asked_us(order),
        txn_ids=txn_ids,
        notice=notices.notice(regime.law, "STOP_ORDERED", rule, facts.language if facts else ""),
        victim_transfer=order.victim_transfer,
    )
    return start(measure, rule, regime, now)


def start(measure: Measure, rule: StopRule, regime: Regime, now: int) -> Measure:
    """Run a term from its execution: the law's length, or the shorter one asked for."""
    expires = regime.calendar_of(measure.authority_id).add(now, rule.term)
    if measure.asked_us is not None:
        expires = min(expires, now + measure.asked_us)
    return become(
        measure,
        measure.state,
        executed_at_us=now,
        expires_at_us=expires,
        clocks=(Clock(due_us=expires, kind=ClockKind.EXPIRY),),
    )


def extend(work: UnitOfWork, order: Order, measure: Measure) -> Measure | Refusal:
    """Give a stop its next term from now, before or after the first has run out (at most `max_times`)."""
    account, regime, rule = work.account, work.regime, work.regime.rule(StopRule)
    if rule is None:
        return Refusal(why=Why.NO_LEGAL_BASIS, detail=f"{regime.id} knows no stop order")
    used = account.terms_used(MeasureKind.STOP, measure.case_family)
    if used >= rule.max_times:
        return Refusal(why=Why.LIMIT_REACHED, detail=f"{used} of {rule.max_times} terms used")
    if not measure.live and measure.state is not MeasureState.EXPIRED:
        return Refusal(why=Why.ALREADY_ENDED, detail=measure.state)
    fresh = become(
        measure,
        _state(account),
        sequence=used + 1,
        issued_at_us=order.issued_at_us,
        asked_us=asked_us(order),
    )
    if not measure.live:
        fresh = become(
            fresh,
            fresh.state,
            measure_id=derived_id("measure", order_key(order), account.account_token),
            rank=account.ranks + 1,
            ended_why="",
            forget_at_us=None,
        )
    return start(fresh, rule, regime, work.now)


def gone(order: Order, account: Account, regime: Regime) -> tuple[Flow, ...]:
    """Debits that carried the victim's money on, by the presumption that also shares what is left."""
    sent = order.victim_transfer
    found = credit_of(sent, account) if sent else None
    method = presumption(regime.refund.methods)
    return onward(account.flows, account.balance_minor, found, method) if found else ()


def _state(account: Account) -> MeasureState:
    return MeasureState.ACTIVE if account.balance_minor > 0 else MeasureState.ACTIVE_EMPTY


def _received(sent: VictimTransfer, account: Account, rule: StopRule, regime: Regime) -> bool:
    within = regime.calendar.add(0, rule.match_within)
    return any(
        flow.direction is Direction.CREDIT
        and ("AMOUNT" not in rule.match or flow.amount_minor == sent.amount_minor)
        and ("TIME" not in rule.match or abs(flow.at_us - sent.transferred_at_us) <= within)
        for flow in account.flows
    )


def _yields_to(measure: Measure, fresh: Measure, order: Order) -> MeasureState | None:
    """Become the freeze that the same authority orders in the same case."""
    own = measure.authority_id == fresh.authority_id
    same_case = measure.case_family == fresh.case_family or measure.order_no == order.original_order_no
    return MeasureState.CONVERTED if fresh.kind is MeasureKind.FREEZE and own and same_case else None


_RUNS = frozenset({MeasureState.ACTIVE, MeasureState.ACTIVE_EMPTY})
_ENDS = frozenset({MeasureState.LIFTED, MeasureState.CONVERTED, MeasureState.EXPIRED})

MACHINE = Machine(
    kind=MeasureKind.STOP,
    rule=StopRule,
    transitions={None: _RUNS, **dict.fromkeys(_RUNS, _RUNS | _ENDS)},
    expires_as=MeasureState.EXPIRED,
    lifted_as=MeasureState.LIFTED,
    execute=execute,
    acts={Action.EXTEND: extend},
    revived_by=frozenset({Action.EXTEND}),
    yields_to=_yields_to,
    flows=gone,
    reports_as="ONWARD_TRACE",
)
