"""What the institution does itself: holds, restrictions, appeals of holders, listings, cool-down."""

from pathlib import Path

import pytest

from measures.law.calendar import from_iso
from measures.law.country_file import FOLDER, jurisdiction, load
from measures.refusal import Refusal
from measures.registry import listing
from measures.state.account import forbids, in_force
from schemas.commands import AnswerAppeal, EndHold, FileAppeal, PlaceHold, Restrict, Reverify
from schemas.measure import Measure
from schemas.order import Actor, Direction, Flow
from schemas.reply import ReplyCode, Why
from tests.measures.kit import DAY, HOUR, MINUTE, T0, Bench, defrauded, make_order


def held(bench: Bench, rule: str = "payer_delay", **changes: object) -> Measure:
    fields = {
        "decision_id": "dec-1",
        "reason_code": "SCAM_SUSPECTED",
        "amount_minor": 100_000,
        "txn_id": "pay-1",
    }
    refusal = bench.do(PlaceHold(at_us=bench.now, rule=rule, **(fields | changes))).refusal
    assert refusal is None, refusal
    return max(bench.account.measures.values(), key=lambda m: m.rank)


def end(
    bench: Bench, measure: Measure, outcome: str, by: tuple[str, ...] = ("clerk-1",), reason: str = "asked"
):
    command = EndHold(at_us=bench.now, measure_id=measure.measure_id, outcome=outcome, reason=reason, by=by)
    return bench.do(command).refusal


def test_a_delayed_payment_is_blocked_until_its_time_and_then_released_by_itself() -> None:
    bench = Bench(balance=500_000)
    measure = held(bench)
    payment = Flow(txn_id="pay-1", at_us=T0, direction=Direction.DEBIT, amount_minor=100_000)
    assert forbids(bench.account, payment, T0 + 24 * HOUR - 1)
    assert not forbids(bench.account, payment, T0 + 24 * HOUR)
    bench.tick(T0 + 24 * HOUR)
    ended = bench.account.measures[measure.measure_id]
    assert (ended.state, ended.ended_why) == ("RELEASED_AT_TIMER", "TERM_ENDED")


def test_the_same_decision_places_one_hold() -> None:
    bench = Bench(balance=500_000)
    held(bench)
    held(bench)
    assert len(bench.account.live()) == 1


@pytest.mark.parametrize(
    ("outcome", "state"),
    [("CANCEL", "CANCELLED_BY_PAYER"), ("CONFIRM", "RELEASED_BY_CONFIRMATION"), ("BLOCK", "BLOCKED")],
)
def test_a_hold_ends_by_cancelling_confirming_or_blocking(outcome: str, state: str) -> None:
    bench = Bench(balance=500_000)
    measure = held(bench)
    assert end(bench, measure, outcome) is None
    assert bench.account.measures[measure.measure_id].state == state


def test_releasing_a_large_hold_takes_two_people_and_a_reason() -> None:
    bench = Bench(balance=50_000_000)
    measure = held(bench, amount_minor=5_000_000)
    for by, reason, why in (
        (("clerk-1",), "ok", Why.TWO_PEOPLE_NEEDED),
        (("clerk-1", "clerk-1"), "ok", Why.TWO_PEOPLE_NEEDED),
        (("clerk-1", "clerk-2"), "", Why.REASON_MISSING),
    ):
        refusal = end(bench, measure, "CONFIRM", by, reason)
        assert refusal is not None and refusal.why is why
    assert end(bench, measure, "CONFIRM", ("clerk-1", "clerk-2")) is None


def test_a_korean_transfer_can_be_cancelled_until_half_an_hour_before_it_runs() -> None:
    bench = Bench("KR", balance=5_000_000)
    measure = held(bench, "chosen_delay")
    bench.tick(T0 + 2 * HOUR + 30 * MINUTE + 1)
    refusal = end(bench, measure, "CANCEL")
    assert refusal is not None and refusal.why is Why.TOO_LATE


def test_a_hold_below_its_legal_threshold_is_refused() -> None:
    command = PlaceHold(
        at_us=T0, decision_id="d", rule="atm_delay", reason_code="DELAYED_TRANSFER", amount_minor=999_999
    )
    outcome = Bench("KR", balance=5_000_000).do(command)
    assert outcome.refusal is not None and outcome.refusal.why is Why.BELOW_THRESHOLD


