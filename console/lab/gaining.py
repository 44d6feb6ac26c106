"""What one bundle holds more than another in the same worlds, such as one that was trained with clues."""

from typing import Any, NamedTuple

import numpy as np

from console.lab.living import Size, live
from console.lab.stressing import CREDIT_PER_10K, DEBIT_PER_10K, Ours, scored
from fixtures.mix import Mix
from models.learning import stress
from models.learning.stress import Stressed, Tally
from models.scoring.bundle import Bundle
from pipelines.policy import Policy

_DRAWS, _MIDDLE = 2_000, (0.025, 0.975)

#: False alerts per true one that the value found is compared at too, and so many draws of worlds for it.
RATIOS, _RATIO_DRAWS = (5, 10), 100

#: What is compared, shares of the value that victims sent.
HELD = ("held_on_arrival", "held_before_exit")


class Gain(NamedTuple):
    """A share of value held by each of two bundles, and the difference with its 95 % interval."""

    what: str
    bundle: float
    other: float
    more: float
    interval: tuple[float, float]


def gained(bundle: Bundle, other: Bundle, mix: Mix, size: Size, rules: Policy) -> list[Gain]:
    """Live through worlds once and compare, each bundle with as many good payments held, 5 of 10,000.

    The interval is over worlds drawn with replacement, both bundles in the same ones.
    """
    found = scored(live(mix, size, rules), {"bundle": Ours(bundle), "other": Ours(other)})
    return compared(found["bundle"], found["other"])


def compared(ours: Stressed, other: Stressed) -> list[Gain]:
    """Compare the scores of two bundles of the same payments."""
    counts = [stress.tallies(of, stress.point_at(of, CREDIT_PER_10K, DEBIT_PER_10K)) for of in (ours, other)]
    draw = np.random.default_rng(0)
    worlds = len(counts[0])
    again = [_held(counts, draw.integers(0, worlds, worlds).tolist()) for _ in range(_DRAWS)]
    whole = _held(counts, list(range(worlds)))
    gains = []
    for place, what in enumerate(HELD):
        more = [each[0][place] - each[1][place] for each in again]
        low, high = (float(np.quantile(more, edge)) for edge in _MIDDLE)
        one, two = whole[0][place], whole[1][place]
        gains.append(Gain(what, one, two, one - two, (low, high)))
    return [*gains, *(_found(ours, other, ratio) for ratio in RATIOS)]


def _found(ours: Stressed, other: Stressed, ratio: int) -> Gain:
    """Compare the value alerted on arrival at a ratio of false alerts per true one, at the base rate."""
    parts = [
        [stress.alerted(of.take(of.world == world)) for world in np.unique(of.world)] for of in (ours, other)
    ]
    draw, worlds = np.random.default_rng(0), len(parts[0])

    def values(chosen: list[int]) -> list[float]:
        return [
            stress.alerted_value(np.concatenate([each[world] for world in chosen], axis=1), ratio)
            for each in parts
        ]

    one, two = values(list(range(worlds)))
    again = [values(draw.integers(0, worlds, worlds).tolist()) for _ in range(_RATIO_DRAWS)]
    low, high = (float(np.quantile([a - b for a, b in again], edge)) for edge in _MIDDLE)
    return Gain(f"found_at_{ratio}_to_1", one, two, one - two, (low, high))


def _held(counts: list[list[Tally]], worlds: list[int]) -> list[tuple[float, ...]]:
    """Return of each bundle what it holds in some worlds."""
    ratios: list[dict[str, Any]] = [stress.ratios([each[world] for world in worlds]) for each in counts]
    return [tuple(each[what] for what in HELD) for each in ratios]
