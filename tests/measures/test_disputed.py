"""What is disputed is held, once: two figures in one message, two claims on one transfer, two holds."""

from typing import Any

import msgspec
import pytest

from measures.in_force import read_enforcement, violates
from measures.state.account import in_force
from schemas.commands import EndHold, PlaceHold
from schemas.order import Actor, FreezeTerms, Order, Scope, VictimTransfer
from schemas.reply import ReplyCode, Why
from tests.measures.kit import DAY, HOUR, PAID, T0, Bench, defrauded, entry_of, make_order
from tests.tokens import token_of

TERMS = FreezeTerms(legal_doc_no="doc-1", filing_doc_ref="filing-1")
RIVAL = {"authority_id": "police-2", "sender_id": "police-2", "case_no": "case-2", "case_family": "family-2"}
SALARY = 3_000_000


def sent(amount: int = PAID, currency: str = "CNY", **changes: Any) -> VictimTransfer:
    plain = {"account_token": token_of("acct-victim"), "transferred_at_us": T0}
    return VictimTransfer(amount_minor=amount, currency=currency, **(plain | changes))


def frozen_twice(second: Order, salary: int = SALARY) -> Bench:
    """The victim's transfer and a salary; the first freeze is on the transfer."""
    bench = defrauded()
    bench.move("salary", salary, T0 + 1)
    assert bench.order(make_order("F1", "FREEZE")).code is ReplyCode.OK
    assert bench.order(second).code is ReplyCode.OK
    return bench


# --- two figures of one message ----------------------------------------------------------------------


def test_a_lien_of_millions_on_a_disputed_two_hundred_holds_two_hundred() -> None:
    """IN: 935,000.00 INR asked, 200.00 disputed, a million there: 200.00 are held."""
    bench = Bench("IN", balance=100_000_000)
    order = make_order(
        "F1", "FREEZE", jurisdiction="IN", currency="INR", amount_minor=93_500_000,
        victim_transfer=sent(20_000, "INR"),
    )  # fmt: skip
    reply = bench.order(order)
    assert (reply.code, reply.applied_minor, reply.held_minor) == (ReplyCode.OK, 20_000, 20_000)
    assert reply.available_minor == 100_000_000 - 20_000


@pytest.mark.parametrize(("asked", "held"), [(PAID + 1, PAID), (PAID - 1, PAID - 1), (PAID, PAID)])
@pytest.mark.parametrize("kind", ["STOP", "FREEZE"])
def test_of_two_sums_in_one_order_the_smaller_is_held(kind: str, asked: int, held: int) -> None:
    bench = defrauded()
    bench.move("salary", SALARY, T0 + 1)
    assert bench.order(make_order("X1", kind, scope=Scope.AMOUNT, amount_minor=asked)).held_minor == held


def test_an_order_that_names_several_disputed_transactions_holds_their_sum() -> None:
    """Two victims' transfers of 20,000.00 and 10,000.00 named, 90,000.00 asked: 30,000.00 are held."""
    bench = Bench()
    bench.move("t1", 2_000_000)
    bench.move("t2", 1_000_000)
    bench.move("salary", 9_000_000)
    terms = msgspec.structs.replace(TERMS, disputed_txn_ids=("t1", "t2"))
    order = make_order("F1", "FREEZE", freeze=terms, amount_minor=9_000_000, victim_transfer=sent(2_000_000))
    assert bench.order(order).held_minor == 3_000_000


def test_a_whole_account_reduced_to_a_sum_is_narrowed_to_what_is_disputed() -> None:
    """Frozen whole for a disputed 50,000.00, then reduced to 70,000.00: 50,000.00 stay."""
    bench = defrauded()
    bench.move("salary", SALARY, T0 + 1)
    terms = msgspec.structs.replace(TERMS, whole_reason="sole mule account")
    bench.order(make_order("F1", "FREEZE", scope=Scope.ALL_OUTFLOW, freeze=terms))
    assert bench.measure("F1").held_minor == PAID + SALARY
    reply = bench.order(make_order("R1", "FREEZE", "REDUCE", original_order_no="F1", amount_minor=7_000_000))
    assert (reply.applied_minor, reply.held_minor) == (PAID, PAID)


