"""Payments that a bundle learned from are known again, so that nobody takes figures on them for life's."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.scoring.bundle import MANIFEST, load
from models.scoring.learned import Learned
from schemas.errors import ModelError
from tests.models.kit import save_bundle

IDS = np.array([f"t{number}" for number in range(1_000)], "S36")
AT_US = np.arange(1_000, dtype=np.int64)
LEARNED = Learned.of(IDS[:800].tolist(), 800)


def test_of_a_set_that_was_learned_from_only_later_payments_are_unseen() -> None:
    assert LEARNED.unseen(IDS, AT_US).tolist() == [False] * 800 + [True] * 200


def test_payments_of_another_bank_at_the_same_time_are_unseen() -> None:
    others = np.array([f"u{number}" for number in range(1_000)], "S36")

    assert LEARNED.unseen(others, AT_US).all()


def test_a_bundle_keeps_what_it_learned_from(tmp_path: Path) -> None:
    save_bundle(tmp_path / "b", learned=LEARNED)

    assert load(tmp_path / "b").learned == LEARNED
    assert save_bundle(tmp_path / "old").learned is None


@pytest.mark.parametrize("odd", [7, [], {"until_us": 1}, {"until_us": "x", "sample": []}, {"sample": 3}])
def test_an_odd_note_of_what_was_learned_from_is_refused(tmp_path: Path, odd: object) -> None:
    save_bundle(tmp_path / "b")
    manifest = json.loads((tmp_path / "b" / MANIFEST).read_text())
    (tmp_path / "b" / MANIFEST).write_text(json.dumps({**manifest, "learned": odd}))

    with pytest.raises(ModelError, match="train again"):
        load(tmp_path / "b")
