"""What another policy would have done to a recorded stream."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow.compute as pc

from console.lab.feeds import streamed
from console.lab.replaying import job_settings
from console.lab.scoreboard import Fact, Scoreboard
from fixtures.scenario import Scenario
from models.learning import labels
from pipelines.jobs.replay import kept
from pipelines.kafka.port import KafkaSettings, open_admin
from pipelines.kafka.reading import process
from pipelines.kafka.reading.bounds import Bound, captured_bounds, chunks_within
from pipelines.kafka.reading.start import start_offsets
from pipelines.policy import Policy
from pipelines.streams.clock import window
from pipelines.streams.payments import decode
from schemas import topics
from schemas.alarm import Alarm
from schemas.alert import Alert
from schemas.feedback import Feedback
from schemas.rows.tokens import token_text
from schemas.warning import Warning


class PolicyResult(NamedTuple):
    """What one policy did; money in minor units.

    `braked` counts the hours, shards and legs in which the policy asked to hold more than it allows.
    """

    saved_minor: int
    scam_minor: int
    delayed: int
    held: int
    stopped: int
    warned: int
    innocent_held: int
    customers_disturbed: int
    braked: int


class Replayed(NamedTuple):
    """What one run would have sent."""

    alerts: list[Alert]
    warnings: list[Warning]
    alarms: list[Alarm]


class Recording(NamedTuple):
    """A recorded stream and its truth.

    Attributes:
        kafka: the broker that holds it.
        decided: by partition, the offset from which on policies are compared; before, ledgers only fill.
        board: without alerts.

    """

    kafka: KafkaSettings
    decided: dict[int, int]
    board: Scoreboard


@contextmanager
def of_scenario(scenario: Scenario, currency: str) -> Iterator[Recording]:
    """Hold a scenario, paid in `currency`, in a broker of its own; what is true is known."""
    with streamed(scenario, currency) as (kafka, decided):
        world = scenario.world()
        shown = pc.greater_equal(world.payments["accepted_at_us"], scenario.begins_us)
        yield Recording(
            kafka, decided, Scoreboard.of(world.payments.filter(shown), world.truth.filter(shown))
        )


@contextmanager
def of_stream(
    kafka: KafkaSettings, since_us: int, feedback: list[Feedback], policy: Policy
) -> Iterator[Recording]:
    """Take the payments that a broker holds; true is what feedback says, and all else is good."""
    decided = _decided_before(kafka, since_us)
    yield Recording(kafka, decided, _board(kafka, decided, feedback, policy))
    process.close_connections()


def replayed(recording: Recording, bundle: Path, policy: Policy) -> Replayed:
    """Run the main job over a recording under a policy; return what it would have sent."""
    job = job_settings(recording.kafka, "--model_bundle", str(bundle))
    of = kept(replace(job, kafka=recording.kafka, decided=recording.decided, policy=policy))
    return Replayed(
        [msgspec.json.decode(line, type=Alert) for line in of[topics.ALERTS]],
        [msgspec.json.decode(line, type=Warning) for line in of[topics.WARNINGS]],
        [msgspec.json.decode(line, type=Alarm) for line in of[topics.ALARMS]],
    )


def _decided_before(settings: KafkaSettings, since_us: int) -> dict[int, int]:
    bounds = captured_bounds(settings, [topics.PAYMENTS])
    with closing(open_admin(settings)) as admin:
        found = start_offsets(admin, settings, [bound.at for bound in bounds], since_us)
    return {
        bound.at[1]: _first_since(settings, bound._replace(start=found[bound.at]), since_us)
        for bound in bounds
    }


def _first_since(settings: KafkaSettings, bound: Bound, since_us: int) -> int:
    """Return the offset of the first message since a time: a broker may name the start of its batch only."""
    for chunk in chunks_within(settings, [bound]):
        if (chunk.timestamps >= since_us).any():
            return int(chunk.offsets[np.argmax(chunk.timestamps >= since_us)])
    return bound.end


def _board(
    kafka: KafkaSettings, decided: Mapping[int, int], feedback: list[Feedback], policy: Policy
) -> Scoreboard:
    case_of = {each.txn_id: each.case_family_id or each.txn_id for each in feedback}
    known, payments = labels.table(feedback), 0
    facts: dict[str, Fact] = {}
    bounds = [
        bound._replace(start=max(bound.start, decided[bound.at[1]]))
        for bound in captured_bounds(kafka, [topics.PAYMENTS])
    ]
    for chunk in chunks_within(kafka, bounds):
        rows = decode(chunk, policy, window(chunk, policy.clock, None))[0]
        payments += len(rows)
        verdict = labels.verdicts(known, rows["txn_id"], np.inf)
        for place in np.flatnonzero((verdict == labels.SCAM) | (verdict == labels.LAUNDERING)).tolist():
            row, txn_id = rows[place], rows[place]["txn_id"].decode()
            scam = bool(verdict[place] == labels.SCAM)
            facts[txn_id] = Fact(scam, case_of[txn_id], int(row["amount_minor"]), token_text(row["debtor"]))
    return Scoreboard(payments, facts)


def outcome(board: Scoreboard, run: Replayed) -> PolicyResult:
    """Hold one run against the truth."""
    board = Scoreboard(board.payments, board.facts)
    board.add_alerts(run.alerts)
    board.add_warnings(run.warnings)
    result = board.result()
    measures = Counter(alert.outcome for alert in run.alerts)
    victims = {fact.payer for fact in board.facts.values() if fact.scam}
    innocent = {alert.party_token for alert in run.alerts if alert.txn_id not in board.facts}
    return PolicyResult(
        saved_minor=result.stopped_minor + result.caught_minor,
        scam_minor=result.scam_minor,
        delayed=measures["DELAY"],
        held=measures["HOLD"],
        stopped=measures["STOP"],
        warned=len(board.warned),
        innocent_held=result.innocent_held,
        customers_disturbed=len(innocent | (board.warned - victims)),
        braked=len(run.alarms),
    )


def changed(runs: Mapping[str, Replayed]) -> dict[str, int]:
    """Count the legs that one policy acted on and the other did not, or by another measure."""
    live, new = (
        {(alert.txn_id, alert.leg): alert.outcome for alert in runs[name].alerts} for name in ("live", "new")
    )
    return {
        "more": len(new.keys() - live.keys()),
        "fewer": len(live.keys() - new.keys()),
        "other": sum(new[leg] != live[leg] for leg in new.keys() & live.keys()),
    }
