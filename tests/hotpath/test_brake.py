"""The brake on mass stops: a model that would hold everybody holds a few, and says so."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import SHIPPED
from pipelines import policy
from pipelines.hot import stage
from pipelines.hot.accounts import Accounts
from pipelines.hot.brake import COUNTS, Brake
from pipelines.hot.decide import Decider, enforced_minor
from pipelines.hot.payers import Payers
from pipelines.hot.tracer import Tracer
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.sink import OutRecord
from pipelines.policy import DELAY, HOLD, STOP, WARN, BrakePolicy, LegPolicy, Policy
from pipelines.state.shards import bound, by_shard, shard_of
from pipelines.streams.table import STREAMS
from pipelines.telemetry import TELEMETRY
from schemas import topics
from schemas.alarm import Alarm
from schemas.alert import Alert
from schemas.errors import ConfigError, StateError
from schemas.ids import derived_id
from schemas.rows import Rows
from schemas.rows.transfers import TRANSFER
from schemas.units import MINUTE_US
from schemas.warning import Warning
from tests.hotpath.conftest import POLICY, Sent, Stream, Written
from tests.hotpath.states import Shards

MODEL = "f" * 64
NOW_US = 1_756_656_000_000_000
RULE = BrakePolicy(least="DELAY", fallback="WARN", per_10k=2_000, min_count=3)


def payments(at_us: list[int]) -> Rows:
    rows = np.zeros(len(at_us), TRANSFER)
    rows["at_us"], rows["offset"] = at_us, np.arange(len(at_us))
    rows["txn_id"] = [b"t%d" % number for number in range(len(at_us))]
    return rows


def apply(brake: Brake, rows: Rows, asked: list[int], exempt: list[bool] | None = None) -> tuple[list, list]:
    """Outcomes after the brake, and its alarms."""
    outcome = np.array(asked, np.int64)
    exempted = np.array(exempt if exempt else [False] * len(asked), np.bool_)
    alarms = brake.apply("CREDIT", rows, outcome, exempted, model=MODEL)
    return outcome.tolist(), alarms


@pytest.fixture
def brake(rules: Policy) -> Brake:
    return Brake(rules, RULE, 0, None)


def by_hand(at_us: list[int], asked: list[int]) -> list[int]:
    """The outcomes of legs that arrive in this order."""
    newest, past, found = 0, [], []
    for at, outcome in zip(at_us, asked, strict=True):
        newest = max(newest, at // MINUTE_US)
        hour = [held for minute, held in past if minute > newest - 60]
        held, decided = sum(hour), len(hour) + 1
        wanted = outcome >= DELAY
        braked = wanted and held >= RULE.min_count and (held + 1) * 10_000 > RULE.per_10k * decided
        past.append((newest, wanted and not braked))
        found.append(WARN if braked else outcome)
    return found


legs = st.lists(
    st.tuples(st.integers(0, 200 * MINUTE_US), st.sampled_from([0, 0, WARN, DELAY, HOLD, STOP])), max_size=80
)


@given(legs, st.data())
@settings(max_examples=200, deadline=None)
def test_legs_are_braked_as_by_hand_however_they_are_cut_into_bundles(
    rules: Policy, drawn: list[tuple[int, int]], data: st.DataObject
) -> None:
    drawn.sort(key=lambda leg: leg[0])
    rows, asked = payments([NOW_US + at for at, _ in drawn]), [outcome for _, outcome in drawn]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(drawn)), max_size=5)))
    found: list[int] = []
    counts = None
    for start, end in zip([0, *cuts], [*cuts, len(drawn)], strict=True):
        brake = Brake(rules, RULE, 0, counts)
        found += apply(brake, rows[start:end], asked[start:end])[0]
        counts = brake.stored()

    assert found == by_hand(rows["at_us"].tolist(), asked)


@given(legs, legs)
@settings(max_examples=100, deadline=None)
def test_what_comes_late_counts_in_the_newest_minute(
    rules: Policy, early: list[tuple[int, int]], late: list[tuple[int, int]]
) -> None:
    brake = Brake(rules, RULE, 0, None)
    found, times, all_asked = [], [], []
    for drawn in (early, late):
        drawn.sort(key=lambda leg: leg[0])
        at_us, asked = [NOW_US + at for at, _ in drawn], [outcome for _, outcome in drawn]
        found += apply(brake, payments(at_us), asked)[0]
        times += at_us
        all_asked += asked

    assert found == by_hand(times, all_asked)


def test_the_first_ones_of_an_hour_pass_and_later_ones_while_the_share_allows(brake: Brake) -> None:
    found, alarms = apply(brake, payments([NOW_US + at for at in range(6)]), [HOLD] * 6)
    assert found == [HOLD, HOLD, HOLD, WARN, WARN, WARN]
    assert (alarms[0].held, alarms[0].decided) == (3, 4)

    apply(brake, payments([NOW_US + 6 + at for at in range(14)]), [0] * 14)
    assert apply(brake, payments([NOW_US + 50]), [STOP])[0] == [STOP]  # the 4th of 21
    assert apply(brake, payments([NOW_US + 51]), [STOP])[0] == [WARN]  # the 5th of 22


def test_after_an_hour_the_first_ones_pass_again(brake: Brake) -> None:
    apply(brake, payments([NOW_US] * 5), [HOLD] * 5)

    assert apply(brake, payments([NOW_US + 59 * MINUTE_US]), [HOLD])[0] == [WARN]
    assert apply(brake, payments([NOW_US + 60 * MINUTE_US]), [HOLD])[0] == [HOLD]


def test_each_leg_has_its_own_counts(brake: Brake) -> None:
    apply(brake, payments([NOW_US] * 5), [HOLD] * 5)
    outcome = np.array([HOLD])

    assert brake.apply("DEBIT", payments([NOW_US]), outcome, np.array([False]), model=MODEL) == []
    assert outcome.tolist() == [HOLD]


def test_a_measure_in_force_is_neither_counted_as_held_nor_braked(brake: Brake) -> None:
    rows = payments([NOW_US] * 8)

    assert apply(brake, rows, [STOP] * 8, exempt=[True] * 5 + [False] * 3) == ([STOP] * 8, [])
    assert apply(brake, rows[:2], [STOP, STOP], exempt=[True, False])[0] == [STOP, WARN]


def test_there_is_one_alarm_a_clock_hour_with_a_log_line_and_counts(
    brake: Brake, rules: Policy, caplog: pytest.LogCaptureFixture
) -> None:
    before = TELEMETRY.counts()
    hour_us = 60 * MINUTE_US
    assert NOW_US % hour_us == 0
    times = [NOW_US + 40 * MINUTE_US + at for at in range(8)] + [NOW_US + hour_us + at for at in range(5)]
    with caplog.at_level(logging.ERROR):
        _, first = apply(brake, payments(times[:6]), [HOLD] * 6)
        _, same = apply(brake, payments(times[6:8]), [HOLD] * 2)
        _, next_hour = apply(brake, payments(times[8:]), [HOLD] * 5)
    counted = {name: TELEMETRY.counts()[name] - before.get(name, 0) for name in ("braked", "alarms")}

    assert [len(alarms) for alarms in (first, same, next_hour)] == [1, 0, 1]
    (alarm,) = first
    assert alarm.alarm_id == derived_id(
        "alarm", "MASS_STOP_BRAKED", "CREDIT", 0, NOW_US // hour_us, rules.stamp
    )
    assert (alarm.txn_id, alarm.at_us, alarm.fallback, alarm.model) == ("t3", times[3], "WARN", MODEL)
    assert counted == {"braked": 10, "alarms": 2}
    assert len(caplog.messages) == 2
    assert "see docs/runbook.md" in caplog.messages[0]


def test_counts_of_another_release_are_refused(rules: Policy) -> None:
    with pytest.raises(StateError, match="another release"):
        Brake(rules, RULE, 0, b"12345678" + bytes(2 * 60 * COUNTS.itemsize))


@pytest.mark.parametrize(
    ("brake", "complaint"),
    [
        ("{least: DELAY, fallback: DELAY, per_10k: 1, min_count: 1}", "DELAY is not milder than DELAY"),
        ("{least: WARN, fallback: APPROVE, per_10k: 1, min_count: 1}", "least"),
        ("{least: HOLD, fallback: WARN, per_10k: 0, min_count: 1}", "per_10k"),
        ("{least: HOLD, fallback: WARN, per_10k: 1}", "min_count"),
    ],
)
def test_a_brake_that_cannot_work_is_refused(tmp_path: Path, brake: str, complaint: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"{POLICY}brake: {brake}\n")

    with pytest.raises(ConfigError, match=complaint):
        policy.load(path)


# On the real graph


@pytest.fixture(scope="module")
def everybody(rules: Policy) -> Policy:
    """A policy under which any model holds every payment."""
    all_held = LegPolicy(1e-9, 1e-9, 1e-9, 1.0)
    limit = BrakePolicy(least="DELAY", fallback="WARN", per_10k=500, min_count=4)
    return replace(rules, stamp="everybody", credit=all_held, debit=all_held, brake=limit)


@pytest.fixture(scope="module")
def topic(stream: Stream, produce: Callable[..., str]) -> str:
    return produce(stream.keys[:3_000], stream.values[:3_000], stream.timestamps_us[:3_000])


@pytest.fixture(scope="module")
def written(topic: str, replay: Callable[..., Written], everybody: Policy) -> Written:
    return replay(topic, rules=everybody)


def records(written: Written, name: str, of: type) -> list:
    sent: list[Sent] = [record for partition in written[name] for record in partition]
    return [msgspec.json.decode(record.value, type=of) for record in sent]


def test_a_policy_that_holds_everybody_holds_a_few_and_warns_the_others(
    stream: Stream, written: Written
) -> None:
    alerts, warnings = records(written, topics.ALERTS, Alert), records(written, topics.WARNINGS, Warning)

    hours = (stream.rows["at_us"][2_999] - stream.rows["at_us"][0]) / (60 * MINUTE_US)
    shards, legs_a_payment = 4, 2
    at_most = shards * legs_a_payment * 4 * (hours + 1) + 0.05 * 3_000 * legs_a_payment
    assert 0 < len(alerts) < at_most < 3_000 * legs_a_payment / 3
    assert sum(not warning.hold for warning in warnings) > sum(warning.hold for warning in warnings)


def test_alarms_say_which_model_would_have_held_them(
    written: Written, everybody: Policy, decider: Decider
) -> None:
    alarms = records(written, topics.ALARMS, Alarm)

    assert {(alarm.shard, alarm.leg) for alarm in alarms} == {
        (shard, leg) for shard in range(4) for leg in ("CREDIT", "DEBIT")
    }
    assert len({alarm.alarm_id for alarm in alarms}) == len(alarms)
    hours = {(alarm.shard, alarm.leg, alarm.at_us // (60 * MINUTE_US)) for alarm in alarms}
    assert len(hours) == len(alarms)
    assert {(alarm.policy, alarm.model) for alarm in alarms} == {
        ("everybody", decider.models().live.bundle.digest)
    }
    for alarm in alarms:
        assert alarm.held >= 4
        assert (alarm.held + 1) * 10_000 > 500 * alarm.decided


def test_a_replay_in_other_bundles_brakes_the_same_payments(
    topic: str, replay: Callable[..., Written], everybody: Policy, written: Written
) -> None:
    again = replay(topic, chunk_rows=300, bundle_chunks=1, rules=everybody)

    for name in (topics.ALERTS, topics.ALARMS):
        assert [sorted(partition) for partition in again[name]] == [
            sorted(partition) for partition in written[name]
        ]


def test_shards_decided_in_one_batch_are_braked_as_each_alone_would_be(
    stream: Stream, everybody: Policy, bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = 3
    payers = Shards(Payers(everybody, shards, STREAMS), shards)
    bundles = []
    for rows in np.array_split(stream.rows[:6_000], 2):
        parts = by_shard(rows, shard_of(rows["debtor"], shards))
        legs = payers.run(*((number, bound([part])) for number, part in parts))
        bundles.append([block.element for block in legs])

    def run() -> list[OutRecord]:
        tracer = Tracer(everybody, shards, KafkaSettings("none:1"), ())
        decider = Decider(everybody, bundle_path, 0.0)
        accounts = Shards(Accounts(decider, tracer, shards, {}, STREAMS), shards)
        outputs = [output for bundle in bundles for output in accounts.run(*bundle)]
        return sorted(output.element for output in outputs if output.tag == "alerts")

    together = run()
    monkeypatch.setattr(stage, "BATCH_BYTES", 1)

    assert run() == together
    assert {record.topic for record in together} == {topics.ALERTS, topics.ALARMS}


def test_a_debit_against_a_measure_in_force_is_stopped_whatever_the_brake_says(
    stream: Stream, everybody: Policy, bundle_path: Path
) -> None:
    few = stream.history.debit.rows(np.arange(200))
    few.account["enforced_minor"][100:] = np.iinfo(np.int64).max
    decider = Decider(everybody, bundle_path, 0.0)

    brake = decider.brake(0, None)
    assert brake is not None

    kept = enforced_minor(few, False)
    decided = decider.decide(decider.models(), few, False, kept, [(slice(None), brake)])

    sent = [record.value for record in decided.alerts if record.topic == topics.ALERTS]
    alerts = [msgspec.json.decode(value, type=Alert) for value in sent]
    stopped = {alert.txn_id for alert in alerts if alert.notice.reason_code == "MEASURE_IN_FORCE"}
    assert stopped == set(stream.rows["txn_id"][100:200].astype(str).tolist())
    assert 4 <= len(alerts) - len(stopped) < 50


@pytest.mark.slow
def test_three_busy_days_under_the_shipped_policy_and_model_are_never_braked(stream: Stream) -> None:
    """The scenarios say the same of 20 days each: their records hold no alarm."""
    decider = Decider(policy.load(), SHIPPED, 0.0)
    brake = decider.brake(0, None)
    assert brake is not None

    for credit, seen in ((True, stream.history.credit), (False, stream.history.debit)):
        kept = enforced_minor(seen, credit)
        decided = decider.decide(decider.models(), seen, credit, kept, [(slice(None), brake)])
        assert {record.topic for record in decided.alerts} == {topics.ALERTS}


def test_a_brake_that_a_clock_ahead_once_disarmed_heals_with_the_next_payment(rules: Policy) -> None:
    """One payment of a year ahead stood for the newest minute, and nothing slid out of the hour any more."""
    brake = Brake.of(replace(rules, brake=RULE), 0, None)
    assert brake
    ahead = payments([NOW_US + 365 * 24 * 60 * MINUTE_US])
    ahead["received_us"] = ahead["at_us"]
    apply(brake, ahead, [HOLD])
    later = payments([NOW_US + minute * MINUTE_US for minute in range(0, 600, 20)])
    later["received_us"] = later["at_us"]

    assert apply(brake, later, [HOLD] * len(later))[0] == [HOLD] * len(later)
