"""Warnings of a simulated world, from payments to what its citizens did."""

from dataclasses import replace
from pathlib import Path

import msgspec

from console.lab import talking
from console.lab.dissuading import lived, payments_of
from console.lab.feeds import streamed
from console.lab.replaying import job_settings
from fixtures.scenario import Scenario
from measures.victims.climb import Rules
from pipelines.jobs.replay import kept
from pipelines.policy import Policy
from schemas import topics
from schemas.scams import FRAUD_CLASSES
from schemas.warning import Warning


def measured(scenario: Scenario, bundle: Path, rules: Policy) -> talking.Figures:
    """Run a world through the main job, its warnings through the ladder, and count what its citizens did.

    Every guess of a kind of scam is named here, whatever the policy says, so that guesses can be counted.
    """
    rules = replace(rules, named_classes=frozenset(FRAUD_CLASSES))
    with streamed(scenario, rules.currency) as (kafka, decided):
        job = replace(job_settings(kafka, "--model_bundle", str(bundle)), policy=rules, decided=decided)
        values = kept(job)[topics.WARNINGS]
    warnings = [msgspec.json.decode(value, type=Warning) for value in values]
    warnings.sort(key=lambda each: (each.issued_at_us, each.warning_id))
    world = scenario.world()
    paid = payments_of(world.payments, world.truth)
    ladder = Rules(rules.law, rules.words.victims)
    columns = (world.truth[name].to_pylist() for name in ("txn_id", "fraud_class", "scam"))
    kinds = {txn_id: kind for txn_id, kind, scam in zip(*columns, strict=True) if scam}
    found = talking.figures(lived(warnings, paid, ladder, scenario.seed))
    return found._replace(named=talking.named_rightly(warnings, kinds))
