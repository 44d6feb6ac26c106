"""The refund round: notice, objections, decision, payments that come once and never exceed the freeze."""

import msgspec

from measures.law.calendar import from_iso
from measures.law.country_file import jurisdiction
from measures.money import refund
from measures.money.allocation import Pot
from measures.refusal import Refusal
from schemas.commands import DecideRefund, ObjectToRefund, OpenRefund
from schemas.ids import derived_id
from schemas.measure import Claim, Refund
from schemas.order import Actor, Direction, Flow
from schemas.reply import ReplyCode, Why
from tests.measures.kit import DAY, HOUR, PAID, T0, Bench, defrauded, make_order
from tests.tokens import token_of

CN = jurisdiction("CN").on(T0)
TWO = ("clerk-1", "clerk-2")


def credit(txn_id: str, at_us: int, amount: int) -> Flow:
    return Flow(txn_id=txn_id, at_us=at_us, direction=Direction.CREDIT, amount_minor=amount)


V1, V2 = map(token_of, ("v1", "v2"))
TIED = Pot(PAID, (credit("a", T0, 4_000_000), credit("b", T0, 4_000_000)), {"a": V1, "b": V2})
CLAIMS = (
    Claim(victim_id=V1, loss_minor=4_000_000),
    Claim(victim_id=V2, loss_minor=4_000_000),
)


def frozen(bench: Bench | None = None):
    bench = bench or defrauded()
    bench.order(make_order("F1", "FREEZE"))
    return bench, bench.measure("F1")


def opened(pot: Pot = TIED, claims: tuple[Claim, ...] = CLAIMS, round_no: int = 1) -> Refund:
    found = refund.open_round(frozen()[1], claims, pot, round_no=round_no, regime=CN, now=T0)
    assert isinstance(found, Refund)
    return found


def decided(on: Refund, now: int = T0 + 31 * DAY, decision: str = "dec-1") -> Refund:
    found = refund.decide(on, decision, by=TWO, reason="verified", regime=CN, now=now)
    assert isinstance(found, Refund), found
    return found


def dispatched(on: Refund) -> Refund:
    found = refund.dispatch(decided(on))
    assert isinstance(found, Refund)
    return found


def test_a_pro_rata_result_waits_for_thirty_days_of_notice() -> None:
    on = opened()
    assert (on.method, on.state) == ("PRO_RATA", "NOTICED")
    assert on.due_us == from_iso("2026-04-01T10:00:00+08:00")
    early = refund.decide(on, "dec-1", by=TWO, reason="verified", regime=CN, now=on.due_us - 1)
    assert isinstance(early, Refusal) and early.why is Why.TOO_LATE
    assert decided(on, on.due_us).state == "DECIDED"


def test_traced_money_needs_no_notice() -> None:
    pot = TIED._replace(flows=TIED.flows[:1])
    on = opened(pot, CLAIMS[:1])
    assert (on.method, on.state, on.due_us) == ("DIRECT", "COMPUTED", None)
    assert on.remainder_minor == PAID - 4_000_000


def test_an_objection_recomputes_the_shares_and_renews_the_notice() -> None:
    on = opened()
    corrected = (CLAIMS[0], Claim(victim_id=V2, loss_minor=1_000_000))
    heard = refund.object_to(on, corrected, TIED, "v2 lost less", regime=CN, now=T0 + 10 * DAY)
    assert isinstance(heard, Refund)
    assert {s.victim_id: s.amount_minor for s in heard.shares} == {V1: 4_000_000, V2: 1_000_000}
    assert heard.due_us == from_iso("2026-04-11T10:00:00+08:00")
    late = refund.object_to(on, corrected, TIED, "too late", regime=CN, now=on.due_us or 0)
    assert isinstance(late, Refusal)


def test_a_decision_needs_two_people_above_the_limit_and_counts_once() -> None:
    on = opened()
    alone = refund.decide(on, "dec-1", by=TWO[:1], reason="verified", regime=CN, now=T0 + 31 * DAY)
    assert isinstance(alone, Refusal) and alone.why is Why.TWO_PEOPLE_NEEDED
    once = decided(on)
    assert decided(once) == once
    other = refund.decide(once, "dec-2", by=TWO, reason="again", regime=CN, now=T0 + 32 * DAY)
    assert isinstance(other, Refusal) and other.why is Why.WRONG_STATE


