import json

import numpy as np
import pytest

from console.lab.rows import of_world
from fixtures.world import simulate
from models.features.catalogue import remembers
from models.learning.drift import FILLING_DAYS, drift, to_json, to_markdown
from models.learning.stream import of_recorded
from pipelines import policy
from schemas.units import DAY_US

DRAW = np.random.default_rng(0)
ROWS = DRAW.normal(size=(20_000, 2))
SCORE = DRAW.random(20_000)


def compare(now, score_now=SCORE, threshold=0.99):
    return drift(["amount", "dwell"], ROWS, now, score_before=SCORE, score_now=score_now, threshold=threshold)


def test_the_same_days_are_stable():
    report = compare(ROWS)

    assert report.verdict == "stable"
    assert report.features == {"amount": 0, "dwell": 0}
    assert report.alerts_before == report.alerts_now == pytest.approx(100, rel=0.2)


def test_a_moved_feature_is_named_first():
    report = compare(ROWS + np.array([0, 1]))
    lines = to_markdown(report).splitlines()

    assert report.verdict == "shifted"
    assert lines[0] == "# Drift: shifted"
    assert [line.split()[1] for line in lines[6:]] == ["**score**", "dwell", "amount"]


def test_a_small_move_is_watched():
    assert compare(ROWS + np.array([0, 0.4])).verdict == "watch"


@pytest.mark.parametrize("factor", [0.3, 3])
def test_an_alert_rate_that_falls_or_rises_too_far_is_a_shift_by_itself(factor):
    report = compare(ROWS, score_now=np.where(1 - 0.01 * factor < SCORE, 1, SCORE * 0.98))

    assert report.score < 0.1
    assert report.verdict == "shifted"


def test_a_handful_of_alerts_more_or_fewer_is_no_shift():
    now = np.where(SCORE > 1 - 0.0001 * 3, 1, SCORE * 0.99)

    assert compare(ROWS, threshold=0.9999, score_now=now).verdict == "stable"


@pytest.fixture(scope="module")
def months():
    """A world of ten weeks: day of each payment, columns, values."""
    world = of_world(simulate(77, 70, 500, scam_rate=0.0015), policy.load(policy.DEFAULT))
    rows = of_recorded(world)["credit"]
    return (rows.at_us - rows.at_us[0]) / DAY_US, list(rows.features), rows.X


def of_days(months, end, changed=""):
    day, names, X = months
    before, now = day < end, (day >= end) & (day < end + 7)
    later = X[now].copy()
    if changed:
        later[:, names.index(changed)] += 0.5
    flat = np.arange(before.sum()) / before.sum(), np.arange(now.sum()) / now.sum()
    return drift(
        names, X[before], later, score_before=flat[0], score_now=flat[1], threshold=0.99,
        filled=day[before] >= FILLING_DAYS, remembered=filter(remembers, names),
    )  # fmt: skip


@pytest.mark.parametrize("end", [7, 14, 28, 63])
def test_ledgers_that_fill_are_no_alarm_in_the_first_months(months, end):
    report = of_days(months, end)

    assert report.verdict != "shifted", {name: psi for name, psi in report.features.items() if psi > 0.25}
    assert ("in_count_30d" in report.filling) == (end < FILLING_DAYS)
    assert "amount" not in report.filling


def test_what_payments_themselves_show_is_judged_from_the_first_week(months):
    assert of_days(months, 7, changed="amount").verdict == "shifted"
    assert of_days(months, 63, changed="payee_paid").verdict == "shifted"


def test_the_json_report_holds_the_verdict_and_every_feature():
    report = json.loads(to_json(compare(ROWS)))

    assert report["verdict"] == "stable"
    assert set(report["features"]) == {"amount", "dwell"}
