"""UK: losses that both institutions make good: excess, cap, halves, the clock, what was repatriated."""

from typing import Any

import pytest

from measures.law.calendar import from_iso
from measures.law.country_file import jurisdiction
from measures.money.allocation import reimburse
from schemas.commands import (
    ConfirmReimbursement,
    ObjectToRefund,
    OpenRefund,
    StartClock,
    StopClock,
)
from schemas.ids import derived_id
from schemas.measure import Claim, Refund, Reimbursement
from schemas.order import Actor
from schemas.reply import Why
from tests.measures.kit import Bench, make_order
from tests.tokens import token_of

#: A Monday; 3 and 6 April 2026 are Good Friday and Easter Monday.
MONDAY = from_iso("2026-03-02T10:00:00+00:00")
TERMS = jurisdiction("UK").on(MONDAY).refund.reimbursement
V1 = token_of("v1")


def uk(loss: int, frozen: int = 0, at_us: int = MONDAY, **claim: Any) -> tuple[Bench, Refund]:
    """A round over a claim of `loss`, with `frozen` of it still on the account, pence."""
    bench = Bench("UK", at_us=at_us - 2)
    bench.move("victim-txn", loss, at_us - 2)
    bench.move("gone", frozen - loss or -1, at_us - 1)
    order = make_order(
        "F1", "FREEZE", jurisdiction="UK", currency="GBP", victim_transfer=None, amount_minor=loss,
        issued_at_us=at_us,
    )  # fmt: skip
    assert bench.order(order, at_us, actor=Actor.COURT).why is None
    claims = (Claim(victim_id=V1, loss_minor=loss, **claim),)
    freeze_id = bench.measure("F1").measure_id
    command = OpenRefund(
        at_us=at_us, freeze_id=freeze_id, round_no=1, claims=claims, senders={"victim-txn": V1}
    )
    assert bench.do(command).refusal is None
    return bench, bench.account.refunds[derived_id("refund", freeze_id, 1)]


def one(on: Refund) -> Reimbursement:
    (found,) = on.reimbursements
    return found


@pytest.mark.parametrize(
    ("loss", "vulnerable", "borne"),
    [
        (100_000, False, [45_000, 45_000]),  # 1,000.00 less 100.00
        (100_000, True, [50_000, 50_000]),  # no excess
        (9_000, False, [0, 0]),  # 90.00, less than the excess
        (9_000, True, [4_500, 4_500]),
        (9_000_000, False, [4_245_000, 4_245_000]),  # 85,000.00 at most, less 100.00
        (9_000_000, True, [4_250_000, 4_250_000]),
        (10_001, False, [1, 0]),  # an odd penny is the sender's
    ],
)
def test_a_claim_is_reimbursed_by_halves_up_to_the_cap_less_the_excess(
    loss: int, vulnerable: bool, borne: list[int]
) -> None:
    assert TERMS is not None
    found = reimburse(loss, TERMS.cap, TERMS.split_percent, excess_minor=TERMS.excess, vulnerable=vulnerable)
    assert found == borne


def test_a_round_says_what_both_institutions_owe_besides_what_the_freeze_gives_back() -> None:
    """Loss 1,000.00, 400.00 still there: 400.00 from the freeze, 500.00 by halves, 100.00 the victim's."""
    _, on = uk(100_000, frozen=40_000)
    assert [share.amount_minor for share in on.shares] == [40_000]
    assert (one(on).amount_minor, one(on).borne_minor) == (50_000, (25_000, 25_000))


def test_what_was_repatriated_beyond_the_reimbursement_is_the_victims_up_to_the_loss() -> None:
    """Loss 1,000.00, 950.00 still there: the freeze gives 950.00, the institutions nothing."""
    _, on = uk(100_000, frozen=95_000)
    assert [share.amount_minor for share in on.shares] == [95_000]
    assert one(on).amount_minor == 0


def test_what_came_back_before_lowers_what_is_owed() -> None:
    _, on = uk(100_000, frozen=40_000, recovered_minor=30_000)
    assert one(on).amount_minor == 20_000


def test_a_vulnerable_victim_gets_the_whole_loss() -> None:
    _, on = uk(100_000, frozen=40_000, vulnerable=True)
    assert on.shares[0].amount_minor + one(on).amount_minor == 100_000


