"""What payments lack and the model was trained with is said once enough was seen, then every hour."""

from dataclasses import replace

import numpy as np
import pytest

from models.features import fields
from models.scoring import bundle
from pipelines.hot.lacking import ENOUGH, LOOKED_AT, Lacking, lines
from pipelines.hot.serving import in_use
from pipelines.jobs.options import JobSettings
from pipelines.policy import Policy
from schemas.rows.transfers import TRANSFER


@pytest.fixture
def model(job: JobSettings, rules: Policy) -> bundle.LegModel:
    return in_use(job.models, rules).live.model("CREDIT")


def nothing_sent(size: int) -> np.ndarray:
    rows = np.zeros(size, TRANSFER)
    for each in fields.FIELDS.values():
        rows[each.column] = each.absent
    return rows


def test_a_line_names_the_share_that_lacks_a_field_and_the_share_trained_on(model: bundle.LegModel) -> None:
    known = replace(model, missing={"payee_added_at_us": 0.03, "age_band": 0.9})

    told = lines({"payee_added_at_us": 1.0, "age_band": 1.0}, known)

    assert told == {"payee_added_at_us": "payee_added_at_us missing in 100% of payments, trained on 3%"}


def test_it_is_said_when_enough_was_seen_and_not_again_at_once(model: bundle.LegModel) -> None:
    lacking, rows = Lacking(), nothing_sent(LOOKED_AT)

    said = [lacking.note(rows, model) for _ in range(3 * ENOUGH // LOOKED_AT)]

    first = ENOUGH // LOOKED_AT - 1
    assert not any(said[:first]) and not any(said[first + 1 :])
    assert any("payee_added_at_us missing in 100%" in line for line in said[first])


def test_what_training_lacked_is_counted_as_a_job_counts_it() -> None:
    names = [each.feature for each in fields.FIELDS.values()]
    X = np.ones((4, len(names)))
    X[:1, names.index("payee_age_h")] = np.nan
    X[:3, names.index("payee_check")] = 0

    found = fields.missing(X, names)

    assert found == {**dict.fromkeys(fields.FIELDS, 0.0), "payee_added_at_us": 0.25, "payee_check": 0.75}
    assert set(fields.lacking(nothing_sent(5)).values()) == {5}
