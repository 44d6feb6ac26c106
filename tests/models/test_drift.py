import json

import numpy as np
import pytest

from models.learning.drift import drift, to_json, to_markdown

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
    report = compare(ROWS, threshold=0.999, score_now=np.where(1 - 0.001 * factor < SCORE, 1, SCORE * 0.99))

    assert report.score < 0.1
    assert report.verdict == "shifted"


def test_the_json_report_holds_the_verdict_and_every_feature():
    report = json.loads(to_json(compare(ROWS)))

    assert report["verdict"] == "stable"
    assert set(report["features"]) == {"amount", "dwell"}
