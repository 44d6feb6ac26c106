"""What `stopline evaluate` says, counted by hand."""

import numpy as np
import pytest

from models.learning.report import Acted, age_bands, minutes_to_freeze, report, together
from models.learning.stream import LegRows
from schemas.units import MINUTE_US


def rows_of(y: list[int], weight: list[float] | None = None) -> LegRows:
    return LegRows(
        txn_id=np.array([str(place) for place in range(len(y))], "S35"),
        at_us=np.arange(len(y), dtype=np.int64),
        value=np.full(len(y), 100.0),
        features={"age_band": 1},
        X=np.resize([5, np.nan], (len(y), 1)),
        y=np.array(y, np.int8),
        weight=None if weight is None else np.array(weight),
    )


def test_wrongly_held_minutes_and_segments_count_good_payments_by_their_weight_and_nothing_else():
    rows = rows_of([0, 0, 0, 0, 1, -1], [1, 1, 5, 3, 1, 1])
    score = np.array([0.9, 0.1, 0.1, 0.1, 0.9, 0.9])
    held_us = np.full(6, 30 * MINUTE_US)

    found = report(
        rows, score, {"p": 0.5}, segment={"age band": age_bands(rows)}, held_at=0.5, held_us=held_us
    )

    assert (found["rows"], found["payments"], found["scams"]) == (5, 11, 1)
    assert found["wrongful_hold_minutes_per_10k"] == 10_000 * 30 / 10
    assert found["points"]["p"]["innocent_holds_per_10k"] == 1_000
    assert found["points"]["p"]["value_detection"] == 1
    assert found["wrongful_hold_minutes"] == {"median": 30, "p95": 30}
    intervals = [
        (each.pop("low_per_10k"), each.pop("high_per_10k")) for each in found["segments"]["age band"]
    ]
    assert intervals[0][0] < 10_000 / 6 < intervals[0][1]
    assert intervals[1][0] == pytest.approx(0, abs=1e-9) and 0 < intervals[1][1] < 10_000
    assert found["segments"]["age band"] == [
        {"name": "60+", "good_payments": 6, "innocent_holds_per_10k": pytest.approx(10_000 / 6)},
        {"name": "unknown", "good_payments": 4, "innocent_holds_per_10k": 0.0},
    ]


def test_a_case_is_frozen_by_its_first_held_leg_after_the_first_scam_payment():
    case = np.array(["a", "a", "a", "b", "b"])
    at_us = np.array([5, 1, 9, 2, 3]) * MINUTE_US
    scam = np.array([True, False, False, True, True])
    held = np.array([False, True, True, False, False])

    np.testing.assert_array_equal(minutes_to_freeze(case, at_us, scam, held), [4.0, np.nan])


def acted(rows: LegRows, case: list[str], held: list[bool]) -> Acted:
    return Acted(rows, np.array(case), np.array(held))


def test_scam_money_counts_once_as_it_arrived_as_it_left_a_mule_up_to_what_is_owed_or_as_lost():
    case = ["a", "a", "b", "a", "b", "", ""]
    credit = acted(rows_of([1, 1, 1, -1, -1, 0, 0]), case, [True, False, False, True, False, True, False])
    debit = acted(rows_of([-1, -1, -1, 1, 1, 0, 0]), case, [False, True, False, True, False, True, True])

    found = together(credit, debit)

    shares = [found[name] for name in ("held_as_it_arrived", "caught_leaving_a_mule", "lost")]
    assert shares == pytest.approx([1 / 3, 1 / 3, 1 / 3])
    assert (found["false_per_true"], found["innocent_holds_per_10k"]) == (1, 10_000)

    more = debit._replace(held=np.array([False] * 3 + [True] * 2 + [False] * 2))
    both = together(credit, more._replace(rows=more.rows._replace(value=np.full(7, 999.0))))
    assert (both["caught_leaving_a_mule"], both["lost"]) == (pytest.approx(2 / 3), 0)


def test_sampled_rows_count_for_those_left_out_and_without_scams_there_is_no_share():
    credit = acted(rows_of([0, 0], [1, 9]), ["", ""], [True, False])
    debit = acted(rows_of([0, 0], [1, 4]), ["", ""], [True, False])

    assert together(credit, debit) == {
        "held_as_it_arrived": None,
        "caught_leaving_a_mule": None,
        "lost": None,
        "false_per_true": None,
        "innocent_holds_per_10k": 1_000,
    }
