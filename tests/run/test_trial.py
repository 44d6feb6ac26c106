"""A policy tried beside a desk: in a process of its own, with progress, refused in words where none."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.lab.feeds import streamed
from console.lab.trying import InForce, Trial, Trials
from fixtures.scenario import load
from pipelines import policy
from pipelines.kafka.port import KafkaSettings
from schemas.errors import ConfigError

pytestmark = pytest.mark.slow

#: No bar, a limit for the test.
LONGEST_S = 280.0


@pytest.fixture
def trials() -> Iterator[Trials]:
    made = Trials(InForce(KafkaSettings("127.0.0.1:1"), policy.named()))
    yield made
    made.close()


def ended(trials: Trials) -> tuple[Trial, list[float]]:
    told, deadline = [0.0], time.monotonic() + LONGEST_S
    while (now := trials.now).state == "RUNNING" and time.monotonic() < deadline:
        if now.done != told[-1]:
            told.append(now.done)
        time.sleep(0.05)
    return now, told


def test_a_trial_replays_what_the_broker_holds_under_both_policies_and_tells_how_far_it_is() -> None:
    with streamed(load("quiet_day"), "CNY") as (kafka, _):
        trials = Trials(InForce(kafka, policy.named()))
        try:
            new = trials.text().replace("hold: innocent_1_per_10k", "hold: innocent_5_per_10k")
            begun = trials.start(new, "1970-01-01", "lead-1")
            with pytest.raises(ConfigError, match="a trial is under way"):
                trials.start(new, "1970-01-01", "lead-2")
            now, told = ended(trials)
        finally:
            trials.close()

    assert (begun.state, now.state, now.by, now.wrong) == ("RUNNING", "DONE", "lead-1", "")
    assert told == sorted(told) and len(told) > 1 and now.done == 1.0
    assert now.result["payments"] > 100
    assert now.result["stamps"]["new"] == begun.stamp != now.result["stamps"]["live"]
    assert now.result["new"]["held"] >= now.result["live"]["held"]


def test_a_trial_without_a_broker_says_so_and_one_that_is_stopped_ends(trials: Trials) -> None:
    trials.start(trials.text(), "2026-01-01", "lead-1")
    failed, _ = ended(trials)
    trials.start(trials.text(), "2026-01-01", "lead-1")
    trials.stop()

    assert failed.state == "FAILED" and "127.0.0.1:1" in failed.wrong and "Traceback" not in failed.wrong
    assert trials.now.state == "STOPPED"


@pytest.mark.parametrize(
    ("text", "since", "said"),
    [
        ("", "", "policy"), ("a: 1", "1970-01-01", "policy"), ("version: [", "1970-01-01", "policy"),
        (None, "tomorrow", "is no time"), (None, "²026-01-01", "is no time"),
    ],
)  # fmt: skip
def test_what_is_no_policy_or_no_day_begins_nothing(
    trials: Trials, text: str | None, since: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=said):
        trials.start(trials.text() if text is None else text, since, "lead-1")

    assert trials.now.state == "NONE"
