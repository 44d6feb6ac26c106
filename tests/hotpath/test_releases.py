"""A release may have a feature more: one function, bundles take what they name, older logs still teach."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from console.lab.rows import DecisionLog, of_decision_log
from models import features
from models.features import CATALOGUE, LegRow
from models.learning.stream import fit_one
from models.learning.train import Windows
from models.scoring import bundle
from pipelines.hot.decide import Decider, enforced_minor
from pipelines.hot.decision_log.append import LogDecisionsFn
from pipelines.hot.decision_log.read import read
from pipelines.hot.serving import InUse, Scorer
from pipelines.policy import Policy
from schemas.errors import ModelError
from tests.hotpath.conftest import Stream, trained_bundle


@pytest.fixture
def toy() -> Iterator[None]:
    """A feature more, as one function in one file."""
    before = dict(CATALOGUE)

    @features.feature(credit="AMOUNT_UNUSUAL")
    def amount_cents(leg: LegRow) -> float:
        """Minor units of the amount below a hundred."""
        return float(leg.transfer.amount_minor % 100)

    yield
    CATALOGUE.clear()
    CATALOGUE.update(before)


@pytest.fixture
def newer(toy: None, stream: Stream, tmp_path: Path) -> Path:
    return trained_bundle(stream, tmp_path / "newer")


def logged(decider: Decider, models: InUse, stream: Stream, folder: Path) -> list[object]:
    """Decide the credit legs and log all of them; return the alerts."""
    legs = stream.history.credit
    decided = decider.decide(models, legs, True, enforced_minor(legs, True))
    fn = LogDecisionsFn(folder)
    fn.setup()
    fn.start_bundle()
    for block in decided.log:
        fn.process(block)
    fn.finish_bundle()
    fn.teardown()
    return [*decided.alerts]


def test_a_feature_is_added_in_one_file_and_new_bundles_and_logs_have_it(newer: Path) -> None:
    loaded = bundle.load(newer, features=features.computable())

    assert loaded.credit.features["amount_cents"] == 1
    assert "amount_cents" not in loaded.debit.features
    place = [*loaded.credit.features].index("amount_cents")
    assert place in loaded.credit.groups["AMOUNT_UNUSUAL"]


@pytest.mark.slow
def test_a_shadow_with_a_new_feature_is_scored_beside_the_live_bundle_which_decides_as_alone(
    decider: Decider, rules: Policy, newer: Path, stream: Stream, tmp_path: Path
) -> None:
    live = decider.models().live
    trained = live.bundle
    shadow = Scorer.of(bundle.load(newer, features=features.computable()), rules)
    legs = stream.history.credit

    alone = logged(decider, InUse(live), stream, tmp_path / "alone")
    beside = logged(decider, InUse(live, shadow), stream, tmp_path / "beside")

    assert beside == alone and alone
    rows = read(tmp_path / "beside", "CREDIT").rows
    order = np.argsort(stream.rows["txn_id"])
    place = order[np.searchsorted(stream.rows["txn_id"][order], rows["txn_id"].to_numpy().astype("S35"))]
    expected = shadow.bundle.credit.score(features.matrix(shadow.bundle.credit.features, legs))[place]
    np.testing.assert_allclose(rows["shadow_score"].to_numpy(), expected, rtol=1e-12)
    live_score = trained.credit.score(features.matrix(trained.credit.features, legs))[place]
    np.testing.assert_allclose(rows["score"].to_numpy(), live_score, rtol=1e-12)
    assert set(np.unique(rows["amount_cents"].to_numpy())) <= set(range(100))


@pytest.mark.slow
def test_a_bundle_that_names_few_features_in_its_own_order_is_explained_by_figures_it_does_not_use(
    decider: Decider, rules: Policy, stream: Stream, tmp_path: Path
) -> None:
    few = ("payers_7d", "amount", "remote_control")
    small = trained_bundle(stream, tmp_path / "small", only=few)
    scorer = Scorer.of(bundle.load(small, features=features.computable()), rules)
    legs = stream.history.credit

    decided = decider.decide(InUse(scorer), legs, True, enforced_minor(legs, True))

    assert tuple(scorer.bundle.credit.features) == few
    assert decided.alerts


def test_a_bundle_of_a_newer_release_or_of_another_version_of_a_feature_is_refused(
    newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = CATALOGUE["amount_cents"]._replace(version=2)
    monkeypatch.setitem(CATALOGUE, "amount_cents", changed)
    with pytest.raises(ModelError, match=r"other versions of credit features \(amount_cents 1, here 2\)"):
        bundle.load(newer, features=features.computable())

    monkeypatch.delitem(CATALOGUE, "amount_cents")
    with pytest.raises(ModelError, match=r"does not compute \(amount_cents\); run the release"):
        bundle.load(newer, features=features.computable())


def test_a_log_of_the_release_before_is_trained_on_and_what_it_lacks_is_said(
    decider: Decider, rules: Policy, stream: Stream, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    logged(decider, decider.models(), stream, tmp_path)
    request.getfixturevalue("toy")
    said: list[str] = []

    rows = of_decision_log(DecisionLog(tmp_path, say=said.append), "credit", rules)

    assert len(said) == 1
    assert said[0].startswith("credit legs of ") and said[0].endswith("were logged without amount_cents")
    assert np.isnan(rows.columns(["amount_cents"])).all()
    labelled = rows._replace(y=(np.arange(len(rows.y)) % 9 == 0).astype(np.int8), known=None)
    windows = Windows(train=0.7, validation=0.7, test=0.7, delay=0)
    parts = fit_one("credit", labelled, windows=windows, max_iter=3)
    assert "amount_cents" not in parts.features
    known = {name for name in rows.features if not np.isnan(rows.columns([name])).all()}
    assert set(parts.features) <= known and len(parts.features) > 40


def test_a_log_of_two_releases_teaches_the_new_feature_where_it_is_known(
    decider: Decider, rules: Policy, stream: Stream, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    logged(decider, decider.models(), replace_rows(stream, slice(0, 2_000)), tmp_path)
    request.getfixturevalue("toy")
    logged(decider, decider.models(), replace_rows(stream, slice(2_000, None)), tmp_path)

    rows = of_decision_log(DecisionLog(tmp_path), "credit", rules)

    cents = rows.columns(["amount_cents"])[:, 0]
    assert len(cents) == len(stream.rows)
    assert np.isnan(cents).sum() == 2_000


def replace_rows(stream: Stream, which: slice) -> Stream:
    history = stream.history._replace(credit=stream.history.credit.rows(which))
    return replace(stream, history=history)
