"""What the stream knows of calls and devices when a payment comes is what training computes."""

from pathlib import Path

import numpy as np
import pytest

from console.lab.replaying import emitted
from console.lab.rows import of_world
from fixtures.scenario import Scenario
from models import SHIPPED
from models.features import versions
from models.learning.stream import of_recorded
from pipelines import policy
from pipelines.hot.decision_log.read import read
from tests.hotpath.test_clues import NAMES


@pytest.mark.slow
def test_clues_of_a_replayed_world_are_the_features_of_training(tmp_path: Path) -> None:
    scenario = Scenario(seed=77, days=2, accounts=500, scam_rate=0.01, clues=1.0)
    emitted(scenario, SHIPPED, tmp_path / "log")
    trained = of_recorded(of_world(scenario.world(), policy.load()))["credit"]

    logged = read(tmp_path / "log", "CREDIT").rows
    place = {txn_id: row for row, txn_id in enumerate(trained.txn_id.astype(str).tolist())}
    order = [place[txn_id] for txn_id in logged["txn_id"].to_pylist()]
    assert sorted(order) == list(range(len(trained.txn_id)))
    names = [name for name in NAMES if name in versions("credit")]
    columns = trained.columns(names)[order]
    for number, name in enumerate(names):
        np.testing.assert_allclose(
            logged[name].to_numpy(), columns[:, number], rtol=1e-9, atol=1e-9, equal_nan=True, err_msg=name
        )
    assert np.isfinite(columns).any(axis=0).sum() >= 8, "most kinds of clues were seen"
