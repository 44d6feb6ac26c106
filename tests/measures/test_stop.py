"""Emergency stop: match, term, second term, lapse, onward trace, conversion, counting."""

import msgspec
import pytest

from measures.state.account import in_force, next_due_us, replay
from schemas.journal import Reported
from schemas.order import Initiation, Officer, Scope, Target, VictimTransfer
from schemas.reply import ReplyCode, Why
from tests.measures.kit import ACCOUNT, DAY, HOUR, PAID, T0, Bench, defrauded, make_order
from tests.tokens import token_of


def test_a_matching_stop_makes_the_account_receive_only_for_48_hours_from_execution() -> None:
    bench = defrauded()
    reply = bench.order(make_order("S1"), at_us=T0 + HOUR)
    assert (reply.code, reply.state) == (ReplyCode.OK, "ACTIVE")
    assert reply.expires_at_us == T0 + 49 * HOUR
    assert in_force(bench.account, T0 + 49 * HOUR - 1).receive_only
    assert not in_force(bench.account, T0 + 49 * HOUR).receive_only


def test_a_stop_names_reason_basis_remedy_and_documents_in_the_holders_language() -> None:
    bench = defrauded()
    bench.order(make_order("S1"))
    notice = bench.measure("S1").notice
    assert notice is not None
    assert (notice.reason_code, notice.language) == ("STOP_ORDERED", "en")
    assert all([notice.reason, notice.legal_basis, notice.remedy_channel, notice.documents_needed])


def target(account: str, bank: str, name: str) -> Target:
    return Target(account_token=account, institution_id=bank, name_token=name)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"target": target("other", "bank-1", token_of("name-1"))}, Why.NO_SUCH_ACCOUNT),
        ({"target": target(ACCOUNT, "bank-2", token_of("name-1"))}, Why.ACCOUNT_MISMATCH),
        ({"target": target(ACCOUNT, "bank-1", token_of("name-2"))}, Why.NAME_MISMATCH),
        ({"victim_transfer": None}, Why.AMOUNT_TIME_MISMATCH),
        ({"amount": PAID + 1}, Why.AMOUNT_TIME_MISMATCH),
        ({"transferred_at": T0 + HOUR}, Why.AMOUNT_TIME_MISMATCH),
        ({"currency": "USD"}, Why.CURRENCY_MISMATCH),
    ],
)
def test_a_stop_that_does_not_match_is_not_executed(changes: dict[str, object], why: Why) -> None:
    bench = defrauded()
    sent = {
        "account_token": token_of("acct-victim"),
        "amount_minor": changes.pop("amount", PAID),
        "currency": changes.pop("currency", "CNY"),
        "transferred_at_us": changes.pop("transferred_at", T0),
    }
    order = msgspec.structs.replace(
        make_order("S1"), **({"victim_transfer": VictimTransfer(**sent)} | changes)
    )
    reply = bench.order(order)
    assert (reply.code, reply.why) == (ReplyCode.NOT_EXECUTED, why)
    assert not in_force(bench.account, bench.now).measure_ids


def test_a_stop_on_an_emptied_account_reports_where_the_money_went() -> None:
    bench = defrauded()
    bench.move("out-1", -3_000_000, T0 + 60, counterparty_token=token_of("acct-2"), clearing_serial="cs-1")
    bench.move("out-2", -2_000_000, T0 + 120, counterparty_token=token_of("acct-3"))
    reply = bench.order(make_order("S1"), at_us=T0 + HOUR)
    assert reply.state == "ACTIVE_EMPTY"
    assert [(f.counterparty_token, f.amount_minor) for f in reply.flows] == [
        (token_of("acct-2"), 3_000_000),
        (token_of("acct-3"), 2_000_000),
    ]
    traced = [event for event in bench.events if isinstance(event, Reported)]
    assert [event.cause for event in traced] == ["ONWARD_TRACE"] * 2
    assert traced[0].flow.clearing_serial == "cs-1"


def test_a_second_term_runs_48_hours_from_its_own_execution_and_there_is_no_third() -> None:
    bench = defrauded()
    bench.order(make_order("S1"))
    second = bench.order(make_order("S2", action="EXTEND", original_order_no="S1"), at_us=T0 + 40 * HOUR)
    assert second.expires_at_us == T0 + 88 * HOUR
    third = bench.order(make_order("S3", action="EXTEND", original_order_no="S1"))
    assert (third.code, third.why) == (ReplyCode.NOT_EXECUTED, Why.LIMIT_REACHED)
    assert not in_force(bench.account, T0 + 88 * HOUR).receive_only


def test_a_second_term_may_come_after_the_first_ran_out() -> None:
    bench = defrauded()
    bench.order(make_order("S1"))
    bench.tick(T0 + 50 * HOUR)
    assert bench.measure("S1").state == "EXPIRED"
    reply = bench.order(make_order("S2", action="EXTEND", original_order_no="S1"), at_us=T0 + 60 * HOUR)
    assert reply.expires_at_us == T0 + 108 * HOUR
    assert bench.measure("S1").sequence == 2


def test_a_third_stop_of_the_same_case_family_is_not_executed_under_any_number() -> None:
    bench = defrauded()
    assert bench.order(make_order("S1")).code is ReplyCode.OK
    assert bench.order(make_order("S2")).code is ReplyCode.OK
    assert bench.order(make_order("S3")).why is Why.LIMIT_REACHED
    other = make_order("S4", case_family="family-2", authority_id="police-2", sender_id="police-2")
    assert bench.order(other).code is ReplyCode.OK


