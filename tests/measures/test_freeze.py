"""Freeze: grounds, amount scope, top-up, queue, verification, renewal, pay-out."""

import msgspec
import pytest

from measures.law.calendar import from_iso
from measures.state.account import in_force
from schemas.commands import DecideRefund, OpenRefund
from schemas.measure import Claim, ClockKind
from schemas.order import Action, ApprovalLevel, Disbursement, FreezeTerms, Scope
from schemas.reply import ReplyCode, Why
from tests.measures.kit import DAY, PAID, T0, Bench, defrauded, make_order
from tests.tokens import token_of

TERMS = FreezeTerms(legal_doc_no="doc-1", filing_doc_ref="filing-1")


def terms(**changes: object) -> FreezeTerms:
    return msgspec.structs.replace(TERMS, **changes)


def at_doc(order_no: str, action: str, **changes: object):
    return make_order(order_no, "FREEZE", action, original_order_no="F1", **changes)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"freeze": terms(legal_doc_no="")}, Why.PAPERS_MISSING),
        ({"freeze": terms(filing_doc_ref="")}, Why.CASE_NOT_FILED),
        ({"scope": Scope.ALL_OUTFLOW}, Why.REASON_MISSING),
        ({"amount_minor": None}, Why.AMOUNT_MISSING),
        ({"freeze": terms(major_case=True)}, Why.APPROVAL_TOO_LOW),
        ({"amount_minor": 200_000_001}, Why.LEGAL_REVIEW_MISSING),
        ({"amount_minor": 200_000_001, "freeze": terms(legal_review_ref="lr-1")}, Why.APPROVAL_TOO_LOW),
        ({"currency": "USD"}, Why.CURRENCY_MISMATCH),
    ],
)
def test_a_freeze_without_its_grounds_is_refused(changes: dict[str, object], why: Why) -> None:
    bench = defrauded()
    assert bench.order(make_order("F1", "FREEZE", **changes)).why is why
    assert not in_force(bench.account, bench.now).measure_ids


def test_a_reviewed_and_approved_bulk_freeze_is_executed() -> None:
    approved = terms(legal_review_ref="lr-1", approval_level=ApprovalLevel.CITY, bulk=True)
    assert defrauded().order(make_order("F1", "FREEZE", freeze=approved)).code is ReplyCode.OK


def test_before_september_2024_a_large_freeze_needed_no_review() -> None:
    before = from_iso("2024-09-09T10:00:00+08:00")
    bench = Bench(balance=300_000_000, at_us=before)
    order = make_order("F1", "FREEZE", amount_minor=250_000_000, issued_at_us=before)
    assert bench.order(order).code is ReplyCode.OK
    assert {clock.kind for clock in bench.measure("F1").clocks} == {ClockKind.EXPIRY}


def test_a_limited_freeze_leaves_the_rest_of_the_balance_free() -> None:
    bench = Bench(balance=8_000_000)
    reply = bench.order(make_order("F1", "FREEZE"))
    assert (reply.held_minor, reply.available_minor) == (PAID, 3_000_000)
    bench.move("out", -3_000_000)
    assert bench.alerts() == []
    bench.move("out-2", -1)
    assert bench.alerts() == ["MEASURE_BREACHED"]


def test_a_freeze_with_too_little_money_absorbs_later_credits_up_to_its_limit() -> None:
    bench = Bench(balance=1_000_000)
    assert bench.order(make_order("F1", "FREEZE")).state == "ACTIVE_SHORTFALL"
    bench.move("in-1", 2_000_000)
    assert (bench.measure("F1").state, bench.measure("F1").held_minor) == ("ACTIVE_SHORTFALL", 3_000_000)
    bench.move("in-2", 9_000_000)
    assert (bench.measure("F1").state, bench.measure("F1").held_minor) == ("ACTIVE", PAID)


def test_a_later_freeze_waits_and_its_term_starts_when_the_earlier_one_ends() -> None:
    bench = defrauded()
    bench.order(make_order("F1", "FREEZE"))
    reply = bench.order(make_order("F2", "FREEZE", case_family="family-2"))
    assert (reply.state, reply.queue_rank, reply.prior_minor) == ("WAITING", 1, PAID)
    assert bench.measure("F2").clocks == ()
    bench.order(at_doc("L1", "LIFT"), at_us=T0 + 5 * DAY)
    assert bench.measure("F2").state == "ACTIVE"
    assert bench.measure("F2").executed_at_us == T0 + 5 * DAY
    assert in_force(bench.account, bench.now).held_minor == PAID


def test_a_waiting_freeze_holds_from_the_instant_the_earlier_one_lapses() -> None:
    bench = defrauded()
    short = terms()
    bench.order(make_order("F1", "FREEZE", freeze=short, start_at_us=T0, expire_at_us=T0 + DAY))
    bench.order(make_order("F2", "FREEZE", case_family="family-2"))
    assert in_force(bench.account, T0 + DAY).held_minor == PAID
    bench.tick(T0 + 3 * DAY)
    assert bench.measure("F1").state == "LAPSED"
    assert bench.measure("F2").executed_at_us == T0 + DAY


