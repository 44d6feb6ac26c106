"""A shadow model is scored beside the live one, logged and compared, and never acts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.learning.shadow import compare
from pipelines.hot.decide import Decider, enforced_minor
from pipelines.hot.decision_log.append import LogDecisionsFn
from pipelines.hot.decision_log.read import read
from pipelines.hot.serving import InUse
from pipelines.policy import DELAY, Policy
from pipelines.telemetry import TELEMETRY
from schemas.errors import ConfigError
from tests.command import command
from tests.hotpath.conftest import Stream


@pytest.fixture(scope="module")
def models(decider: Decider) -> InUse:
    """Beside the live model one that holds from STOP on only."""
    live = decider.models().live
    least = {leg: np.full_like(values, values[-1]) for leg, values in live.least.items()}
    bundle = replace(live.bundle, digest="5" * 64)
    return InUse(live, replace(live, bundle=bundle, least=least))


def shadow_counts() -> dict[str, int]:
    return {name: count for name, count in TELEMETRY.counts().items() if name.startswith("shadow_")}


def test_alerts_and_warnings_are_those_without_a_shadow(
    decider: Decider, stream: Stream, models: InUse
) -> None:
    for credit, legs in ((True, stream.history.credit), (False, stream.history.debit)):
        kept = enforced_minor(legs, credit)
        alone = decider.decide(InUse(models.live), legs, credit, kept)
        beside = decider.decide(models, legs, credit, kept)

        assert beside[:2] == alone[:2]
        assert beside.alerts


def test_nobody_is_warned_of_a_payment_that_the_broker_received_long_before_the_job_began(
    rules: Policy, bundle_path: Path, stream: Stream, models: InUse
) -> None:
    transfer = stream.history.credit.transfer.copy()
    transfer["received_us"] = np.arange(len(transfer))
    credits, middle_us = stream.history.credit._replace(transfer=transfer), len(transfer) // 2
    late = TELEMETRY.counts().get("warnings_too_late", 0)
    kept = enforced_minor(credits, True)

    everybody = Decider(rules, bundle_path, 1.0).decide(models, credits, True, kept)
    some = Decider(rules, bundle_path, 1.0, middle_us).decide(models, credits, True, kept)

    new = set(transfer["txn_id"][middle_us:].tolist())
    recent = [each for each in everybody.warnings if each.txn_id.encode() in new]
    assert some.warnings == recent
    assert 0 < len(recent) < len(everybody.warnings)
    assert some.alerts == everybody.alerts
    assert TELEMETRY.counts()["warnings_too_late"] - late == len(everybody.warnings) - len(recent)


def test_without_a_shadow_nothing_is_counted(decider: Decider, stream: Stream, models: InUse) -> None:
    before = shadow_counts()

    credits = stream.history.credit
    decider.decide(InUse(models.live), credits, True, enforced_minor(credits, True))

    assert shadow_counts() == before


def test_the_log_says_what_the_shadow_would_have_held_and_the_report_counts_it(
    decider: Decider, stream: Stream, models: InUse, tmp_path: Path
) -> None:
    before = shadow_counts()
    credits = stream.history.credit
    decided = decider.decide(models, credits, True, enforced_minor(credits, True))
    fn = LogDecisionsFn(tmp_path)
    fn.setup()
    fn.start_bundle()
    for block in decided.log:
        fn.process(block)
    fn.teardown()
    (found,) = compare(read(tmp_path, "CREDIT").rows, DELAY)
    counted = {name: count - before.get(name, 0) for name, count in shadow_counts().items()}

    assert found.held.live == len(decided.alerts)
    assert 0 < found.held.shadow < found.held.live
    assert (found.held.more, found.score_psi) == (0, 0)
    assert counted["shadow_fewer_held"] == found.held.fewer
    assert counted["shadow_scored"] == found.legs == len(stream.rows)

    said = command("shadow", "--decision-log", tmp_path).output
    assert "CREDIT: shadow 555555555555 beside" in said
    assert f"{found.held.fewer:,.0f}" in said
    narrow = command("shadow", "--decision-log", tmp_path, width=30).output
    assert "…" not in narrow  # no figure is cut


def test_a_log_without_a_shadow_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--role shadow"):
        command("shadow", "--decision-log", tmp_path)
