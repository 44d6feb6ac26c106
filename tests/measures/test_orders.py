"""Order traffic of domain.md 1.10: duplicates, conflicts, parked lifts, versions, expiry."""

import msgspec

from measures.engine.handle import handle
from measures.state.account import in_force, next_due_us
from measures.state.register import register
from schemas.commands import ReceiveOrder, Tick
from schemas.order import QueryTerms, Target
from schemas.reply import ReplyCode, Why
from tests.measures.kit import ACCOUNT, DAY, HOUR, MINUTE, T0, Bench, defrauded, make_order
from tests.tokens import token_of


def test_the_same_message_again_gets_its_stored_reply_and_changes_nothing() -> None:
    bench = defrauded()
    first = bench.order(make_order("S1"))
    before = bench.account
    again = bench.order(make_order("S1"), at_us=T0 + HOUR)
    assert (again.code, again.original_code) == (ReplyCode.DUPLICATE, ReplyCode.OK)
    assert (again.measure_id, again.expires_at_us) == (first.measure_id, first.expires_at_us)
    assert bench.account == before


def test_the_same_order_in_a_new_transmission_is_a_duplicate() -> None:
    bench = defrauded()
    bench.order(make_order("S1"))
    resent = make_order("S1", message_serial="msg-new", expected_version=99)
    reply = bench.order(resent)
    assert (reply.code, reply.in_reply_to) == (ReplyCode.DUPLICATE, "msg-new")


def test_the_same_number_with_another_body_is_quarantined_and_the_first_order_stands() -> None:
    bench = defrauded()
    bench.order(make_order("S1"))
    before = bench.measure("S1")
    reply = bench.order(make_order("S1", message_serial="m-2", reason="another reason"))
    assert (reply.code, reply.why) == (ReplyCode.CONFLICT, Why.ORDER_CONFLICT)
    assert bench.alerts() == ["ORDER_CONFLICT"]
    assert bench.measure("S1") == before


def test_a_message_serial_used_for_another_order_is_a_conflict() -> None:
    bench = defrauded()
    bench.order(make_order("S1"))
    assert bench.order(make_order("S2", message_serial="msg-S1")).code is ReplyCode.CONFLICT


def test_a_number_is_one_order_across_accounts() -> None:
    first = make_order("S1")
    elsewhere = make_order("S1", target=Target(account_token=token_of("acct-2"), institution_id="bank-1"))
    known, verdict = register(None, first.target.account_token, forget_at_us=T0 + DAY, now=T0)
    assert verdict == "NEW"
    assert register(known, first.target.account_token, forget_at_us=T0 + 2 * DAY, now=T0)[1] == "SAME"
    kept, verdict = register(known, elsewhere.target.account_token, forget_at_us=T0 + 2 * DAY, now=T0)
    assert (kept, verdict) == (known, "CONFLICT")
    assert (
        register(known, elsewhere.target.account_token, forget_at_us=T0 + 2 * DAY, now=T0 + DAY)[1] == "NEW"
    )


def test_a_lift_before_its_stop_is_parked_and_wins_over_it() -> None:
    bench = defrauded()
    lift = make_order("L1", action="LIFT", original_order_no="S1", issued_at_us=T0 + MINUTE)
    assert bench.order(lift).code is ReplyCode.PENDING_PARENT
    outcome = bench.do(ReceiveOrder(at_us=T0 + HOUR, order=make_order("S1")))
    assert [(r.order_no, r.code, r.why) for r in outcome.replies] == [
        ("S1", ReplyCode.NOT_EXECUTED, Why.LIFTED_BEFORE_EXECUTION),
        ("L1", ReplyCode.OK, None),
    ]
    assert not in_force(bench.account, bench.now).receive_only
    assert bench.order(lift).original_code is ReplyCode.OK


def test_a_parked_lift_loses_against_a_stop_issued_after_it() -> None:
    bench = defrauded()
    lift = make_order("L1", action="LIFT", original_order_no="S1", issued_at_us=T0 - HOUR)
    bench.order(lift)
    outcome = bench.do(ReceiveOrder(at_us=T0, order=make_order("S1")))
    assert {r.order_no: r.why for r in outcome.replies} == {"L1": Why.STALE_LIFT, "S1": None}
    assert in_force(bench.account, bench.now).receive_only


def test_a_lift_older_than_the_running_term_does_not_end_it() -> None:
    bench = defrauded()
    bench.order(make_order("S1"))
    stale = make_order("L1", action="LIFT", original_order_no="S1", issued_at_us=T0 - 1)
    assert bench.order(stale).why is Why.STALE_LIFT