def test_a_freeze_confirmed_while_it_waits_still_has_its_whole_term_to_run() -> None:
    bench = defrauded()
    bench.order(make_order("F1", "FREEZE"))
    waiting = {"authority_id": "police-2", "sender_id": "police-2"}
    bench.order(make_order("F2", "FREEZE", **waiting))
    assert bench.order(make_order("C2", "FREEZE", "CONFIRM", original_order_no="F2", **waiting)).why is None
    assert bench.measure("F2").state == "WAITING"
    bench.order(make_order("L1", "FREEZE", "LIFT", original_order_no="F1"))
    began = bench.measure("F2")
    assert (began.state, began.executed_at_us) == ("ACTIVE", T0)
    assert began.expires_at_us == from_iso("2026-09-02T10:00:00+08:00")


def test_no_unit_of_money_is_frozen_twice() -> None:
    bench = Bench(balance=7_000_000)
    bench.order(make_order("F1", "FREEZE"))
    bench.order(make_order("F2", "FREEZE", case_family="family-2", victim_transfer=None))
    held = [bench.measure(no).held_minor for no in ("F1", "F2")]
    assert held == [5_000_000, 2_000_000]
    assert bench.measure("F2").state == "ACTIVE_SHORTFALL"


def test_six_months_are_calendar_months_in_the_authoritys_zone() -> None:
    start = from_iso("2026-08-31T23:30:00+08:00")
    bench = Bench(balance=PAID, at_us=start)
    reply = bench.order(make_order("F1", "FREEZE", issued_at_us=start))
    assert reply.expires_at_us == from_iso("2027-02-28T23:30:00+08:00")


def test_a_major_case_with_city_approval_runs_a_year() -> None:
    bench = defrauded()
    major = terms(major_case=True, approval_level=ApprovalLevel.CITY)
    reply = bench.order(make_order("F1", "FREEZE", freeze=major))
    assert reply.expires_at_us == from_iso("2027-03-02T10:00:00+08:00")


def test_an_unverified_freeze_is_released_after_three_months() -> None:
    bench = defrauded()
    bench.order(make_order("F1", "FREEZE"))
    due = from_iso("2026-06-02T10:00:00+08:00")
    assert in_force(bench.account, due - 1).held_minor == PAID
    assert in_force(bench.account, due).held_minor == 0
    bench.tick(due)
    assert (bench.measure("F1").state, bench.measure("F1").ended_why) == ("RELEASED", "NOT_VERIFIED_IN_TIME")


def test_a_confirmed_freeze_runs_to_its_term_and_then_lapses() -> None:
    bench = defrauded()
    bench.order(make_order("F1", "FREEZE"))
    bench.order(at_doc("C1", "CONFIRM"))
    expires = bench.measure("F1").expires_at_us
    assert expires is not None
    bench.tick(expires - 1)
    assert bench.measure("F1").state == "ACTIVE"
    assert "RENEWAL_DEADLINE" in bench.alerts()
    bench.tick(expires)
    assert (bench.measure("F1").state, bench.measure("F1").ended_why) == ("LAPSED", "TERM_ENDED")


def test_a_whole_account_freeze_is_reviewed_after_a_month() -> None:
    bench = defrauded()
    whole = make_order(
        "F1", "FREEZE", scope=Scope.ALL_OUTFLOW, freeze=terms(whole_reason="sole mule account")
    )
    assert bench.order(whole).held_minor == PAID
    assert in_force(bench.account, bench.now).receive_only
    bench.tick(from_iso("2026-04-02T10:00:00+08:00"))
    assert (bench.measure("F1").state, bench.alerts()) == ("REVIEW_DUE", ["REVIEW_DUE"])
    assert in_force(bench.account, bench.now).receive_only
    now = bench.now
    bench.order(at_doc("R1", "REDUCE", amount_minor=1_000_000, issued_at_us=now))
    assert (bench.measure("F1").state, bench.measure("F1").held_minor) == ("ACTIVE", 1_000_000)
    assert not in_force(bench.account, bench.now).receive_only


def test_a_renewal_comes_in_time_with_its_review_or_not_at_all() -> None:
    bench = defrauded()
    bench.order(make_order("F1", "FREEZE"))
    bench.order(at_doc("C1", "CONFIRM"))
    expires = bench.measure("F1").expires_at_us
    assert expires is not None

    def renew(order_no: str, at_us: int, **changes: object):
        order = at_doc(order_no, "EXTEND", issued_at_us=at_us, freeze=terms(**changes))
        return bench.order(order, at_us=at_us)

    in_time = expires - 11 * DAY
    assert renew("E1", in_time).why is Why.LEGAL_REVIEW_MISSING
    assert renew("E2", in_time, legal_review_ref="lr-2").expires_at_us == from_iso(
        "2027-03-02T10:00:00+08:00"
    )
    longer = bench.measure("F1").expires_at_us
    assert longer is not None
    assert renew("E3", longer - 9 * DAY, legal_review_ref="lr-3").why is Why.TOO_LATE