def test_papers_are_asked_for_the_sum_an_order_names_not_for_what_it_is_narrowed_to() -> None:
    order = make_order("F1", "FREEZE", amount_minor=200_000_001)
    assert defrauded().order(order).why is Why.LEGAL_REVIEW_MISSING


# --- two claims on one transfer ----------------------------------------------------------------------


def test_a_second_authoritys_freeze_on_the_same_transfer_waits_and_the_salary_stays_free() -> None:
    bench = frozen_twice(make_order("F2", "FREEZE", **RIVAL))
    first, second = bench.measure("F1"), bench.measure("F2")
    assert (first.held_minor, second.held_minor, second.state) == (PAID, 0, "WAITING")
    assert in_force(bench.account, bench.now).limit_minor == PAID
    stated = read_enforcement(msgspec.json.encode(entry_of(bench)))
    assert stated is not None and not violates(stated, SALARY, PAID + SALARY, T0 + 2)


def test_the_waiting_claim_takes_the_money_when_the_first_ends_without_a_gap() -> None:
    bench = frozen_twice(make_order("F2", "FREEZE", **RIVAL))
    bench.order(make_order("L1", "FREEZE", "LIFT", original_order_no="F1"))
    second = bench.measure("F2")
    assert (second.held_minor, second.state) == (PAID, "ACTIVE")
    assert in_force(bench.account, bench.now).held_minor == PAID


def test_of_a_larger_second_claim_only_what_the_first_left_open_is_held() -> None:
    """The first freeze holds 30,000.00 of the transfer of 50,000.00, the second the other 20,000.00."""
    bench = defrauded()
    bench.move("salary", SALARY, T0 + 1)
    bench.order(make_order("F1", "FREEZE", amount_minor=3_000_000))
    bench.order(make_order("F2", "FREEZE", **RIVAL))
    assert [bench.measure(number).held_minor for number in ("F1", "F2")] == [3_000_000, 2_000_000]


def test_what_the_first_claim_paid_back_is_not_claimed_again() -> None:
    """The freeze paid 50,000.00 to the victim and ended; the salary is not held for the same transfer."""
    from tests.measures.test_refund import V1, Claim, decide_in, open_in, pay_all

    bench = frozen_twice(make_order("F2", "FREEZE", **RIVAL), salary=SALARY)
    claim = (Claim(victim_id=V1, loss_minor=PAID),)
    pay_all(bench, decide_in(bench, open_in(bench, claim, {"victim-txn": V1}), "dec-1"), "D")
    assert bench.measure("F1").state == "DISBURSED"
    assert bench.measure("F2").held_minor == 0
    assert in_force(bench.account, bench.now).limit_minor == 0
    assert bench.account.balance_minor == SALARY


def test_another_victims_transfer_of_the_same_sum_is_another_claim() -> None:
    bench = defrauded()
    bench.move("t2", PAID, T0 + HOUR)
    bench.order(make_order("F1", "FREEZE"))
    other = sent(account_token=token_of("acct-other"), transferred_at_us=T0 + HOUR)
    bench.order(make_order("F2", "FREEZE", victim_transfer=other, **RIVAL))
    assert [bench.measure(number).held_minor for number in ("F1", "F2")] == [PAID, PAID]


def test_the_same_transfer_told_in_other_words_is_the_same_claim() -> None:
    """The second authority knows the bank's id and a time some seconds off."""
    bench = frozen_twice(
        make_order(
            "F2",
            "FREEZE",
            **RIVAL,
            victim_transfer=sent(txn_id="victim-txn", transferred_at_us=T0 + 5_000_000),
        )
    )
    assert bench.measure("F2").state == "WAITING"


def test_a_stop_over_a_sum_and_anothers_freeze_on_the_transfer_hold_it_once() -> None:
    bench = defrauded()
    bench.move("salary", SALARY, T0 + 1)
    bench.order(make_order("S1", scope=Scope.AMOUNT, amount_minor=PAID))
    bench.order(make_order("F2", "FREEZE", **RIVAL))
    assert in_force(bench.account, bench.now).held_minor == PAID
    bench.tick(T0 + 3 * DAY)
    assert (bench.measure("S1").state, bench.measure("F2").held_minor) == ("EXPIRED", PAID)


