"""Labels count from the day they became known, the strongest finding first."""

import numpy as np
import pytest

from models.features import versions
from models.learning import labels
from models.learning.labels import (
    LAUNDERING,
    LEGITIMATE,
    NONE,
    SCAM,
    UNKNOWN,
    cleared_us,
    table,
    targets,
    verdicts,
)
from models.learning.stream import LegRows, of_log
from models.learning.train import Windows, fit_leg, measure, operating_points, probability
from schemas.feedback import Feedback
from schemas.units import DAY_US


def finding(txn_id: str, kind: str, verdict: str, known_at_us: int) -> Feedback:
    return Feedback(feedback_id="f", txn_id=txn_id, kind=kind, verdict=verdict, known_at_us=known_at_us)


def ids(*names: str) -> np.ndarray:
    return np.array(names, "S35")


def test_a_label_is_used_only_from_the_time_it_became_known():
    found = table([finding("a", "LABEL", "SCAM", 10), finding("b", "LABEL", "LAUNDERING", 20)])

    assert verdicts(found, ids("b", "a", "c"), 9).tolist() == [NONE, NONE, NONE]
    assert verdicts(found, ids("b", "a", "c"), 10).tolist() == [NONE, SCAM, NONE]
    assert verdicts(found, ids("b", "a", "c"), 20).tolist() == [LAUNDERING, SCAM, NONE]


def test_a_label_outweighs_an_action_and_the_newer_finding_of_a_kind_the_older():
    found = table(
        [
            finding("a", "ACTION", "LEGITIMATE", 30),
            finding("a", "LABEL", "SCAM", 20),
            finding("b", "ACTION", "SCAM", 10),
            finding("b", "ACTION", "LEGITIMATE", 20),
        ]
    )

    assert verdicts(found, ids("a", "b"), 15).tolist() == [NONE, SCAM]
    assert verdicts(found, ids("a", "b"), 40).tolist() == [SCAM, LEGITIMATE]


def test_an_answer_of_the_warned_citizen_never_trains():
    found = table([finding("a", "ANSWER", "LEGITIMATE", 5)])

    assert verdicts(found, ids("a"), 99).tolist() == [NONE]


def test_a_payment_without_a_verdict_is_good_only_after_the_delay_and_an_open_case_teaches_nothing():
    verdict = np.array([NONE, NONE, UNKNOWN, LEGITIMATE, SCAM, LAUNDERING], np.int8)
    old = np.array([True, False, True, False, False, True])

    assert targets(verdict, "credit", old).tolist() == [0, -1, -1, 0, 1, -1]
    assert targets(verdict, "debit", old).tolist() == [0, -1, -1, 0, -1, 1]


def logged(rows: int, days: float) -> LegRows:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(rows, len(versions("credit"))))
    return LegRows(
        txn_id=np.char.mod("%d", np.arange(rows)).astype("S35"),
        at_us=np.linspace(0, days * DAY_US, rows).astype(np.int64),
        value=np.full(rows, 10.0),
        features=versions("credit"),
        X=X,
        y=np.full(rows, NONE, np.int8),
        weight=np.where(draw.random(rows) < 0.5, 1.0, 4.0),
    )


def test_rows_younger_than_the_delay_at_the_cut_off_are_left_out():
    rows = of_log("credit", logged(100, 10), table([]), known_by_us=8 * DAY_US, delay_days=2)

    assert rows.at_us.max() <= 6 * DAY_US
    assert set(rows.y.tolist()) == {0}
    assert set(rows.known(3 * DAY_US)[rows.at_us > DAY_US].tolist()) == {-1}


@pytest.mark.slow
def test_labels_known_only_after_the_training_cut_off_do_not_change_the_model():
    windows = Windows(train=6, validation=3, test=3, delay=1)
    rows = logged(6_000, 20)
    scams = np.flatnonzero(rows.X[:, 0] > 1.5)
    test_start = int((19 - 3) * DAY_US)
    early, late = (
        [finding(str(row), "LABEL", "SCAM", int(rows.at_us[row]) + DAY_US // 2) for row in half]
        for half in (scams[::2], scams[1::2])
    )
    hidden = [
        finding(each.txn_id, "LABEL", "SCAM", max(each.known_at_us, test_start + DAY_US)) for each in late
    ]

    def trained(feedback):
        leg = of_log("credit", rows, table(feedback), known_by_us=20 * DAY_US, delay_days=windows.delay)
        return fit_leg(
            leg.X, leg.y, leg.features, {"A": ["amount"]}, time=leg.at_us, amount=leg.value, known=leg.known,
            weight=leg.weight, windows=windows, max_iter=10,
        )  # fmt: skip

    without, with_late, with_early = trained(early), trained(early + hidden), trained(early + late)

    X = rows.X[:500]
    same = probability(without.classifier, X), probability(with_late.classifier, X)
    np.testing.assert_array_equal(*same)
    assert without.thresholds == with_late.thresholds
    assert with_late.metrics["scams"]["test"] > without.metrics["scams"]["test"]
    assert not np.array_equal(same[0], probability(with_early.classifier, X))


def test_a_row_of_weight_three_counts_as_three_rows_in_every_measure():
    draw = np.random.default_rng(1)
    y = (draw.random(400) < 0.1).astype(int)
    score = np.round(0.4 * y + draw.random(400), 2)
    weight = draw.integers(1, 4, 400)
    repeated = np.repeat(np.arange(400), weight)

    points = operating_points(y, score, weight)
    weighted = measure(y, score, score, points, weight)
    copied = measure(y[repeated], score[repeated], score[repeated], points)

    assert points == operating_points(y[repeated], score[repeated])
    for name in ("auc", "average_precision", "recall_at_fpr_0.1%"):
        assert weighted[name] == pytest.approx(copied[name])
    for name, point in copied["points"].items():
        assert weighted["points"][name] == pytest.approx(point)


def test_every_verdict_of_the_contract_has_its_code():
    found = table([finding(verdict, "LABEL", verdict, 0) for verdict in ("UNKNOWN", "LEGITIMATE")])

    assert verdicts(found, ids("UNKNOWN", "LEGITIMATE"), 0).tolist() == [labels.UNKNOWN, labels.LEGITIMATE]


def test_a_payment_is_cleared_when_it_is_first_found_legitimate():
    found = table([finding("a", kind, "LEGITIMATE", at) for kind, at in (("LABEL", 30), ("ACTION", 20))])

    assert cleared_us(found, ids("b", "a")).tolist() == [-1, 20]
