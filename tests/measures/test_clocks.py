"""Terms start where the law says and end on days that are worked; what nobody has announced yet is said."""

from pathlib import Path

import pytest

from measures.law.calendar import Calendar, Term, from_iso
from measures.law.country_file import FOLDER, jurisdiction, load
from measures.law.horizon import calendar_cautions
from measures.refusal import Refusal
from measures.registry import listing
from schemas.commands import PlaceHold, StateFacts
from schemas.measure import AccountFacts
from schemas.order import Actor, HolderKind
from schemas.reply import Why
from tests.measures.kit import DAY, HOUR, PAID, T0, Bench, make_order


@pytest.mark.parametrize(
    ("country", "start", "term", "end"),
    [
        ("UK", "2026-12-24T12:00:00+00:00", "P4BD@EOD", "2027-01-05T00:00:00+00:00"),
        ("UK", "2026-12-29T15:00:00+00:00", "P4BD@EOD", "2027-01-06T00:00:00+00:00"),
        ("UK", "2027-03-24T12:00:00+00:00", "P4BD@EOD", "2027-04-02T00:00:00+01:00"),
        ("CN", "2026-12-30T10:00:00+08:00", "P3BD", "2027-01-05T10:00:00+08:00"),
        ("CN", "2026-09-30T10:00:00+08:00", "P3BD", "2026-10-10T10:00:00+08:00"),
        ("KR", "2026-07-14T10:00:00+09:00", "P5BD", "2026-07-22T10:00:00+09:00"),
        ("KR", "2026-06-01T10:00:00+09:00", "P5BD", "2026-06-09T10:00:00+09:00"),
        ("SG", "2026-11-05T10:00:00+08:00", "P5BD", "2026-11-13T10:00:00+08:00"),
        ("HK", "2026-06-17T10:00:00+08:00", "P5BD", "2026-06-25T10:00:00+08:00"),
        ("HK", "2026-04-02T10:00:00+08:00", "P1BD", "2026-04-08T10:00:00+08:00"),
        ("IN", "2026-11-12T10:00:00+05:30", "P7BD", "2026-11-21T10:00:00+05:30"),
        ("TH", "2026-07-27T10:00:00+07:00", "P1BD", "2026-07-31T10:00:00+07:00"),
        ("BR", "2027-02-05T10:00:00-03:00", "P1BD", "2027-02-10T10:00:00-03:00"),
        ("AU", "2026-10-02T10:00:00+10:00", "P1BD", "2026-10-06T10:00:00+11:00"),
        ("KR", "2026-08-01T10:00:00+09:00", "P14D@NBD@EOD", "2026-08-19T00:00:00+09:00"),
        ("TH", "2026-08-01T10:00:00+07:00", "P14D@NBD", "2026-08-17T10:00:00+07:00"),
        ("KR", "2026-08-03T10:00:00+09:00", "P10D@NBD", "2026-08-13T10:00:00+09:00"),
    ],
)
def test_business_days_are_those_of_the_country_this_year_and_next(
    country: str, start: str, term: str, end: str
) -> None:
    assert jurisdiction(country).calendar.add(from_iso(start), Term.parse(term)) == from_iso(end)


def british(at: str, **fields: object) -> Bench:
    bench = Bench("UK", balance=500_000, at_us=from_iso("2026-03-02T09:00:00+00:00"))
    command = PlaceHold(
        at_us=from_iso(at), decision_id="d", rule="payer_delay", reason_code="SCAM_SUSPECTED",
        amount_minor=100_000, txn_id="p1", **fields,  # type: ignore[arg-type]
    )  # fmt: skip
    bench.outcome = bench.do(command)  # type: ignore[attr-defined]
    return bench


def test_the_british_delay_runs_from_receipt_of_the_order() -> None:
    bench = british("2026-03-03T11:00:00+00:00", received_at_us=from_iso("2026-03-02T16:00:00+00:00"))
    (hold,) = bench.account.measures.values()
    assert hold.expires_at_us == from_iso("2026-03-07T00:00:00+00:00")


@pytest.mark.parametrize(
    ("received", "why"),
    [
        (None, Why.TIME_MISSING),
        ("2026-03-05T16:00:00+00:00", Why.FUTURE_ORDER),
        ("2026-03-01T16:00:00+00:00", Why.TOO_LATE),
        ("2026-02-20T16:00:00+00:00", Why.TOO_LATE),
    ],
)
def test_a_delay_whose_start_is_unknown_or_whose_grounds_came_late_is_refused(
    received: str | None, why: Why
) -> None:
    fields = {"received_at_us": from_iso(received)} if received else {}
    refusal = british("2026-03-04T11:00:00+00:00", **fields).outcome.refusal  # type: ignore[attr-defined]
    assert refusal is not None and refusal.why is why


