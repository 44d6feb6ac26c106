"""Alarms: what people must look at now (topic `alarms`)."""

from typing import Literal

from schemas.alert import Leg, Outcome
from schemas.contract import Event, Micros

AlarmKind = Literal["MASS_STOP_BRAKED"]


class Alarm(Event, frozen=True, kw_only=True):
    """A model or rule asks to hold more payments than the policy allows; version 1. Message key: `kind`.

    One a clock hour of event time at most, for each shard of the account ledger and each leg.

    Attributes:
        alarm_id: derived from policy, shard, leg and hour: a retry or replay gives the same id.
        shard: the shard of the account ledger that counts.
        txn_id: the first payment of the hour that was braked.
        at_us: its event time, microseconds UTC.
        decided: legs of the shard in the hour before it, with it.
        held: how many of them were held.
        per_10k: the limit, of 10,000.
        min_count: how many may be held in an hour whatever the limit says.
        fallback: what the model's outcomes become from here on, until the share allows them again.
        policy: version and hash of the policy that sets the limit.
        model: digest of the bundle that scored.

    """

    alarm_id: str
    kind: AlarmKind
    jurisdiction: str
    leg: Leg
    shard: int
    txn_id: str
    at_us: Micros
    decided: int
    held: int
    per_10k: int
    min_count: int
    fallback: Outcome
    policy: str
    model: str
