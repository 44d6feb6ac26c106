"""A number's grade: it fades, nobody makes it the highest alone, and a new subscriber starts afresh."""

from hypothesis import given
from hypothesis import strategies as st

from measures.numbers.indicator import HALF_LIFE_US, WEIGHTS, Evidence, indicator
from schemas.units import DAY_US

T0_US = 1_756_656_000_000_000

SAID = st.lists(
    st.builds(
        Evidence,
        st.sampled_from([*WEIGHTS, "RECYCLED", "REVOKED"]),
        st.sampled_from("abcd"),
        st.integers(0, 60).map(lambda day: T0_US + day * DAY_US),
    ),
    max_size=12,
)


@given(SAID, st.integers(60, 90), st.integers(0, 90))
def test_a_grade_never_rises_without_new_evidence(said: list[Evidence], day: int, more: int) -> None:
    now, later = (indicator(said, T0_US + days * DAY_US) for days in (day, day + more))

    assert later.grade <= now.grade and later.weight <= now.weight
    assert later.reporters <= now.reporters


@given(SAID)
def test_one_reporter_alone_never_makes_the_highest_grade(said: list[Evidence]) -> None:
    alone = [each._replace(reporter="a") for each in said]

    assert indicator(alone, T0_US + 60 * DAY_US).grade <= 2


@given(SAID)
def test_a_number_given_to_somebody_else_has_no_past(said: list[Evidence]) -> None:
    now_us = T0_US + 60 * DAY_US

    found = indicator([*said, Evidence("RECYCLED", "operator", now_us)], now_us)

    assert (found.grade, found.weight, found.reasons, found.reporters) == (0, 0, (), 0)


@given(SAID, st.randoms(use_true_random=False))
def test_the_order_and_repetition_of_evidence_do_not_matter(said: list[Evidence], draw: object) -> None:
    again = [*said, *said]
    draw.shuffle(again)  # type: ignore[attr-defined]

    one, other = (indicator(each, T0_US + 61 * DAY_US) for each in (said, again))

    assert one._replace(weight=round(one.weight, 9)) == other._replace(weight=round(other.weight, 9))


@given(SAID, st.sampled_from("abcd"))
def test_what_is_revoked_does_not_count(said: list[Evidence], reporter: str) -> None:
    now_us = T0_US + 61 * DAY_US
    without = [each for each in said if each.reporter != reporter or each.kind == "RECYCLED"]

    assert (
        indicator([*said, Evidence("REVOKED", reporter, now_us)], now_us).grade
        == indicator(without, now_us).grade
    )


def test_grades_of_situations() -> None:
    def grade(*said: tuple[str, str], days: float = 0) -> int:
        evidence = [Evidence(kind, who, T0_US) for kind, who in said]  # type: ignore[arg-type]
        return indicator(evidence, T0_US + int(days * DAY_US)).grade

    assert grade() == 0
    assert grade(("REPORT", "a")) == 1
    assert grade(("REPORT", "a"), ("REPORT", "a")) == 1
    assert grade(("REPORT", "a"), ("REPORT", "b")) == 2
    assert grade(("AUTHORITY", "police")) == 2
    assert grade(("AUTHORITY", "police"), ("REPORT", "b")) == 3
    assert grade(("REPORT", "a"), ("REPORT", "b"), ("SIM_BOX", "model")) == 3
    assert grade(("REPORT", "a"), ("REPORT", "b"), ("SIM_BOX", "model"), days=14) == 2
    assert grade(("REPORT", "a"), days=15) == 0
    assert HALF_LIFE_US == 14 * DAY_US