def test_the_account_is_free_only_when_all_stops_have_ended() -> None:
    bench = defrauded()
    bench.order(make_order("S1"))
    bench.order(make_order("S2", authority_id="police-2", sender_id="police-2", case_family="family-2"))
    bench.order(make_order("L1", action="LIFT", original_order_no="S1"))
    assert in_force(bench.account, bench.now).receive_only
    lift = make_order(
        "L2", action="LIFT", original_order_no="S2", authority_id="police-2", sender_id="police-2"
    )
    bench.order(lift)
    assert not in_force(bench.account, bench.now).receive_only


def test_no_authority_lifts_the_stop_of_another() -> None:
    bench = defrauded()
    bench.order(make_order("S1"))
    reply = bench.order(
        make_order("L1", action="LIFT", original_order_no="S1", authority_id="police-2", sender_id="p2")
    )
    assert reply.code is ReplyCode.PENDING_PARENT
    assert in_force(bench.account, bench.now).receive_only


def test_a_freeze_takes_over_from_its_stop_without_a_gap() -> None:
    bench = defrauded()
    bench.order(make_order("S1"))
    bench.events.clear()
    bench.order(make_order("F1", "FREEZE"), at_us=T0 + HOUR)
    changes = [(e.measure.order_no, e.measure.state) for e in bench.events if hasattr(e, "measure")]
    assert changes == [("F1", "ACTIVE"), ("S1", "CONVERTED")]
    assert bench.measure("S1").converted_to == bench.measure("F1").measure_id
    assert in_force(bench.account, bench.now).held_minor == PAID


def test_a_stop_over_a_small_sum_is_narrowed_to_that_sum() -> None:
    bench = Bench(balance=1_000_000)
    bench.move("victim-txn", 50_000)
    sent = VictimTransfer(account_token="v", amount_minor=50_000, currency="CNY", transferred_at_us=T0)
    reply = bench.order(make_order("S1", victim_transfer=sent))
    assert (reply.applied_minor, reply.held_minor, reply.available_minor) == (50_000, 50_000, 1_000_000)
    assert bench.measure("S1").scope is Scope.AMOUNT
    assert not in_force(bench.account, bench.now).receive_only


def test_a_stop_of_one_transaction_holds_its_amount_only() -> None:
    bench = Bench(balance=700)
    bench.move("victim-txn", PAID, clearing_serial="cs-9")
    target = Target(
        account_token=ACCOUNT, institution_id="bank-1", name_token=token_of("name-1"),
        ref_type="EXT_BANK_SERIAL", txn_ref="cs-9",
    )  # fmt: skip
    assert bench.order(make_order("S1", target=target)).held_minor == PAID


def test_an_order_may_ask_for_a_shorter_term_but_not_for_a_longer_one() -> None:
    short = make_order("S1", start_at_us=T0, expire_at_us=T0 + 10 * HOUR)
    assert defrauded().order(short).expires_at_us == T0 + 10 * HOUR
    long = make_order("S1", start_at_us=T0, expire_at_us=T0 + 100 * HOUR)
    assert defrauded().order(long).expires_at_us == T0 + 48 * HOUR


def test_a_retroactive_order_completes_papers_and_leaves_the_term_alone() -> None:
    bench = defrauded()
    bench.order(make_order("S1"))
    before = bench.measure("S1")
    papers = make_order("S9", initiation=Initiation.RETROACTIVE, original_order_no="S1")
    reply = bench.order(papers, at_us=T0 + 20 * HOUR)
    assert (reply.code, reply.expires_at_us) == (ReplyCode.OK, before.expires_at_us)
    assert bench.measure("S1") == before
    orphan = make_order("S8", initiation=Initiation.RETROACTIVE, case_family="family-9", case_no="c9")
    assert bench.order(orphan).why is Why.PARENT_NOT_FOUND


def test_an_early_timer_changes_nothing_and_a_late_one_ends_the_stop_at_its_own_time() -> None:
    bench = defrauded()
    bench.order(make_order("S1"))
    assert next_due_us(bench.account) == T0 + 48 * HOUR
    assert bench.tick(T0 + 48 * HOUR - 1).events == ()
    late = bench.tick(T0 + 72 * HOUR)
    assert {event.at_us for event in late.events} == {T0 + 48 * HOUR}


def test_one_officer_is_not_enough() -> None:
    same = Officer(role="ASSIST", officer_token=token_of("officer-1"))
    order = make_order("S1", officers=(Officer(role="HANDLER", officer_token=token_of("officer-1")), same))
    assert defrauded().order(order).why is Why.OFFICERS_MISSING


def test_a_debit_against_a_stop_is_reported_as_a_breach() -> None:
    bench = defrauded()
    bench.order(make_order("S1"))
    bench.move("out-1", -100)
    assert bench.alerts() == ["MEASURE_BREACHED"]


def test_a_movement_cannot_end_a_stop_by_claiming_a_later_time() -> None:
    bench = defrauded()
    bench.order(make_order("S1"))
    flow_time = T0 + 30 * DAY
    outcome = bench.move("forged", 1, T0 + HOUR)
    forged = msgspec.structs.replace(outcome.account.flows[-1], at_us=flow_time, txn_id="forged-2")
    from schemas.commands import Move

    bench.do(Move(at_us=T0 + HOUR, flow=forged))
    assert in_force(bench.account, T0 + 2 * HOUR).receive_only


def test_replaying_the_journal_gives_the_account() -> None:
    bench = defrauded()
    bench.order(make_order("S1"))
    bench.order(make_order("F1", "FREEZE"))
    bench.move("more", 5)
    bench.tick(T0 + 400 * DAY)
    assert replay(ACCOUNT, bench.events) == bench.account
    encoded = msgspec.msgpack.encode(bench.account)
    assert msgspec.msgpack.decode(encoded, type=type(bench.account)) == bench.account
