"""What an alert and a warning cost: processor time of deciding credits with a fifth of them held, and none.

    python -m tests.bench.alert_cost

The payments' times lie within a minute, as those of a bundle under load. Compare two states of the code by
turns: the machine's speed changes by the minute.
"""

import argparse
import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from models import SHIPPED
from models.features import Legs
from models.ledgers.history import history
from pipelines import policy
from pipelines.hot.decide import Decided, Decider
from pipelines.in_process.long_lived import settle
from pipelines.policy import LegPolicy
from schemas.units import MINUTE_US
from tests.bench.load import World, stream
from tests.payments import transfers

PAYMENTS, ACCOUNTS, HELD = 6_000, 2_000, 0.2

#: No payment is received so late: nothing is warned of.
_NEVER_US = 2**62


class Cost(NamedTuple):
    """Processor time, microseconds, of an alert without its warning, and of the warning."""

    alert_us: float
    warning_us: float


def main() -> None:
    """Print what each costs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30, help="the best counts (default: %(default)s)")
    cost = measured(parser.parse_args().rounds)
    print(f"{cost.alert_us:.1f} us an alert, {cost.warning_us:.1f} us a warning")


def measured(rounds: int, payments: int = PAYMENTS) -> Cost:
    """Decide the same credits with none held, with a fifth held, and with these warned of."""
    settle()
    legs = _credits(payments)
    nothing, held, warned = (
        Decider(_rules(legs, share), SHIPPED, 0.0, warn_from_us)
        for share, warn_from_us in ((0.0, _NEVER_US), (HELD, _NEVER_US), (HELD, 0))
    )
    idle_s, _ = _best(nothing, legs, rounds)
    alerts_s, found = _best(held, legs, rounds)
    both_s, all_found = _best(warned, legs, rounds)
    return Cost(
        (alerts_s - idle_s) / len(found.alerts) * 1e6, (both_s - alerts_s) / len(all_found.warnings) * 1e6
    )


def _credits(payments: int) -> Legs:
    rows = transfers([value for _, value, _ in stream(World(accounts=ACCOUNTS), payments)])
    rows["received_us"] = rows["at_us"]
    credits = history(rows, policy.load().value(rows)).credit
    pressed = credits.transfer.copy()
    at_us = pressed["at_us"]
    first_us = int(at_us.max()) // MINUTE_US * MINUTE_US
    pressed["at_us"] = first_us + (at_us - at_us.min()) * (MINUTE_US - 1) // max(np.ptp(at_us), 1)
    return credits._replace(transfer=pressed)


def _rules(legs: Legs, share: float) -> policy.Policy:
    """Return the usual policy with no brake and the threshold that so many reach."""
    rules = replace(policy.load(), brake=None)
    models = Decider(rules, SHIPPED, 0.0).models()
    score = models.computed("CREDIT", legs).scored(models.live).score
    least = float(np.quantile(score, 1 - share)) if share else 1.0
    return replace(rules, stamp=f"{share}", credit=LegPolicy(least, least, 1.0, 1.0))


def _best(decider: Decider, legs: Legs, rounds: int) -> tuple[float, Decided]:
    """Return the least processor seconds of a call, and what it decided."""
    models, kept = decider.models(), np.zeros(len(legs.value), np.int64)
    best_s = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        found = decider.decide(models, legs, True, kept)
        best_s = min(best_s, time.process_time() - began)
    return best_s, found


if __name__ == "__main__":
    main()