def test_an_overdrawn_account_holds_nothing_and_its_next_credit_repays_first() -> None:
    bench = Bench(balance=-400)
    bench.order(make_order("F1", "FREEZE", amount_minor=1_000, victim_transfer=None))
    assert bench.measure("F1").held_minor == 0
    bench.move("in", 1_000)
    assert bench.account.balance_minor == 600
    assert bench.measure("F1").held_minor == 600


# --- one hold per payment or sum ---------------------------------------------------------------------


def hold(bench: Bench, decision: str, rule: str, **fields: Any) -> Why | None:
    command = PlaceHold(
        at_us=bench.now,
        decision_id=decision,
        rule=rule,
        reason_code="SCAM_SUSPECTED",
        received_at_us=bench.now,
        **fields,
    )
    refusal = bench.do(command).refusal
    return refusal.why if refusal else None


@pytest.mark.parametrize("country", ["UK", "BR", "CN", "TH"])
def test_a_payment_is_held_under_a_rule_once_whatever_the_decisions_id(country: str) -> None:
    bench = Bench(country, balance=PAID)
    rules = {name: versions[-1] for name, versions in bench.law.hold.items()}
    rule = next(name for name, rule in rules.items() if rule.scope is Scope.TRANSACTION)
    assert hold(bench, "d1", rule, txn_id="p1", amount_minor=1_000) is None
    (first,) = bench.account.live()
    assert hold(bench, "d1", rule, txn_id="p1", amount_minor=1_000) is None
    assert hold(bench, "d2", rule, txn_id="p1", amount_minor=1_000) is Why.LIMIT_REACHED
    ends = first.expires_at_us
    assert ends is not None
    bench.tick(ends)
    assert hold(bench, "d3", rule, txn_id="p1", amount_minor=1_000) is Why.LIMIT_REACHED
    assert in_force(bench.account, bench.now).blocked_txn_ids == frozenset()
    assert hold(bench, "d4", rule, txn_id="p2", amount_minor=1_000) is None


def test_a_sum_is_held_under_a_rule_once_and_later_credits_are_another_sum() -> None:
    """BR: 500 held for 72 hours, then free; 300 more come in and are held, not the 500 again."""
    bench = Bench("BR")
    bench.move("in-1", 50_000)
    assert hold(bench, "d1", "payee_hold", amount_minor=50_000) is None
    assert hold(bench, "d2", "payee_hold", amount_minor=49_999) is Why.LIMIT_REACHED
    bench.tick(T0 + 4 * DAY)
    assert hold(bench, "d3", "payee_hold", amount_minor=50_000) is Why.LIMIT_REACHED
    bench.move("in-2", 30_000, T0 + 5 * DAY)
    assert hold(bench, "d4", "payee_hold", amount_minor=80_000) is None
    assert in_force(bench.account, bench.now).held_minor == 30_000


def test_a_released_payment_is_not_held_again_by_a_new_decision() -> None:
    bench = Bench("UK", balance=PAID)
    assert hold(bench, "d1", "payer_delay", txn_id="p1", amount_minor=1_000) is None
    (held,) = bench.account.live()
    released = EndHold(
        at_us=bench.now, measure_id=held.measure_id, outcome="CONFIRM", reason="r", by=("a", "b")
    )
    assert bench.do(released).refusal is None
    assert hold(bench, "d2", "payer_delay", txn_id="p1", amount_minor=1_000) is Why.LIMIT_REACHED


def test_an_authority_may_still_order_what_the_institution_held_before() -> None:
    bench = Bench("BR")
    bench.move("in-1", PAID)
    assert hold(bench, "d1", "payee_hold", amount_minor=PAID) is None
    order = make_order("F1", "FREEZE", jurisdiction="BR", victim_transfer=None, currency="BRL")
    assert bench.order(order, actor=Actor.BANK).code is ReplyCode.OK