def test_an_indian_share_from_the_administrative_limit_needs_a_court() -> None:
    bench = Bench("IN", balance=90_000_000)
    order = make_order("F1", "FREEZE", jurisdiction="IN", victim_transfer=None, currency="INR")
    bench.order(order, actor=Actor.POLICE)
    regime = jurisdiction("IN").on(T0)
    for loss, why in ((4_999_999, None), (5_000_000, Why.PAPERS_MISSING)):
        claims = (Claim(victim_id=V1, loss_minor=loss),)
        on = refund.open_round(bench.measure("F1"), claims, Pot(PAID), round_no=1, regime=regime, now=T0)
        assert isinstance(on, Refund)
        found = refund.decide(on, "dec-1", by=TWO, reason="verified", regime=regime, now=T0)
        assert (found.why if isinstance(found, Refusal) else None) is why


def test_every_payment_has_its_own_name_and_is_due_in_three_working_days() -> None:
    on = decided(opened(), from_iso("2026-04-03T10:00:00+08:00"))
    assert len({share.payment_id for share in on.shares}) == 2
    assert on.due_us == from_iso("2026-04-09T10:00:00+08:00")
    assert refund.tick(on, on.due_us).overdue
    assert not refund.tick(on, on.due_us - 1).overdue


def test_a_payment_result_that_comes_twice_counts_once() -> None:
    on = dispatched(opened())
    first = on.shares[0].payment_id
    paid = refund.pay(on, first, ok=True)
    assert isinstance(paid, Refund)
    assert refund.pay(paid, first, ok=True) == paid
    assert refund.pay(paid, first, ok=False) == paid
    assert paid.paid_minor == 2_500_000


def test_a_failed_payment_is_retried_to_another_account_and_then_closes_the_round() -> None:
    on: Refund | Refusal = dispatched(opened())
    assert isinstance(on, Refund)
    first, second = (share.payment_id for share in on.shares)
    for payment, ok, to in ((first, False, "other-account"), (first, True, ""), (second, True, "")):
        on = refund.pay(on, payment, ok=ok, pay_to=to)
        assert isinstance(on, Refund)
    assert (on.state, on.shares[0].attempts, on.shares[0].pay_to) == ("CLOSED", 2, "other-account")
    assert on.paid_minor == PAID
    assert isinstance(refund.pay(on, "pay_unknown", ok=True), Refusal)


def test_a_round_never_pays_more_than_was_frozen() -> None:
    on = dispatched(opened())
    forged = msgspec.structs.replace(
        on, shares=tuple(msgspec.structs.replace(s, amount_minor=PAID - 1) for s in on.shares)
    )
    paid = refund.pay(forged, on.shares[0].payment_id, ok=True)
    assert isinstance(paid, Refund)
    over = refund.pay(paid, on.shares[1].payment_id, ok=True)
    assert isinstance(over, Refusal) and over.why is Why.OVER_AMOUNT


def test_a_round_needs_a_freeze_that_holds_and_one_claim_per_victim() -> None:
    bench, measure = frozen()
    twice = refund.open_round(measure, CLAIMS[:1] * 2, TIED, round_no=1, regime=CN, now=T0)
    assert isinstance(twice, Refusal) and twice.why is Why.MALFORMED
    bench.order(make_order("L1", "FREEZE", "LIFT", original_order_no="F1"))
    ended = refund.open_round(bench.measure("F1"), CLAIMS, TIED, round_no=1, regime=CN, now=T0)
    assert isinstance(ended, Refusal) and ended.why is Why.WRONG_STATE


def open_in(bench: Bench, claims: tuple[Claim, ...], senders: dict[str, str], round_no: int = 1) -> Refund:
    freeze_id = bench.measure("F1").measure_id
    command = OpenRefund(
        at_us=bench.now, freeze_id=freeze_id, round_no=round_no, claims=claims, senders=senders
    )
    assert bench.do(command).refusal is None
    return bench.account.refunds[derived_id("refund", freeze_id, round_no)]


def decide_in(bench: Bench, on: Refund, decision_no: str) -> Refund:
    command = DecideRefund(
        at_us=bench.now, refund_id=on.refund_id, decision_no=decision_no, by=TWO, reason="verified"
    )
    assert bench.do(command).refusal is None
    return bench.account.refunds[on.refund_id]