def test_an_amount_hold_gives_way_to_the_freeze_of_the_same_case() -> None:
    bench = defrauded()
    measure = held(
        bench, "payee_hold", amount_minor=5_000_000, case_family="family-1", reason_code="PAYEE_SUSPECT"
    )
    bench.order(make_order("F1", "FREEZE"))
    assert bench.account.measures[measure.measure_id].state == "ESCALATED"
    assert in_force(bench.account, bench.now).held_minor == 5_000_000


def test_a_british_delay_ends_with_the_fourth_business_day() -> None:
    thursday = from_iso("2026-04-02T15:00:00+01:00")
    measure = held(Bench("UK", balance=500_000, at_us=thursday), received_at_us=thursday)
    assert measure.expires_at_us == from_iso("2026-04-11T00:00:00+01:00")


def test_an_involved_holder_has_three_days_to_verify_first() -> None:
    bench = Bench(balance=1)
    restrict = Restrict(at_us=T0, decision_id="d-1", rule="INVOLVED", reason_code="IDENTITY_CHECK")
    assert bench.do(restrict).refusal is None
    assert not in_force(bench.account, T0 + 3 * DAY - 1).blocked_functions
    assert in_force(bench.account, T0 + 3 * DAY).blocked_functions == {"NON_COUNTER"}
    bench.do(Reverify(at_us=T0 + DAY, by=("clerk-1",)))
    assert [m.state for m in bench.account.measures.values()] == ["CURED"]


def test_a_dormant_account_is_restored_when_its_holder_is_verified() -> None:
    bench = Bench(balance=1)
    bench.do(Restrict(at_us=T0, decision_id="d-1", rule="NO_TRANSACTION_6M", reason_code="IDENTITY_CHECK"))
    assert in_force(bench.account, T0).blocked_functions
    bench.do(Reverify(at_us=T0 + DAY, by=("clerk-1",)))
    assert [m.state for m in bench.account.measures.values()] == ["RESTORED"]


def test_a_victim_restriction_runs_thirty_days_and_at_most_six_times() -> None:
    bench = Bench("SG", balance=9_000_000)
    order = make_order("R1", "RESTRICTION", jurisdiction="SG", rule="VICTIM_PROTECTION")
    assert bench.order(order).expires_at_us == T0 + 30 * DAY
    assert "TRANSFER_OUT" in in_force(bench.account, bench.now).blocked_functions
    for times in range(2, 7):
        extend = make_order(f"E{times}", "RESTRICTION", "EXTEND", jurisdiction="SG", original_order_no="R1")
        assert bench.order(extend).expires_at_us == T0 + 30 * times * DAY
    last = make_order("E7", "RESTRICTION", "EXTEND", jurisdiction="SG", original_order_no="R1")
    assert bench.order(last).why is Why.LIMIT_REACHED


def appeal_on(bench: Bench) -> str:
    measure = bench.account.live()[0]
    filed = FileAppeal(at_us=bench.now, filing_no="a-1", measure_id=measure.measure_id, reasons="my salary")
    assert bench.do(filed).refusal is None
    return next(iter(bench.account.appeals))


def decide(bench: Bench, appeal_id: str, outcome: str, **changes: object) -> Refusal | None:
    fields: dict[str, object] = {"reasons": "papers seen", "by": ("judge-1", "judge-2")}
    command = AnswerAppeal(
        at_us=bench.now, appeal_id=appeal_id, step="DECIDE", outcome=outcome, **(fields | changes)
    )
    return bench.do(command).refusal


def test_an_upheld_appeal_lifts_the_hold_at_once() -> None:
    bench = defrauded()
    held(bench, "payee_hold", amount_minor=1_000_000)
    appeal_id = appeal_on(bench)
    assert decide(bench, appeal_id, "UPHELD") is None
    assert in_force(bench.account, bench.now).held_minor == 0
    assert bench.account.appeals[appeal_id].state == "CLOSED"
    lifted = next(iter(bench.account.measures.values()))
    assert (lifted.state, lifted.ended_by) == ("LIFTED", ("judge-1", "judge-2"))


