"""Walk-forward windows end where they should, and a group left out is not seen."""

import numpy as np
import pytest

from models.features import groups, versions
from models.learning.backtest import ablate, walk
from models.learning.stream import LegRows
from models.learning.train import Windows
from schemas.errors import ModelError
from schemas.units import DAY_US

WINDOWS = Windows(train=4, validation=2, test=2, delay=1)


def rows(days: float = 16, count: int = 4_000) -> dict[str, LegRows]:
    draw = np.random.default_rng(0)
    columns = versions("credit")
    X = draw.normal(size=(count, len(columns)))
    y = (draw.random(count) < 0.05).astype(np.int8)
    X[:, list(columns).index("payee_age_h")] += 3 * y
    leg = LegRows(
        txn_id=np.arange(count).astype("S35"),
        at_us=np.linspace(0, days * DAY_US, count).astype(np.int64),
        value=np.ones(count),
        features=columns,
        X=X,
        y=y,
    )
    return {"credit": leg}


def test_windows_follow_each_other_and_a_later_label_changes_only_later_windows():
    given = rows()
    poisoned = given["credit"]._replace(
        y=np.where(given["credit"].at_us >= 14 * DAY_US, 1 - given["credit"].y, given["credit"].y)
    )

    first, last = walk(given, WINDOWS, steps=2, max_iter=5)
    same, other = walk({"credit": poisoned}, WINDOWS, steps=2, max_iter=5)

    assert last.test_end_us - first.test_end_us == 2 * DAY_US
    assert last.test_end_us == given["credit"].at_us.max() + 1
    assert (same.test, same.scams) == (first.test, first.scams)
    assert other.test != last.test


@pytest.mark.slow
def test_without_the_group_that_tells_nothing_is_found():
    found = {step.without: step.test["auc"] for step in ablate(rows(), WINDOWS, max_iter=20)}

    assert set(found) == {"", *groups("credit")}
    assert found[""] > 0.9
    assert found["PAYEE_NEW"] < 0.7
    assert all(auc > 0.9 for without, auc in found.items() if without != "PAYEE_NEW")


def test_more_windows_than_days_are_refused():
    with pytest.raises(ModelError, match="window empty"):
        list(walk(rows(), WINDOWS, steps=9, max_iter=5))
