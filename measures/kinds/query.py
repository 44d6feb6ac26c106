"""Queries of an authority (domain.md 1.5): answered at once, or a subscription to an account's movements.

Queries are confidential: they carry no notice and never show in what is in force.
"""

from measures.kinds.stop import origin
from measures.law.jurisdiction import Regime
from measures.law.rules import QueryRule
from measures.refusal import Refusal
from measures.state.account import Account
from measures.state.machine import Machine, end
from schemas.ids import derived_id
from schemas.measure import Clock, ClockKind, Measure, MeasureState
from schemas.order import Flow, MeasureKind, Order, QueryTerms, Scope, order_key
from schemas.reply import Why


def execute(order: Order, account: Account, regime: Regime, now: int) -> Measure | Refusal:
    """Answer a query, or subscribe the authority until the earlier of its wish and the law's limit."""
    rule, asks = regime.rule(QueryRule), order.query
    if rule is None or asks is None:
        return Refusal(why=Why.MALFORMED, detail="a query says what it asks")
    until = (
        None
        if asks.until_us is None
        else min(asks.until_us, regime.calendar_of(order.authority_id).add(now, rule.max_term))
    )
    measure = Measure(
        measure_id=derived_id("measure", order_key(order), account.account_token),
        kind=MeasureKind.QUERY,
        state=MeasureState.SUBSCRIBED,
        account_token=account.account_token,
        jurisdiction=regime.law.id,
        regime=regime.id,
        rule="query",
        scope=Scope.NONE,
        rank=account.ranks + 1,
        **origin(order),
        executed_at_us=now,
        expires_at_us=until,
        clocks=(Clock(due_us=until, kind=ClockKind.EXPIRY),) if until is not None else (),
    )
    if until is None:
        return end(measure, MeasureState.ANSWERED, "ANSWERED", regime=regime, now=now)
    if until <= now:
        return Refusal(why=Why.EXPIRED_ORDER, detail="the subscription would end before it begins")
    return measure


def contents(order: Order, account: Account, regime: Regime) -> tuple[Flow, ...]:
    """Give the account's recent flows in the asked period."""
    asks = order.query or QueryTerms()
    return tuple(flow for flow in account.flows if asks.from_us <= flow.at_us < asks.to_us)


S = MeasureState

MACHINE = Machine(
    kind=MeasureKind.QUERY,
    rule=QueryRule,
    transitions={
        None: frozenset({S.ANSWERED, S.SUBSCRIBED}),
        S.SUBSCRIBED: frozenset({S.SUBSCRIBED, S.UNSUBSCRIBED, S.EXPIRED}),
    },
    expires_as=S.EXPIRED,
    lifted_as=S.UNSUBSCRIBED,
    execute=execute,
    flows=contents,
    watches_as="DYNAMIC_QUERY",
)