def test_shares_are_paid_out_of_the_freeze_once_and_never_beyond_it() -> None:
    bench = Bench()
    bench.move("a", 3_000_000, T0)
    bench.move("b", 2_000_000, T0 + 1)
    bench.order(make_order("F1", "FREEZE"))
    freeze_id = bench.measure("F1").measure_id
    losses = {token_of("victim-1"): 3_000_000, token_of("victim-2"): 2_000_000}
    claims = tuple(Claim(victim_id=victim, loss_minor=loss) for victim, loss in losses.items())
    senders = {"a": token_of("victim-1"), "b": token_of("victim-2")}
    bench.do(OpenRefund(at_us=bench.now, freeze_id=freeze_id, round_no=1, claims=claims, senders=senders))
    (round_,) = bench.account.refunds
    two = ("clerk-1", "clerk-2")
    bench.do(DecideRefund(at_us=bench.now, refund_id=round_, decision_no="dec-1", by=two, reason="verified"))

    def pay(order_no: str, victim: str, amount: int, decision: str = "dec-1"):
        share = Disbursement(victim_id=victim, decision_no=decision, amount_minor=amount)
        return bench.order(at_doc(order_no, "DISBURSE", disbursement=share))

    first = pay("D1", token_of("victim-1"), 3_000_000)
    assert (first.state, first.held_minor, first.balance_minor) == (
        "PARTIALLY_DISBURSED",
        2_000_000,
        2_000_000,
    )
    assert pay("D2", token_of("victim-1"), 1_000_000).why is Why.ALREADY_PAID
    assert pay("D3", token_of("victim-2"), 2_000_001).why is Why.OVER_AMOUNT
    assert pay("D4", token_of("victim-2"), 1_999_999).why is Why.OVER_AMOUNT
    assert pay("D5", token_of("victim-3"), 1_000_000).why is Why.NOT_DECIDED
    assert pay("D6", token_of("victim-2"), 2_000_000, "dec-2").why is Why.NOT_DECIDED
    assert pay("D7", token_of("victim-2"), 2_000_000).state == "DISBURSED"
    assert bench.alerts() == []
    assert bench.account.balance_minor == 0


def test_lifting_a_large_freeze_needs_two_people_and_a_reason() -> None:
    bench = defrauded()
    bench.order(make_order("F1", "FREEZE"))
    silent = at_doc("L1", "LIFT", reason=" ")
    assert bench.order(silent).why is Why.REASON_MISSING
    bench.order(at_doc("L2", "LIFT", reason="funds unrelated"))
    released = bench.measure("F1")
    assert (released.state, released.ended_why) == ("RELEASED", "funds unrelated")
    assert released.ended_by == (token_of("officer-1"), token_of("officer-2"))


def test_a_country_without_an_officer_rule_still_asks_two_people_for_a_large_release() -> None:
    bench = Bench("UK", balance=90_000_000)
    from schemas.order import Actor

    def uk(order_no: str, action: str = "ISSUE", **changes: object):
        order = make_order(order_no, "FREEZE", action, jurisdiction="UK", victim_transfer=None)
        return msgspec.structs.replace(order, currency="GBP", **changes)

    court = Actor.COURT
    assert bench.order(uk("F1", amount_minor=2_000_000), actor=court).code is ReplyCode.OK
    alone = uk("L1", "LIFT", original_order_no="F1", officers=make_order("x").officers[:1])
    assert bench.order(alone, actor=court).why is Why.TWO_PEOPLE_NEEDED
    assert bench.order(uk("L2", "LIFT", original_order_no="F1"), actor=court).code is ReplyCode.OK


def test_only_a_competent_authority_orders_a_freeze() -> None:
    from schemas.order import Actor

    reply = defrauded().order(make_order("F1", "FREEZE"), actor=Actor.BANK)
    assert reply.why is Why.NOT_COMPETENT


def test_an_action_a_measure_does_not_know_is_refused() -> None:
    bench = defrauded()
    bench.order(make_order("S1"))
    reply = bench.order(make_order("D1", action=Action.DISBURSE, original_order_no="S1"))
    assert reply.why is Why.NO_LEGAL_BASIS
    assert bench.order(at_doc("C9", "CONFIRM")).why is Why.PARENT_NOT_FOUND


def test_a_term_shorter_than_the_renewal_notice_has_no_renewal_deadline() -> None:
    bench = defrauded()
    bench.order(make_order("F1", "FREEZE", start_at_us=bench.now, expire_at_us=bench.now + 3 * DAY))

    kinds = {clock.kind for clock in bench.measure("F1").clocks}

    assert ClockKind.EXPIRY in kinds
    assert ClockKind.RENEWAL not in kinds
