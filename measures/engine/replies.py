"""Answers to an authority: composed, remembered, and given again to the same message."""

import msgspec

from measures.refusal import Refusal
from measures.state.machine import UnitOfWork
from schemas.ids import derived_id
from schemas.journal import OrderAnswered, OrderParked, ParkEnded
from schemas.measure import Measure, MeasureState
from schemas.order import Flow, Order, body_hash, message_key, order_key
from schemas.reply import Reply, ReplyCode, Why

#: Answers of an institution that could not execute; everything else is a refusal of the order itself.
NOT_EXECUTED = frozenset(
    {
        Why.NAME_MISMATCH,
        Why.ACCOUNT_MISMATCH,
        Why.AMOUNT_TIME_MISMATCH,
        Why.NO_SUCH_ACCOUNT,
        Why.NO_SUCH_TRANSACTION,
        Why.ACCOUNT_CLOSED,
        Why.CURRENCY_MISMATCH,
        Why.LIFTED_BEFORE_EXECUTION,
        Why.LIMIT_REACHED,
        Why.TECHNICAL,
    }
)


def answer(
    work: UnitOfWork,
    order: Order,
    result: Measure | Refusal | None,
    *,
    flows: tuple[Flow, ...] = (),
    takes_number: bool | None = None,
) -> None:
    """Reply to an order and remember the reply as long as the order could come again.

    An order that had no effect does not take its number, unless `takes_number` says so.
    """
    taken = not isinstance(result, Refusal) if takes_number is None else takes_number
    _remember(work, order, _compose(work, order, result, flows), takes_number=taken)


def answer_unstored(work: UnitOfWork, order: Order, refusal: Refusal) -> None:
    """Refuse a message without taking the order in: a corrected message may follow."""
    work.replies.append(_compose(work, order, refusal))


def answer_again(work: UnitOfWork, order: Order, known: OrderAnswered) -> None:
    """Give the stored reply once more, marked as a duplicate."""
    again = msgspec.structs.replace(
        known.reply,
        code=ReplyCode.DUPLICATE,
        original_code=known.reply.code,
        in_reply_to=order.message_serial,
    )
    work.replies.append(again)


def quarantine(work: UnitOfWork, order: Order) -> None:
    """Refuse a second, different order under a number in use; the first stands, a person is asked."""
    work.alert("ORDER_CONFLICT", f"{order.authority_id}/{order.order_no}", order.message_serial)
    said = f"number {order.order_no} is in use for another order; give this one a number of its own"
    answer_unstored(work, order, Refusal(why=Why.ORDER_CONFLICT, detail=said))


def park(work: UnitOfWork, order: Order, parent_key: str) -> None:
    """Let a lift wait for the order it lifts."""
    until = work.regime.calendar.add(work.now, work.regime.messages.park_for)
    work.record(OrderParked, order=order, order_key=order_key(order), parent_key=parent_key, until_us=until)
    reply = msgspec.structs.replace(_compose(work, order, None), code=ReplyCode.PENDING_PARENT)
    _remember(work, order, reply, takes_number=True)


def resolve(work: UnitOfWork, lift_key: str, result: Refusal | None, cause: str) -> None:
    """Give a parked lift its final answer."""
    order = work.account.parked[lift_key].order
    work.record(ParkEnded, order_key=lift_key, cause=cause)
    answer(work, order, result, takes_number=True)


def _remember(work: UnitOfWork, order: Order, reply: Reply, *, takes_number: bool) -> None:
    regime = work.regime
    work.record(
        OrderAnswered,
        reply=reply,
        takes_number=takes_number,
        order_key=order_key(order),
        message_key=message_key(order),
        body_hash=body_hash(order),
        forget_at_us=regime.calendar.add(work.now, regime.messages.remembers(order.kind)),
    )
    work.replies.append(reply)


def _compose(
    work: UnitOfWork, order: Order, result: Measure | Refusal | None, flows: tuple[Flow, ...] = ()
) -> Reply:
    refusal = result if isinstance(result, Refusal) else None
    code = ReplyCode.OK
    if refusal is not None:
        code = ReplyCode.NOT_EXECUTED if refusal.why in NOT_EXECUTED else ReplyCode.REFUSED
    if refusal is not None and refusal.why is Why.ORDER_CONFLICT:
        code = ReplyCode.CONFLICT
    reply = Reply(
        authority_id=order.authority_id,
        order_no=order.order_no,
        case_no=order.case_no,
        in_reply_to=order.message_serial,
        message_serial=derived_id("reply", message_key(order), code, work.account.version),
        code=code,
        at_us=work.now,
        version=work.account.version,
        why=refusal.why if refusal else None,
        detail=refusal.detail if refusal else "",
        flows=flows,
    )
    if isinstance(result, Measure):
        return _with_measure(reply, work, work.account.measures[result.measure_id])
    return reply


def _caution(work: UnitOfWork, measure: Measure) -> str:
    rule = work.regime.rule(work.machines[measure.kind].rule, measure.rule) or work.regime.rule(
        work.machines[measure.kind].rule
    )
    term, begins = getattr(rule, "term", None), measure.counted_from_us or measure.executed_at_us
    calendar = work.regime.calendar_of(measure.authority_id)
    if term is None or begins is None or calendar.foresees(begins, term):
        return ""
    return f"holidays are certain until {calendar.known_until} only; the end may move"


def _with_measure(reply: Reply, work: UnitOfWork, measure: Measure) -> Reply:
    """Add what holds now, and which came before it where measures of a kind wait for each other."""
    live = work.account.live()
    earlier = [m for m in live if m.kind is measure.kind and m.rank < measure.rank]
    prior = earlier[0] if work.machines[measure.kind].queued and earlier else None
    balance = work.account.balance_minor
    return msgspec.structs.replace(
        reply,
        measure_id=measure.measure_id,
        state=measure.state,
        applied_minor=measure.limit_minor,
        held_minor=measure.held_minor,
        balance_minor=balance,
        available_minor=balance - sum(m.held_minor for m in live),
        currency=measure.currency,
        executed_at_us=measure.executed_at_us,
        expires_at_us=measure.expires_at_us,
        prior_authority=prior.authority_id if prior else "",
        prior_minor=prior.held_minor if prior else None,
        prior_expires_at_us=prior.expires_at_us if prior else None,
        caution=_caution(work, measure),
        queue_rank=len(earlier) if measure.state is MeasureState.WAITING else None,
    )