def test_a_round_is_computed_from_the_accounts_own_movements_and_paid_by_signed_orders() -> None:
    bench, _ = frozen()
    on = decide_in(bench, open_in(bench, CLAIMS[:1], {"victim-txn": V1}), "dec-1")
    assert (on.method, on.state, on.shares[0].amount_minor) == ("DIRECT", "DISPATCHED", 4_000_000)
    (share,) = refund.disbursements(on)
    wrong = msgspec.structs.replace(share, amount_minor=share.amount_minor - 1)
    for number, given, why in (("D1", wrong, Why.OVER_AMOUNT), ("D2", share, None)):
        order = make_order(number, "FREEZE", "DISBURSE", original_order_no="F1", disbursement=given)
        assert bench.order(order).why is why
    assert bench.account.refunds[on.refund_id].state == "CLOSED"
    assert bench.account.balance_minor == PAID - 4_000_000


def test_the_account_pays_a_decided_round_out_of_its_freeze() -> None:
    bench = Bench()
    bench.move("a", 3_000_000, T0)
    bench.move("b", 2_000_000, T0)
    bench, _ = frozen(bench)
    claims = (Claim(victim_id=V1, loss_minor=3_000_000), Claim(victim_id=V2, loss_minor=2_000_000))
    on = open_in(bench, claims, {"a": V1, "b": V2})
    assert (on.method, on.state) == ("PRO_RATA", "NOTICED")
    bench.tick(on.due_us or 0)
    on = decide_in(bench, on, "dec-1")
    pay_all(bench, on, "D")
    assert {s.payment_id for s in on.shares} == {
        f.txn_id for f in bench.account.flows if f.purpose == "DISBURSEMENT"
    }
    assert bench.measure("F1").state == "DISBURSED"


def test_a_new_victim_starts_a_new_round_with_what_is_left() -> None:
    bench, _ = frozen()
    first = decide_in(bench, open_in(bench, CLAIMS[:1], {"victim-txn": V1}), "dec-1")
    pay_all(bench, first, "D1")
    bench.move("late-txn", 1_000_000, T0 + HOUR)
    second = open_in(bench, CLAIMS[1:], {"victim-txn": V1, "late-txn": V2}, round_no=2)
    assert (second.frozen_minor, second.shares[0].amount_minor) == (1_000_000, 1_000_000)
    assert second.refund_id != first.refund_id


def test_a_second_round_sees_the_money_as_it_came_in() -> None:
    bench = Bench()
    bench.move("a", 3_000_000, T0)
    bench.move("b", 2_000_000, T0 + 1)
    senders = {"a": V1, "b": V2}
    bench, _ = frozen(bench)
    claims = (
        Claim(victim_id=V1, loss_minor=3_000_000),
        Claim(victim_id=V2, loss_minor=2_000_000),
    )
    first = decide_in(bench, open_in(bench, claims[:1], senders), "dec-1")
    assert {share.victim_id: share.amount_minor for share in first.shares} == {V1: 3_000_000}
    (share,) = refund.disbursements(first)
    bench.order(make_order("D1", "FREEZE", "DISBURSE", original_order_no="F1", disbursement=share))
    second = open_in(bench, claims[1:], senders, round_no=2)
    assert (second.method, second.shares[0].amount_minor) == ("TRACE_FIFO", 2_000_000)


def test_late_payments_are_shown_to_a_person_once() -> None:
    bench, _ = frozen()
    decide_in(bench, open_in(bench, CLAIMS[:1], {"victim-txn": V1}), "dec-1")
    bench.tick(T0 + 10 * DAY)
    bench.tick(T0 + 20 * DAY)
    assert bench.alerts() == ["REFUND_OVERDUE"]


def test_a_round_is_opened_once_and_no_second_one_beside_it() -> None:
    bench, _ = frozen()
    on = open_in(bench, CLAIMS[:1], {"victim-txn": V1})
    assert open_in(bench, CLAIMS[:1], {"victim-txn": V1}) == on
    beside = OpenRefund(at_us=bench.now, freeze_id=on.freeze_id, round_no=2, claims=CLAIMS)
    refusal = bench.do(beside).refusal
    assert refusal is not None and refusal.why is Why.WRONG_STATE


def pay_all(bench: Bench, on: Refund, number: str) -> None:
    for count, share in enumerate(refund.disbursements(on)):
        changes = {"original_order_no": "F1", "disbursement": share, "issued_at_us": bench.now}
        order = make_order(f"{number}-{count}", "FREEZE", "DISBURSE", **changes)
        assert bench.order(order).code is ReplyCode.OK


