"""How long a person may take, and how likely what is looked at is a scam: the institution's own terms."""

from pipelines.policy import OUTCOMES
from schemas.units import MINUTE_US

#: A person looks at an alert within so many minutes, by outcome; ours, no law's.
SERVICE_MINUTES = {"APPROVE": 240, "WARN": 120, "DELAY": 60, "HOLD": 30, "STOP": 15}

#: The same in microseconds by the outcome's place in `OUTCOMES`.
SERVICE_US = [SERVICE_MINUTES[outcome] * MINUTE_US for outcome in OUTCOMES]

#: How models weigh scams they learn from (`models.learning.train.by_value`): as this power of their value, at
#: most so many times as much as the mean one, whose value is about this in our worlds, minor units.
VALUE_POWER, VALUE_MOST, VALUE_MEAN = 0.75, 10.0, 500_000.0


def chance(score: float, value: float) -> float:
    """Return how likely a payment is a scam by its score, 0 to 1, without what the score owes to its value.

    A score is in odds the chance of a scam times about its value, so that whoever multiplies it with the
    value counts that twice.

    >>> chance(0.5, VALUE_MEAN), chance(0.5, VALUE_MEAN * 16)
    (0.5, 0.1111111111111111)
    """
    score = min(max(score, 0.0), 1.0)
    tilt: float = min((max(value, 1.0) / VALUE_MEAN) ** VALUE_POWER, VALUE_MOST)
    return score / (score + (1.0 - score) * tilt)
