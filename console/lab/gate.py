"""The gate before a bundle acts: can its operating points fire, and is it no worse than what is live."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from console.lab.living import Lived, Size
from console.lab.living import live as live_worlds
from fixtures import mix
from models.features import FloatArray
from models.learning.evaluate import threshold_at_innocent_holds
from models.learning.stream import LegRows
from models.scoring.bundle import LEGS, Bundle
from pipelines import policy
from pipelines.policy import DELAY, OUTCOMES, Policy
from schemas.errors import ConfigError

#: Leg -> its labelled rows.
RowsByLeg = Mapping[str, LegRows]

#: Worlds that every candidate meets, of the mix nobody trains on; never another seed.
FROZEN = Size(seed=90_001, worlds=2, days=14, accounts=2_000, scam_rate=0.003)
PER_10K = 5.0
_DRAWS, _QUANTILE = 400, 0.95


class Compared(NamedTuple):
    """Scam value that each bundle holds of each scam at the same number of good payments, float64[scams]."""

    where: str
    sent: FloatArray
    candidate: FloatArray
    live: FloatArray

    def worse(self) -> str:
        """Return how much worse the candidate is, "" if that may be chance: a bootstrap over scams."""
        draw = np.random.default_rng(0)
        picked = draw.integers(0, len(self.sent), (_DRAWS, len(self.sent)))
        lost = (self.candidate - self.live)[picked].sum(axis=1) / np.maximum(self.sent[picked].sum(axis=1), 1)
        if np.quantile(lost, _QUANTILE) >= 0:
            return ""
        shares = [each.sum() / max(self.sent.sum(), 1) for each in (self.candidate, self.live)]
        return f"{self.where}: {shares[0]:.1%} of scam value held, the live bundle {shares[1]:.1%}"


def silent_points(bundle: Bundle, rules: Policy) -> list[str]:
    """Name the policy's outcomes that this bundle can never reach."""
    found = []
    for leg in LEGS:
        least = policy.thresholds(getattr(rules, leg), bundle.leg(leg).thresholds)
        found += [
            f"{OUTCOMES[rank]} on {leg} legs can never be reached: too few scams chose its threshold"
            for rank in range(1, DELAY + 1)
            if not least[rank - 1] <= 1
        ]
    return found


def on_rows(candidate: Bundle, live: Bundle, rows: RowsByLeg, where: str) -> list[Compared]:
    """Compare on labelled rows, leg by leg; a leg without a scam tells nothing."""
    found = []
    for leg, each in rows.items():
        scam = each.y == 1
        if not scam.any():
            continue
        sent = (each.payments() * each.value)[scam]
        held = []
        for bundle in (candidate, live):
            model = bundle.leg(leg)
            score = model.score(each.columns(model.features))[each.y >= 0]
            y, weight = each.y[each.y >= 0], each.payments()[each.y >= 0]
            least = threshold_at_innocent_holds(y, score, PER_10K, weight)
            held.append(sent * (score[y == 1] >= least))
        found.append(Compared(f"{leg} legs of {where}", sent, *held))
    return found


def in_frozen_worlds(candidate: Bundle, live: Bundle, rules: Policy, size: Size = FROZEN) -> list[Compared]:
    """Compare in worlds whose scammers choose tactics."""
    worlds = live_worlds(mix.load("test"), size, rules)
    return [each for world in worlds for each in on_rows(candidate, live, world.rows, _name(world))]


def _name(world: Lived) -> str:
    return f"stress world {int(world.truth.world[0])}"


def require_passed(
    candidate: Bundle,
    live: Bundle | None,
    rules: Policy,
    labelled: Callable[[], RowsByLeg] | None = None,
) -> None:
    """Refuse a candidate that cannot act or is worse than what acts.

    Raises:
        ConfigError: naming every reason.

    """
    reasons = silent_points(candidate, rules)
    if live is not None and not reasons:
        compared = in_frozen_worlds(candidate, live, rules)
        if labelled is not None:
            compared += on_rows(candidate, live, _unseen(labelled(), candidate, live), "the decision log")
        reasons = [said for each in compared if (said := each.worse())]
    if reasons:
        raise ConfigError(
            f"{candidate.version} does not pass the gate: {'; '.join(reasons)}; train again, or promote it "
            "all the same with --force and a reason, which is recorded"
        )


def _unseen(rows: RowsByLeg, *bundles: Bundle) -> RowsByLeg:
    """Leave out what either bundle learned from, as long as a scam is left to compare by."""
    found = {}
    for leg, each in rows.items():
        apart = np.all([bundle.unseen(each.txn_id, each.at_us) for bundle in bundles], axis=0)
        found[leg] = each.take(apart) if (each.y[apart] == 1).any() else each
    return found


def record(registry: Path, digest: str, reason: str) -> None:
    """Write down that a bundle was made live past the gate, and why."""
    with (registry / "forced.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"bundle": digest, "reason": reason}) + "\n")