def test_what_the_institutions_owe_is_not_repaid_again_by_a_later_round() -> None:
    """Loss 1,000.00: round 1 gives 400.00 and the institutions 500.00; 100.00 are left for round 2."""
    from measures.money.refund import disbursements
    from tests.measures.test_refund import decide_in

    bench, on = uk(100_000, frozen=40_000)
    on = decide_in(bench, on, "dec-1")
    (share,) = disbursements(on)
    order = make_order(
        "D1", "FREEZE", "DISBURSE", jurisdiction="UK", original_order_no="F1", disbursement=share,
        issued_at_us=bench.now,
    )  # fmt: skip
    assert bench.order(order, actor=Actor.COURT).why is None
    bench.move("more", 60_000, bench.now + 10)
    claims = (Claim(victim_id=V1, loss_minor=100_000),)
    senders = {"victim-txn": V1, "more": V1}
    command = OpenRefund(at_us=bench.now, freeze_id=on.freeze_id, round_no=2, claims=claims, senders=senders)
    assert bench.do(command).refusal is None
    second = bench.account.refunds[derived_id("refund", on.freeze_id, 2)]
    assert [share.amount_minor for share in second.shares] == [10_000]
    assert one(second).amount_minor == 0


def test_it_is_due_five_business_days_after_the_claim() -> None:
    _, on = uk(100_000, at_us=from_iso("2026-04-01T10:00:00+01:00"))
    assert one(on).due_us == from_iso("2026-04-10T10:00:00+01:00")
    claimed = from_iso("2026-02-27T09:00:00+00:00")
    _, on = uk(100_000, claimed_at_us=claimed)
    assert one(on).due_us == from_iso("2026-03-06T09:00:00+00:00")


def test_the_clock_stands_still_while_the_victim_owes_an_answer() -> None:
    """Stopped on Wednesday, answered on the Tuesday after: four business days more."""
    bench, on = uk(100_000)
    wednesday, tuesday = from_iso("2026-03-04T10:00:00+00:00"), from_iso("2026-03-10T09:00:00+00:00")
    assert bench.do(StopClock(at_us=wednesday, refund_id=on.refund_id, victim_id=V1)).refusal is None
    bench.tick(from_iso("2026-03-09T18:00:00+00:00"))
    assert bench.alerts() == []
    assert bench.do(StartClock(at_us=tuesday, refund_id=on.refund_id, victim_id=V1)).refusal is None
    assert one(bench.account.refunds[on.refund_id]).due_us == from_iso("2026-03-13T10:00:00+00:00")


def test_a_stopped_clock_runs_out_after_thirty_five_business_days() -> None:
    """35 business days after Monday 2 March, Easter between: Wednesday 22 April."""
    bench, on = uk(100_000)
    bench.do(StopClock(at_us=MONDAY + 1, refund_id=on.refund_id, victim_id=V1))
    latest = from_iso("2026-04-22T10:00:00+01:00")
    assert one(bench.account.refunds[on.refund_id]).latest_us == latest
    bench.tick(latest - 1)
    assert bench.alerts() == []
    bench.tick(latest)
    bench.tick(latest + 10**12)
    assert bench.alerts() == ["REIMBURSEMENT_OVERDUE"]


def test_an_answer_after_the_latest_day_gives_no_more_time() -> None:
    bench, on = uk(100_000)
    bench.do(StopClock(at_us=MONDAY + 1, refund_id=on.refund_id, victim_id=V1))
    bench.do(StartClock(at_us=from_iso("2026-04-20T10:00:00+01:00"), refund_id=on.refund_id, victim_id=V1))
    found = one(bench.account.refunds[on.refund_id])
    assert found.due_us == found.latest_us == from_iso("2026-04-22T10:00:00+01:00")


def test_what_was_paid_in_time_is_never_overdue_and_counts_once() -> None:
    bench, on = uk(100_000)
    for _ in range(2):
        done = ConfirmReimbursement(at_us=MONDAY + 5, refund_id=on.refund_id, victim_id=V1)
        assert bench.do(done).refusal is None
    bench.tick(MONDAY + 10**13)
    assert bench.alerts() == []
    late = bench.do(StopClock(at_us=bench.now, refund_id=on.refund_id, victim_id=V1)).refusal
    assert late is not None and late.why is Why.WRONG_STATE


def test_an_objection_changes_what_is_owed_and_leaves_the_clock() -> None:
    bench, on = uk(100_000)
    corrected = (Claim(victim_id=V1, loss_minor=60_000),)
    command = ObjectToRefund(
        at_us=MONDAY + 10**11,
        refund_id=on.refund_id,
        claims=corrected,
        reason="less",
        senders={"victim-txn": V1},
    )
    assert bench.do(command).refusal is None
    found = one(bench.account.refunds[on.refund_id])
    assert (found.amount_minor, found.due_us) == (50_000, one(on).due_us)


def test_elsewhere_no_institution_owes_a_reimbursement() -> None:
    from tests.measures.test_refund import CLAIMS, frozen, open_in

    bench, _ = frozen()
    assert open_in(bench, CLAIMS[:1], {"victim-txn": CLAIMS[0].victim_id}).reimbursements == ()