def test_a_loss_is_repaid_once_however_many_rounds_there_are() -> None:
    """Loss 30,000.00, frozen 50,000.00 and topped up by a salary of 15,000.00: round 2 pays nothing more."""
    bench = Bench()
    bench.move("victim-txn", 3_000_000)
    bench, _ = frozen(bench)
    claim = (Claim(victim_id=V1, loss_minor=3_000_000),)
    first = decide_in(bench, open_in(bench, claim, {"victim-txn": V1}), "dec-1")
    pay_all(bench, first, "D1")
    assert bench.account.refunds[first.refund_id].state == "CLOSED"
    bench.move("salary", 1_500_000, T0 + HOUR)
    assert bench.measure("F1").held_minor == 1_500_000
    second = open_in(bench, claim, {"victim-txn": V1}, round_no=2)
    (share,) = second.shares
    assert (share.amount_minor, share.repaid_minor) == (0, 3_000_000)


def test_what_came_back_from_elsewhere_is_deducted() -> None:
    """Loss 40,000.00, an insurer paid 35,000.00, 50,000.00 frozen: 5,000.00 go back."""
    bench, _ = frozen()
    claim = (Claim(victim_id=V1, loss_minor=4_000_000, recovered_minor=3_500_000),)
    on = open_in(bench, claim, {"victim-txn": V1})
    assert [share.amount_minor for share in on.shares] == [500_000]


def two_freezes(country: str = "BR") -> Bench:
    """Two freezes of one case family, 10,000.00 each, on an account with 50,000.00."""
    bench = Bench(country, balance=5_000_000)
    for number in ("F1", "F2"):
        order = make_order(
            number, "FREEZE", jurisdiction=country, amount_minor=1_000_000, victim_transfer=None, case_no=""
        )
        assert bench.order(order, actor=Actor.COURT).code is ReplyCode.OK
    return bench


def test_two_freezes_of_a_case_family_do_not_pay_one_loss_twice() -> None:
    """Loss 12,000.00: the first freeze pays 10,000.00, the second 2,000.00."""
    bench = two_freezes()
    claim = (Claim(victim_id=V1, loss_minor=1_200_000),)
    decide_in(bench, open_in(bench, claim, {}), "dec-1")
    freeze_id = bench.measure("F2").measure_id
    bench.do(OpenRefund(at_us=bench.now, freeze_id=freeze_id, round_no=1, claims=claim))
    on = bench.account.refunds[derived_id("refund", freeze_id, 1)]
    assert [share.amount_minor for share in on.shares] == [200_000]


def test_of_two_rounds_computed_side_by_side_only_one_can_be_decided_over_the_loss() -> None:
    bench = two_freezes()
    claim = (Claim(victim_id=V1, loss_minor=1_200_000),)
    first = open_in(bench, claim, {})
    freeze_id = bench.measure("F2").measure_id
    bench.do(OpenRefund(at_us=bench.now, freeze_id=freeze_id, round_no=1, claims=claim))
    decide_in(bench, first, "dec-1")
    other = derived_id("refund", freeze_id, 1)
    command = DecideRefund(at_us=bench.now, refund_id=other, decision_no="dec-2", by=TWO, reason="verified")
    refusal = bench.do(command).refusal
    assert refusal is not None and refusal.why is Why.OVER_AMOUNT
    bench.do(ObjectToRefund(at_us=bench.now, refund_id=other, claims=claim, reason="compute anew"))
    assert [share.amount_minor for share in bench.account.refunds[other].shares] == [200_000]
    assert bench.do(command).refusal is None


def test_a_decision_number_decides_one_round() -> None:
    bench, _ = frozen()
    claims = (Claim(victim_id=V1, loss_minor=1_000_000),)
    pay_all(bench, decide_in(bench, open_in(bench, claims, {"victim-txn": V1}), "dec-1"), "D1")
    second = open_in(bench, (Claim(victim_id=V1, loss_minor=2_000_000),), {"victim-txn": V1}, round_no=2)
    assert [share.amount_minor for share in second.shares] == [1_000_000]
    command = DecideRefund(
        at_us=bench.now, refund_id=second.refund_id, decision_no="dec-1", by=TWO, reason="verified"
    )
    refusal = bench.do(command).refusal
    assert refusal is not None and refusal.why is Why.WRONG_STATE


def test_the_court_is_asked_when_rounds_add_up_to_its_sum() -> None:
    """IN: two rounds of 30,000 INR each pass the 50,000 INR that need a court."""
    regime = jurisdiction("IN").on(T0)
    claims = (Claim(victim_id=V1, loss_minor=8_000_000),)
    bench = Bench("IN", balance=90_000_000)
    bench.order(make_order("F1", "FREEZE", jurisdiction="IN", victim_transfer=None, currency="INR"))
    on = refund.open_round(bench.measure("F1"), claims, Pot(3_000_000), round_no=2, regime=regime, now=T0)
    assert isinstance(on, Refund) and on.shares[0].amount_minor == 3_000_000
    for court_ref, decided_before, why in (
        ("", 0, None),
        ("", 3_000_000, Why.PAPERS_MISSING),
        ("c", 3_000_000, None),
    ):
        found = refund.decide(
            on, "dec-2", by=TWO, reason="verified", court_ref=court_ref, decided={V1: decided_before},
            regime=regime, now=T0,
        )  # fmt: skip
        assert (found.why if isinstance(found, Refusal) else None) is why