def test_an_institution_cannot_lift_a_police_freeze_but_passes_the_appeal_on() -> None:
    bench = defrauded()
    bench.order(make_order("F1", "FREEZE"))
    appeal_id = appeal_on(bench)
    assert decide(bench, appeal_id, "UPHELD") is None
    appeal = bench.account.appeals[appeal_id]
    assert (appeal.tier_name, bench.measure("F1").state) == ("ISSUING_POLICE", "ACTIVE")
    assert decide(bench, appeal_id, "PART", reduced_to_minor=2_000_000) is None
    assert bench.measure("F1").held_minor == 2_000_000


def test_a_decision_over_a_large_sum_needs_two_people_and_reasons() -> None:
    bench = defrauded()
    bench.order(make_order("F1", "FREEZE"))
    appeal_id = appeal_on(bench)
    for changes, why in (
        ({"by": ("judge-1",)}, Why.TWO_PEOPLE_NEEDED),
        ({"reasons": " "}, Why.REASON_MISSING),
    ):
        refusal = decide(bench, appeal_id, "UPHELD", **changes)
        assert refusal is not None and refusal.why is why


def test_where_the_file_says_so_silence_climbs_three_tiers_and_then_lifts_the_lien(tmp_path: Path) -> None:
    text = (FOLDER / "in.yaml").read_text()
    (tmp_path / "in.yaml").write_text(text.replace("deemed_lift: false", "deemed_lift: true"))
    bench = Bench(load(tmp_path / "in.yaml"), balance=5_000_000, at_us=T0)
    order = make_order("F1", "FREEZE", jurisdiction="IN", victim_transfer=None, currency="INR")
    assert bench.order(order).code is ReplyCode.OK
    appeal_id = appeal_on(bench)
    tiers = []
    for days in (7, 22, 37):
        bench.tick(T0 + days * DAY)
        appeal = bench.account.appeals[appeal_id]
        tiers.append((appeal.tier_name, appeal.outcome))
    assert tiers == [
        ("DISTRICT_GRIEVANCE_OFFICER", ""),
        ("STATE_GRIEVANCE_OFFICER", ""),
        ("STATE_GRIEVANCE_OFFICER", "DEEMED_LIFT"),
    ]
    assert bench.measure("F1").state == "LIFTED"


def test_where_silence_does_not_lift_a_person_is_told() -> None:
    bench = defrauded()
    bench.order(make_order("F1", "FREEZE"))
    appeal_on(bench)
    bench.tick(T0 + 60 * DAY)
    assert "APPEAL_OVERDUE" in bench.alerts()
    assert bench.measure("F1").live


def test_an_appeal_goes_through_its_steps_and_no_others() -> None:
    bench = defrauded()
    held(bench, "payee_hold", amount_minor=1_000_000)
    appeal_id = appeal_on(bench)

    def step(name: str) -> Refusal | None:
        return bench.do(AnswerAppeal(at_us=bench.now, appeal_id=appeal_id, step=name)).refusal

    assert step("RECEIVE_EVIDENCE") is not None
    assert [step(s) for s in ("ACKNOWLEDGE", "REQUEST_EVIDENCE", "RECEIVE_EVIDENCE")] == [None] * 3
    assert step("ACKNOWLEDGE") is not None
    assert decide(bench, appeal_id, "REJECTED") is None
    assert in_force(bench.account, bench.now).held_minor == 1_000_000


def test_an_appeal_is_moot_when_its_measure_ends() -> None:
    bench = defrauded()
    held(bench, "payee_hold", amount_minor=1_000_000)
    appeal_id = appeal_on(bench)
    bench.tick(T0 + 25 * HOUR)
    appeal = bench.account.appeals[appeal_id]
    assert (appeal.state, appeal.outcome) == ("CLOSED", "MOOT")


def listed(at: str = "2026-03-02T10:00:00+08:00", ground: str = "ADMINISTRATIVE"):
    now = from_iso(at)
    regime = jurisdiction("CN").on(now)
    entry = listing.enter(
        "person-1", ground, actor=Actor.POLICE, authority_id="police-1", decision_no="dec-1",
        institutions=("bank-1", "bank-2"), language="en", regime=regime, now=now,
    )  # fmt: skip
    return entry, regime, now


