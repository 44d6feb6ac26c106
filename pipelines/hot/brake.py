"""The brake on mass stops: a bad model or rule must not stop everybody.

A shard of the account ledger counts, per leg and minute of event time, what was decided and how much of it
the model holds. Beyond the policy's share of the last hour, the model's outcomes fall back to a milder one.
Every leg is judged by the legs before it, in order of event time, so a replay brakes the same ones however
it is cut into bundles. What comes late counts in the newest minute. Measures in force are not asked about.
"""

import logging
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipelines.policy import OUTCOMES, BrakePolicy, Policy
from pipelines.state.evolve import pack, unpack
from pipelines.state.shards import event_order
from pipelines.telemetry import TELEMETRY
from schemas.alarm import Alarm
from schemas.alert import Leg
from schemas.ids import derived_id
from schemas.rows import Rows
from schemas.rows.compiled import compiled
from schemas.units import MINUTE_US

_LOGGER = logging.getLogger(__name__)

MINUTES = 60

#: A minute of event time (since 1970): legs decided, held by the model, and braked.
COUNTS = np.dtype([("minute", "i8"), ("decided", "i8"), ("held", "i8"), ("braked", "i8")])

#: What is found of a leg; counts of the hour up to it, where the brake begins to bite in its clock hour.
FOUND = np.dtype([("braked", "?"), ("decided", "i8"), ("held", "i8")], align=True)


class Brake:
    """A policy's limit and the counts of one shard."""

    def __init__(self, policy: Policy, rule: BrakePolicy, shard: int, counts: bytes | None) -> None:
        self._policy = policy
        self._rule = rule
        self._shard = shard
        (rows,) = unpack(counts, COUNTS) if counts else (np.zeros(2 * MINUTES, COUNTS),)
        self._legs = rows.reshape(2, MINUTES).copy()

    @classmethod
    def of(cls, policy: Policy, shard: int, counts: bytes | None) -> Self | None:
        """Return the brake of a shard, with the counts that `stored` returned; None without a limit."""
        return cls(policy, policy.brake, shard, counts) if policy.brake else None

    def stored(self) -> bytes:
        """Return the counts as bytes."""
        return pack(self._legs.reshape(-1))

    def apply(
        self, leg: Leg, transfers: Rows, outcome: NDArray[np.int64], exempt: NDArray[np.bool_], *, model: str
    ) -> list[Alarm]:
        """Count legs of one kind, TRANSFER[n], and put the fallback where `outcome`, int64[n], is too much.

        `exempt` legs are decided by a measure in force, whatever the model says. Returns an alarm for every
        clock hour in which the brake begins to bite.
        """
        counts, rule = self._legs[int(leg == "CREDIT")], self._rule
        asked = (outcome >= OUTCOMES.index(rule.least)) & ~exempt
        at_us = transfers["at_us"].astype(np.int64)
        if counts["held"].sum() + np.count_nonzero(asked) > rule.min_count:
            order = event_order(transfers)
        else:  # too few to brake any: only the minutes matter
            order = np.argsort(at_us, kind="stable")
        found = np.zeros(len(order), FOUND)
        self._heal(counts, int(transfers["received_us"].max(initial=0)))
        _count(counts, at_us[order], asked[order], (rule.per_10k, rule.min_count), found)
        braked = order[found["braked"]]
        if not len(braked):
            return []
        outcome[braked] = OUTCOMES.index(rule.fallback)
        TELEMETRY.count("braked", len(braked))
        began = np.flatnonzero(found["decided"])
        return [self._alarm(leg, transfers[order[at]], found[at], model) for at in began.tolist()]

    def _heal(self, counts: Rows, received_us: int) -> None:
        """Forget minutes that cannot have come yet: they would stand for the newest until they have."""
        if received_us > 0:
            latest = (received_us + self._policy.clock.ahead_us) // MINUTE_US
            counts[counts["minute"] > latest] = np.zeros((), COUNTS)

    def _alarm(self, leg: Leg, transfer: np.void, found: np.void, model: str) -> Alarm:
        at_us, decided, held = int(transfer["at_us"]), int(found["decided"]), int(found["held"])
        hour = at_us // (MINUTES * MINUTE_US)
        TELEMETRY.count("alarms", 1)
        _LOGGER.error(
            "brake: model %s would hold more than %d of 10,000 %s legs (%d of %d held in the last hour of "
            "shard %d); beyond that they are %s, see docs/runbook.md",
            model[:12], self._rule.per_10k, leg, held, decided, self._shard, self._rule.fallback,
        )  # fmt: skip
        return Alarm(
            alarm_id=derived_id("alarm", "MASS_STOP_BRAKED", leg, self._shard, hour, self._policy.stamp),
            kind="MASS_STOP_BRAKED",
            jurisdiction=self._policy.law.id,
            leg=leg,
            shard=self._shard,
            txn_id=transfer["txn_id"].decode(),
            at_us=at_us,
            decided=decided,
            held=held,
            per_10k=self._rule.per_10k,
            min_count=self._rule.min_count,
            fallback=self._rule.fallback,
            policy=self._policy.stamp,
            model=model,
        )


@compiled
def _count(
    counts: Rows,
    at_us: NDArray[np.int64],
    asked: NDArray[np.bool_],
    limits: tuple[int, int],
    found: Rows,
) -> None:
    per_10k, min_count = limits
    newest = 0
    for slot in range(MINUTES):
        newest = max(newest, counts[slot].minute)
    for each in range(len(at_us)):
        newest = max(newest, at_us[each] // MINUTE_US)
        now = counts[newest % MINUTES]
        if now.minute != newest:
            now.minute, now.decided, now.held, now.braked = newest, 0, 0, 0
        now.decided += 1
        if not asked[each]:
            continue
        decided, held, braked_before = 0, 0, 0
        for slot in range(MINUTES):
            one = counts[slot]
            if one.minute > newest - MINUTES:
                decided += one.decided
                held += one.held
                if one.minute // MINUTES == newest // MINUTES:
                    braked_before += one.braked
        if held < min_count or (held + 1) * 10_000 <= per_10k * decided:
            now.held += 1
            continue
        found[each].braked = True
        now.braked += 1
        if braked_before == 0:
            found[each].decided, found[each].held = decided, held