def test_brazil_repays_in_instalments_as_credits_come() -> None:
    """Loss 150.00, 50.00 there: 50.00 go back at once, 70.00 of the next credit, then the last 30.00."""
    bench = Bench("BR", balance=5_000)
    order = make_order("F1", "FREEZE", jurisdiction="BR", amount_minor=15_000, victim_transfer=None)
    bench.order(order, actor=Actor.BANK)
    claim = (Claim(victim_id=V1, loss_minor=15_000),)
    paid = []
    for number, credit_minor in enumerate((0, 7_000, 9_000), 1):
        if credit_minor:
            bench.move(f"credit-{number}", credit_minor, bench.now + HOUR)
        on = decide_in(bench, open_in(bench, claim, {}, round_no=number), f"dec-{number}")
        paid += [share.amount_minor for share in on.shares]
        for count, share in enumerate(refund.disbursements(on)):
            pay = make_order(
                f"D{number}-{count}", "FREEZE", "DISBURSE", jurisdiction="BR", original_order_no="F1",
                disbursement=share,
            )  # fmt: skip
            assert bench.order(pay, actor=Actor.BANK).code is ReplyCode.OK
    assert paid == [5_000, 7_000, 3_000]
    assert bench.measure("F1").state == "DISBURSED"
    assert bench.account.balance_minor == 6_000


def test_korea_opens_no_round_over_ten_thousand_won_or_less_unless_a_victim_asks() -> None:
    cases = ((10_000, False, Why.BELOW_THRESHOLD), (10_000, True, None), (10_001, False, None))
    for held, requested, why in cases:
        bench = Bench("KR", balance=held)
        order = make_order(
            "F1", "FREEZE", jurisdiction="KR", amount_minor=held, victim_transfer=None, currency="KRW"
        )
        bench.order(order, actor=Actor.COURT)
        claim = (Claim(victim_id=V1, loss_minor=50_000),)
        command = OpenRefund(
            at_us=bench.now,
            freeze_id=bench.measure("F1").measure_id,
            round_no=1,
            claims=claim,
            requested=requested,
        )
        refusal = bench.do(command).refusal
        assert (refusal.why if refusal else None) is why


def test_an_objection_too_names_each_victim_once() -> None:
    bench, _ = frozen()
    on = open_in(bench, CLAIMS[:1], {"victim-txn": V1})
    twice = ObjectToRefund(at_us=bench.now, refund_id=on.refund_id, claims=CLAIMS[:1] * 2, reason="more")
    refusal = bench.do(twice).refusal
    assert refusal is not None and refusal.why is Why.MALFORMED
    assert bench.account.refunds[on.refund_id] == on


def test_small_rounds_that_add_up_are_decided_by_two_people() -> None:
    """Four eyes from 50,000.00: one clerk may decide 30,000.00, not 30,000.00 more of the same case."""
    bench = Bench("BR", balance=3_000_000)
    order = make_order("F1", "FREEZE", jurisdiction="BR", amount_minor=9_000_000, victim_transfer=None)
    bench.order(order, actor=Actor.BANK)
    claim = (Claim(victim_id=V1, loss_minor=9_000_000),)
    on = open_in(bench, claim, {})
    alone = {"by": ("clerk-1",), "reason": "verified"}
    first = DecideRefund(at_us=bench.now, refund_id=on.refund_id, decision_no="dec-1", **alone)
    assert bench.do(first).refusal is None
    (share,) = refund.disbursements(bench.account.refunds[on.refund_id])
    changes = {"jurisdiction": "BR", "original_order_no": "F1", "disbursement": share}
    assert bench.order(make_order("D1", "FREEZE", "DISBURSE", **changes), actor=Actor.BANK).why is None
    bench.move("more", 3_000_000, bench.now + HOUR)
    second = open_in(bench, claim, {}, round_no=2)
    command = DecideRefund(at_us=bench.now, refund_id=second.refund_id, decision_no="dec-2", **alone)
    refusal = bench.do(command).refusal
    assert refusal is not None and refusal.why is Why.TWO_PEOPLE_NEEDED
