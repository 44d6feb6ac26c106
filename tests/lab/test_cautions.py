"""What `stopline train` says of few labels, by leg and window."""

import json
from pathlib import Path
from typing import Any

from console.views.training import cautions

PLENTY = {
    "scams": {"train": 900, "validation": 300, "refit": 1_200, "test": 300}, "missing": {"channel": 0.2},
    "thresholds_seen_in_training": False, "thresholds_from_rows_apart": 0, "points_that_cannot_fire": [],
}  # fmt: skip


def said(tmp_path: Path, **changed: Any) -> list[str]:
    (tmp_path / "metrics.json").write_text(json.dumps({"credit": {**PLENTY, **changed}}))
    return list(cautions(tmp_path))


def test_of_many_labels_nothing_is_said(tmp_path: Path) -> None:
    assert said(tmp_path) == []


def test_few_labels_are_said_for_each_window_with_what_they_mean(tmp_path: Path) -> None:
    few = {"train": 3, "validation": 2, "refit": 4, "test": 1}

    assert said(tmp_path, scams=few, points_that_cannot_fire=["at_5_to_1"]) == [
        "credit: 4 scams to learn from; 50 are few",
        "credit: 2 scams to choose thresholds by: points may be far off their names",
        "credit: by so few labels no score keeps to at_5_to_1: never fired",
        "credit: 1 scams to measure with: a share is known to 45 points either way",
    ]


def test_thresholds_of_rows_that_were_learned_from_and_fields_that_nobody_sends_are_said(
    tmp_path: Path,
) -> None:
    assert "trees have seen" in said(tmp_path, thresholds_seen_in_training=True)[0]
    assert said(tmp_path, missing={"channel": 1.0, "payee_check": 0.3}) == [
        "credit: nobody sends channel: the model learned to do without"
    ]
    chosen_elsewhere = {**PLENTY["scams"], "validation": 0}
    assert said(tmp_path, scams=chosen_elsewhere, thresholds_from_rows_apart=9) == []
