"""A number's grade: it fades, nobody makes it the highest alone, and a new subscriber starts afresh."""

import re

import pytest
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


#: What was said, WHO:KIND@DAY, the day it is asked on, and the grade, by hand from the weights of a word
#: (report 1, finding and SIM box 1.5, authority 2.5) that halve in 14 days.
SITUATIONS = (
    ("", 0, 0),
    ("a:REPORT@0", 0, 1),
    ("a:REPORT@0", 14, 1),
    ("a:REPORT@0", 15, 0),
    ("a:REPORT@5", 4, 0),
    ("a:REPORT@0 a:REPORT@10", 24, 1),
    ("a:REPORT@0 a:REPORT@1 a:REPORT@2", 2, 1),
    ("a:REPORT@0 b:REPORT@0", 0, 2),
    ("a:REPORT@0 b:REPORT@0", 5, 2),
    ("a:REPORT@0 b:REPORT@0", 6, 1),
    ("a:REPORT@0 b:REPORT@0", 28, 1),
    ("a:REPORT@0 b:REPORT@0", 29, 0),
    ("a:REPORT@0 b:REPORT@0 c:REPORT@0", 0, 3),
    ("a:REPORT@0 b:REPORT@0 c:REPORT@0", 3, 3),
    ("a:REPORT@0 b:REPORT@0 c:REPORT@0", 4, 2),
    ("a:REPORT@0 b:REPORT@0 c:REPORT@0", 14, 2),
    ("a:REPORT@0 b:REPORT@0 c:REPORT@0", 15, 1),
    ("bank:FINDING@0", 0, 2),
    ("bank:FINDING@0", 1, 1),
    ("bank:FINDING@0 a:REPORT@0", 0, 3),
    ("bank:FINDING@0 a:REPORT@0", 1, 2),
    ("model:SIM_BOX@0", 0, 2),
    ("model:SIM_BOX@0 a:REPORT@0 b:REPORT@0", 0, 3),
    ("model:SIM_BOX@0 a:REPORT@0 b:REPORT@0", 14, 2),
    ("model:SIM_BOX@0 bank:FINDING@0", 0, 3),
    ("police:AUTHORITY@0", 0, 2),
    ("police:AUTHORITY@0", 10, 2),
    ("police:AUTHORITY@0", 11, 1),
    ("police:AUTHORITY@0", 32, 1),
    ("police:AUTHORITY@0", 33, 0),
    ("police:AUTHORITY@0 a:REPORT@0", 0, 3),
    ("police:AUTHORITY@0 a:REPORT@0", 7, 2),
    ("police:AUTHORITY@0 court:AUTHORITY@0", 14, 3),
    ("police:AUTHORITY@0 court:AUTHORITY@0", 15, 2),
    ("police:AUTHORITY@50 a:REPORT@0", 50, 2),
    ("a:REPORT@0 b:REPORT@0 a:REVOKED@1", 1, 1),
    ("police:AUTHORITY@0 a:REPORT@0 a:REVOKED@1", 1, 2),
    ("a:REVOKED@0 a:REPORT@1", 1, 1),
    ("a:REPORT@0 b:REPORT@0 c:REPORT@0 operator:RECYCLED@1", 1, 0),
    ("a:REPORT@0 b:REPORT@0 operator:RECYCLED@1 c:REPORT@2", 2, 1),
)


@pytest.mark.parametrize(("said", "day", "grade"), SITUATIONS)
def test_forty_situations_have_the_grade_that_was_reckoned_by_hand(said: str, day: int, grade: int) -> None:
    words = [re.split("[:@]", each) for each in said.split()]
    evidence = [Evidence(kind, who, T0_US + int(at) * DAY_US) for who, kind, at in words]  # type: ignore[arg-type]

    assert indicator(evidence, T0_US + day * DAY_US).grade == grade
    assert len(SITUATIONS) == 40 and HALF_LIFE_US == 14 * DAY_US