def test_a_parked_lift_gives_up_after_a_day_and_a_person_is_told() -> None:
    bench = defrauded()
    bench.order(make_order("L1", action="LIFT", original_order_no="S1"))
    assert next_due_us(bench.account) == T0 + 24 * HOUR
    outcome = bench.tick(T0 + 24 * HOUR)
    assert [r.why for r in outcome.replies] == [Why.PARENT_NOT_FOUND]
    assert bench.alerts() == ["LIFT_WITHOUT_PARENT"]


def test_lifting_an_order_that_was_never_executed_says_so() -> None:
    bench = Bench()
    bench.order(make_order("S1"))
    reply = bench.order(make_order("L1", action="LIFT", original_order_no="S1"))
    assert reply.why is Why.ALREADY_ENDED


def test_a_command_that_expects_another_version_is_refused_and_may_come_again() -> None:
    bench = defrauded()
    stale = make_order("S1", expected_version=bench.account.version - 1)
    assert bench.order(stale).why is Why.STALE_VERSION
    right = make_order("S1", expected_version=bench.account.version)
    assert bench.order(right).code is ReplyCode.OK
    outcome = bench.do(Tick(at_us=bench.now, expected_version=0))
    assert outcome.refusal is not None and outcome.refusal.why is Why.STALE_VERSION


def test_orders_from_the_future_or_long_past_are_refused() -> None:
    bench = defrauded()
    assert bench.order(make_order("S1", issued_at_us=T0 + 6 * MINUTE)).why is Why.FUTURE_ORDER
    assert bench.order(make_order("S2", issued_at_us=T0 - 7 * DAY)).why is Why.EXPIRED_ORDER
    assert bench.order(make_order("S3", start_at_us=T0 - 2, expire_at_us=T0 - 1)).why is Why.EXPIRED_ORDER
    backwards = make_order("S4", start_at_us=T0 + 2, expire_at_us=T0 + 1)
    assert bench.order(backwards).why is Why.MALFORMED


def test_an_order_of_another_jurisdiction_has_no_basis_here() -> None:
    assert defrauded().order(make_order("S1", jurisdiction="IN")).why is Why.NO_LEGAL_BASIS
    assert defrauded("UK").order(make_order("S1", jurisdiction="UK")).why is Why.NO_LEGAL_BASIS


def test_a_forgotten_number_comes_back_as_expired_and_a_running_one_as_conflict() -> None:
    bench = defrauded()
    stop = make_order("S1")
    bench.order(stop)
    freeze = make_order("F1", "FREEZE")
    bench.order(freeze)
    bench.order(make_order("C1", "FREEZE", "CONFIRM", original_order_no="F1"))
    extend = make_order(
        "E1", "FREEZE", "EXTEND", original_order_no="F1", issued_at_us=T0 + 150 * DAY,
        freeze=msgspec.structs.replace(freeze.freeze, legal_review_ref="lr"),
    )  # fmt: skip
    assert bench.order(extend, at_us=T0 + 150 * DAY).code is ReplyCode.OK
    later = T0 + 240 * DAY
    bench.tick(later)
    assert not [key for key, kept in bench.account.answered.items() if kept.reply.order_no in ("S1", "F1")]
    assert bench.order(stop, at_us=later).why is Why.EXPIRED_ORDER
    again = make_order("F1", "FREEZE", issued_at_us=later, message_serial="m-new")
    assert bench.order(again).code is ReplyCode.CONFLICT


def test_a_query_is_answered_at_once_and_confidentially() -> None:
    bench = defrauded()
    reply = bench.order(make_order("Q1", "QUERY", query=QueryTerms(from_us=T0)))
    assert [flow.txn_id for flow in reply.flows] == ["victim-txn"]
    assert bench.measure("Q1").notice is None
    assert in_force(bench.account, bench.now).measure_ids == ()


def test_a_dynamic_query_reports_every_movement_until_it_ends() -> None:
    bench = defrauded()
    reply = bench.order(make_order("Q1", "QUERY", query=QueryTerms(until_us=T0 + 99 * DAY)))
    assert reply.expires_at_us == T0 + 30 * DAY
    reported = bench.move("out", -5).events
    assert [event.cause for event in reported if hasattr(event, "flow") and hasattr(event, "cause")] == [
        "DYNAMIC_QUERY"
    ]
    bench.order(make_order("L1", "QUERY", "LIFT", original_order_no="Q1"))
    assert bench.measure("Q1").state == "UNSUBSCRIBED"
    assert len(bench.move("out-2", -5).events) == 1


def test_the_engine_is_a_function_of_account_command_and_law() -> None:
    bench = defrauded()
    command = ReceiveOrder(at_us=T0, order=make_order("S1"))
    first, second = (handle(bench.account, command, bench.law) for _ in range(2))
    assert first == second
    assert [event.version for event in first.events] == sorted({event.version for event in first.events})
    assert all(event.account_token == ACCOUNT for event in first.events)
