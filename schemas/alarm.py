"""Alarms: what people must look at now (topic `alarms`)."""

from typing import Literal

from schemas.alert import Leg, Outcome
from schemas.contract import Event, Micros

AlarmKind = Literal[
    "MASS_STOP_BRAKED", "LEDGER_FULL", "CLUE_FEED_SILENT", "CLUE_SUBSCRIPTION_ENDED",
    "CLUE_SUBSCRIPTION_EXPIRES", "REGISTRY_STALE",
]  # fmt: skip


class Alarm(Event, frozen=True, kw_only=True):
    """What people must look at; version 1. Message key: `kind`.

    MASS_STOP_BRAKED: a model or rule asks to hold more payments than the policy allows. LEDGER_FULL: a ledger
    has as many rows as the policy allows, and forgets those seen longest ago. One a clock hour of event time
    at most, for each shard, and each leg or ledger. CLUE_FEED_SILENT: nothing came of a feed for three of its
    usual gaps, at least a minute; CLUE_SUBSCRIPTION_ENDED: an operator says that no more will come;
    CLUE_SUBSCRIPTION_EXPIRES: by the bank's own file some end within a day. REGISTRY_STALE: what is looked up
    was not brought up to date for ten minutes.
    Fields that belong to the other kinds are left out.

    Attributes:
        alarm_id: derived from policy, shard, leg or ledger, and hour: a retry or replay gives the same id.
        leg: whose outcomes are braked.
        shard: the shard of the ledger, for a brake of that of accounts.
        txn_id: the first payment of the hour that was braked.
        at_us: its event time, or the newest that the ledger knows, microseconds UTC.
        decided: legs of the shard in the hour before it, with it.
        held: how many of them were held.
        per_10k: the limit, of 10,000.
        min_count: how many may be held in an hour whatever the limit says.
        fallback: what the model's outcomes become from here on, until the share allows them again.
        policy: version and hash of the policy that sets the limit.
        model: digest of the bundle that scored.
        ledger: which one is full.
        forgotten: rows it forgot at this moment.
        rows_max: how many rows the policy allows it, over all shards (`memory`).
        feed: topic that fell silent or cannot be reached, at `at_us`, or whose subscription ended.
        silent_s: for how long, seconds, when it was noticed.
        subscriptions: how many end within a day, the first of them at `at_us`.

    """

    alarm_id: str
    kind: AlarmKind
    jurisdiction: str
    leg: Leg | None = None
    shard: int
    txn_id: str = ""
    at_us: Micros
    decided: int = 0
    held: int = 0
    per_10k: int = 0
    min_count: int = 0
    fallback: Outcome | None = None
    policy: str
    model: str = ""
    ledger: str = ""
    forgotten: int = 0
    rows_max: int = 0
    feed: str = ""
    silent_s: int = 0
    subscriptions: int = 0