def test_an_authority_of_another_zone_counts_on_its_own_clock(tmp_path: Path) -> None:
    text = (FOLDER / "au.yaml").read_text().replace("\nfreeze:", (
        "\nauthorities:\n  wa-court: {name: Magistrates Court of Western Australia, phone: '08 9425 2222',"
        " timezone: Australia/Perth, subdivision: WA}\n\nfreeze:"
    ), 1)  # fmt: skip
    path = tmp_path / "au.yaml"
    path.write_text(text)
    law = load(path)
    bench = Bench(law, balance=PAID, at_us=from_iso("2026-03-02T12:00:00+11:00"))
    order = make_order(
        "F1",
        "FREEZE",
        jurisdiction="AU",
        authority_id="wa-court",
        victim_transfer=None,
        issued_at_us=bench.now,
    )
    bench.order(order, actor=Actor.COURT)
    measure = bench.measure("F1")
    # Monday 2 March is Labour Day in Western Australia: three working days end on Thursday, in Perth.
    assert measure.expires_at_us == from_iso("2026-03-06T00:00:00+08:00")
    assert measure.notice is not None
    assert "Magistrates Court of Western Australia" in measure.notice.remedy_channel
    assert "08 9425 2222" in measure.notice.reason


def test_a_term_past_the_last_announced_year_is_said_at_start_and_in_the_reply() -> None:
    now = from_iso("2027-12-20T10:00:00+11:00")
    assert [said[:3] for said in calendar_cautions([jurisdiction("AU"), jurisdiction("CN")], now)] == [
        "AU:",
        "CN:",
    ]
    assert calendar_cautions([jurisdiction("AU")], from_iso("2026-12-20T10:00:00+11:00")) == []
    bench = Bench("AU", balance=PAID, at_us=now)
    order = make_order("F1", "FREEZE", jurisdiction="AU", victim_transfer=None, issued_at_us=now)
    assert bench.order(order, actor=Actor.COURT).caution == ""
    late = from_iso("2027-12-30T10:00:00+11:00")
    bench = Bench("AU", balance=PAID, at_us=late)
    reply = bench.order(
        make_order("F1", "FREEZE", jurisdiction="AU", victim_transfer=None, issued_at_us=late),
        actor=Actor.COURT,
    )
    assert "certain until 2027-12-31" in reply.caution


def test_holidays_typed_into_a_file_are_known_to_the_end_of_their_last_year() -> None:
    calendar = jurisdiction("CN").calendar
    assert calendar.foresees(from_iso("2026-12-20T10:00:00+08:00"), Term.parse("P3BD"))
    assert not calendar.foresees(from_iso("2026-12-30T10:00:00+08:00"), Term.parse("P3BD"))
    assert calendar.foresees(from_iso("2026-12-30T10:00:00+08:00"), Term.parse("P6M"))
    assert isinstance(calendar, Calendar)


def test_a_brazilian_block_touches_no_business_account() -> None:
    bench = Bench("BR", balance=PAID)
    facts = AccountFacts(
        name_token="name-1", currency="BRL", balance_minor=PAID, holder_kind=HolderKind.BUSINESS
    )
    bench.do(StateFacts(at_us=T0, facts=facts))
    refusal = bench.do(
        PlaceHold(at_us=T0, decision_id="d", rule="payee_hold", reason_code="PAYEE_SUSPECT", amount_minor=100)
    ).refusal
    assert refusal is not None and refusal.why is Why.CONDITION_UNMET


def test_a_singapore_hold_counts_the_outflow_of_the_whole_day() -> None:
    bench = Bench("SG", balance=10_000_000)

    def place(decision: str, amount: int) -> Why | None:
        refusal = bench.do(
            PlaceHold(
                at_us=bench.now, decision_id=decision, rule="payer_delay", reason_code="SCAM_SUSPECTED",
                amount_minor=amount, txn_id=decision,
            )
        ).refusal  # fmt: skip
        return refusal.why if refusal else None

    assert place("p1", 4_000_000) is Why.BELOW_THRESHOLD
    bench.move("t1", -3_000_000, bench.now + HOUR)
    assert place("p2", 2_500_000) is None
    bench.tick(bench.now + 2 * DAY)
    assert place("p3", 2_500_000) is Why.BELOW_THRESHOLD