@pytest.mark.parametrize(
    ("at", "ground", "until"),
    [
        ("2017-05-31T09:00:00+08:00", "ADMINISTRATIVE", "2022-05-31T09:00:00+08:00"),
        ("2019-05-01T09:00:00+08:00", "ADMINISTRATIVE", "2024-05-01T09:00:00+08:00"),
        ("2024-12-01T00:00:00+08:00", "ADMINISTRATIVE", "2026-12-01T00:00:00+08:00"),
        ("2024-12-01T00:00:00+08:00", "CRIMINAL", "2027-12-01T00:00:00+08:00"),
    ],
)
def test_a_listing_runs_as_long_as_the_regime_of_its_day_says(at: str, ground: str, until: str) -> None:
    entry, _, _ = listed(at, ground)
    assert not isinstance(entry, Refusal)
    assert entry.listed_to_us == from_iso(until)


def test_a_listing_of_2017_cuts_new_accounts_for_three_years_only() -> None:
    entry, _, now = listed("2017-05-31T09:00:00+08:00")
    assert not isinstance(entry, Refusal)
    assert listing.cuts_in_force(entry, now + 4 * 365 * DAY) == {"NON_COUNTER"}


def test_nobody_is_listed_for_a_ground_the_regime_does_not_know() -> None:
    entry, _, _ = listed("2019-05-01T09:00:00+08:00", "CRIMINAL")
    assert isinstance(entry, Refusal) and entry.why is Why.NO_LEGAL_BASIS


def test_a_listing_is_applied_when_every_institution_has_acknowledged() -> None:
    entry, regime, now = listed()
    assert not isinstance(entry, Refusal)
    entry = listing.acknowledge(entry, "bank-1")
    late = listing.tick(entry, regime, entry.due_us or now)
    assert late.missing == {"bank-2"}
    applied = listing.acknowledge(late, "bank-2")
    assert (applied.state, applied.missing) == ("APPLIED", frozenset())
    expired = listing.tick(applied, regime, applied.listed_to_us)
    assert (expired.state, listing.cuts_in_force(expired, applied.listed_to_us)) == ("EXPIRED", frozenset())
    for bank in ("bank-1", "bank-2"):
        expired = listing.acknowledge(expired, bank)
    assert expired.state == "REMOVED"


def test_an_upheld_appeal_ends_a_listing_and_a_rejected_one_does_not() -> None:
    entry, regime, now = listed()
    assert not isinstance(entry, Refusal)
    under = listing.appeal(entry)
    assert not isinstance(under, Refusal)
    two = ("judge-1", "judge-2")
    kept = listing.decide_appeal(under, upheld=False, reasons="no proof", by=two, regime=regime, now=now)
    assert not isinstance(kept, Refusal) and kept.state == "LISTED"
    alone = listing.decide_appeal(under, upheld=True, reasons="mistake", by=two[:1], regime=regime, now=now)
    assert isinstance(alone, Refusal)
    lifted = listing.decide_appeal(under, upheld=True, reasons="mistake", by=two, regime=regime, now=now)
    assert not isinstance(lifted, Refusal)
    assert (lifted.state, lifted.ended_by) == ("LIFTED", two)


def test_only_a_measure_over_a_sum_is_lifted_in_part() -> None:
    bench = Bench(balance=1_000_000)
    bench.do(Restrict(at_us=T0, decision_id="d-1", rule="SHARED_PHONE", reason_code="IDENTITY_CHECK"))
    (measure_id,) = bench.account.measures
    bench.do(FileAppeal(at_us=T0, filing_no="a", measure_id=measure_id, reasons="mine"))
    (appeal_id,) = bench.account.appeals
    refusal = decide(bench, appeal_id, "PART", reduced_to_minor=5)
    assert refusal is not None and refusal.why is Why.WRONG_STATE
    assert bench.account.measures[measure_id].scope == "FUNCTIONS"


def test_a_payer_cancels_without_giving_a_reason() -> None:
    bench = defrauded()
    measure = held(bench)
    assert end(bench, measure, "CANCEL", by=(), reason="") is None
    assert bench.account.measures[measure.measure_id].ended_why == "CANCEL"