def test_a_delay_that_rests_on_unannounced_holidays_asks_a_person_to_look() -> None:
    at = from_iso("2027-12-29T10:00:00+00:00")
    bench = Bench("UK", balance=500_000, at_us=at)
    command = PlaceHold(
        at_us=at, decision_id="d", rule="payer_delay", reason_code="SCAM_SUSPECTED", amount_minor=100,
        txn_id="p1", received_at_us=at,
    )  # fmt: skip
    assert bench.do(command).refusal is None
    bench.do(command)
    assert bench.alerts() == ["CALENDAR_UNCERTAIN"]
    early = british("2026-03-03T11:00:00+00:00", received_at_us=from_iso("2026-03-02T16:00:00+00:00"))
    assert early.alerts() == []


def test_a_british_court_freezes_no_sum_below_a_thousand_pounds() -> None:
    bench = Bench("UK", balance=PAID)
    order = make_order("F1", "FREEZE", jurisdiction="UK", victim_transfer=None, amount_minor=99_999)
    assert bench.order(order, actor=Actor.COURT).why is Why.BELOW_THRESHOLD


def test_a_malaysian_freeze_lasts_as_long_as_its_order_names_and_no_longer() -> None:
    bench = Bench("MY", balance=PAID)
    fields = {"jurisdiction": "MY", "victim_transfer": None}
    assert bench.order(make_order("F1", "FREEZE", **fields)).why is Why.TIME_MISSING
    span = {"start_at_us": T0, "expire_at_us": T0 + 30 * DAY}
    bench.order(make_order("F2", "FREEZE", **fields, **span))
    assert bench.measure("F2").expires_at_us == T0 + 30 * DAY


def test_thai_police_have_seven_days_from_a_complaint_that_came_within_72_hours_of_the_hold() -> None:
    def frozen(reported_after_h: int) -> tuple[Why | None, int | None]:
        bench = Bench("TH", balance=PAID)
        bench.do(
            PlaceHold(
                at_us=T0, decision_id="d", rule="payee_hold", reason_code="PAYEE_SUSPECT", amount_minor=PAID,
                case_family="family-1",
            )
        )  # fmt: skip
        at = T0 + 80 * HOUR
        order = make_order(
            "F1", "FREEZE", jurisdiction="TH", victim_transfer=None, issued_at_us=at,
            reported_at_us=T0 + reported_after_h * HOUR,
        )  # fmt: skip
        why = bench.order(order, at).why
        return why, None if why else bench.measure("F1").expires_at_us

    assert frozen(24) == (None, T0 + 24 * HOUR + 7 * DAY)
    assert frozen(73) == (Why.CONDITION_UNMET, None)


@pytest.mark.parametrize(("rupees", "state"), [(49_999, "RELEASED"), (50_000, "REVIEW_DUE")])
def test_an_indian_lien_is_released_on_day_90_if_small_and_shown_to_a_person_if_not(
    rupees: int, state: str
) -> None:
    bench = Bench("IN", balance=PAID * 10)
    order = make_order(
        "F1", "FREEZE", jurisdiction="IN", victim_transfer=None, currency="INR", amount_minor=rupees * 100
    )
    bench.order(order)
    bench.tick(T0 + 91 * DAY)
    assert bench.measure("F1").state == state
    by_court = Bench("IN", balance=PAID * 10)
    by_court.order(order, actor=Actor.COURT)
    by_court.tick(T0 + 91 * DAY)
    assert by_court.measure("F1").state == "REVIEW_DUE"


@pytest.mark.parametrize(("at", "rule"), [("12:00", "payer_delay"), ("23:00", "payer_delay_night")])
def test_by_night_another_brazilian_rule_stands_in(at: str, rule: str) -> None:
    law = jurisdiction("BR")
    at_us = from_iso(f"2026-03-10T{at}:00-03:00")
    found = law.on(at_us).hold_at("payer_delay", at_us)
    assert found is not None and found[0] == rule


def test_chinese_listings_one_after_another_end_after_five_years() -> None:
    law = jurisdiction("CN")

    def listed(at_us: int, earlier: tuple[listing.Listing, ...] = ()) -> listing.Listing | Refusal:
        return listing.enter(
            "subject", "CRIMINAL", actor=Actor.COURT, authority_id="court", decision_no=f"d-{at_us}",
            institutions=("bank-1",), language="en", regime=law.on(at_us), now=at_us, earlier=earlier,
        )  # fmt: skip

    first = listed(T0)
    assert not isinstance(first, Refusal)
    assert law.calendar.local(first.listed_to_us).year == 2029
    later = first.listed_to_us - DAY
    second = listed(later, (first,))
    assert not isinstance(second, Refusal)
    assert second.listed_to_us == law.calendar.add(T0, Term.parse("P5Y"))
    third = listed(second.listed_to_us, (first, second))
    assert isinstance(third, Refusal) or third.listed_from_us >= second.listed_to_us
    assert "reference d-" in first.notice.reason and "payments except at a branch" in first.notice.reason
