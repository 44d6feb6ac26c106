"""A feed of clues that stops is an alarm within two minutes; one that is caught up with is none."""

import json

import pytest

from console.status import status_line
from pipelines.hot.feeds import NEEDED, Feeds
from pipelines.policy import Policy
from pipelines.telemetry import Latency
from schemas import topics
from schemas.units import HOUR_US, SECOND_US

T0_US = 1_756_656_000_000_000


def run(feeds: Feeds, clues_at_s: list[int], until_s: int, ended_at_s: int = -1) -> list[dict]:
    """Read payments every second, and clues at some; return the alarms, with the second each came at."""
    told = []
    for second in range(until_s):
        received = {topics.PAYMENTS: T0_US + second * SECOND_US}
        if second in clues_at_s:
            received[topics.CLUES] = received[topics.PAYMENTS]
        for record in feeds.alarms(received, int(second == ended_at_s)):
            assert record.topic == topics.ALARMS
            told.append({**json.loads(record.value), "second": second})
    return told


def test_a_feed_that_stops_is_one_alarm_within_two_minutes_and_speaks_again(rules: Policy) -> None:
    feeds = Feeds(rules)

    told = run(feeds, [*range(0, 300, 5), *range(600, 700, 5)], 1_000)

    assert [each["kind"] for each in told] == ["CLUE_FEED_SILENT"] * 2
    assert [each["second"] - last for each, last in zip(told, (295, 695), strict=True)] == [61, 61]
    assert told[0]["feed"] == "clues" and told[0]["silent_s"] == 61
    assert len({each["alarm_id"] for each in told}) == 2


def test_a_slow_feed_has_three_of_its_gaps(rules: Policy) -> None:
    assert not run(Feeds(rules), list(range(0, 3_000, 100)), 3_150)
    assert [each["second"] for each in run(Feeds(rules), list(range(0, 3_000, 100)), 3_400)] == [3_201]


def test_nobody_waits_for_a_feed_that_is_not_there_or_hardly_spoke(rules: Policy) -> None:
    assert not run(Feeds(rules), [], 1_000)
    assert not run(Feeds(rules), list(range(NEEDED)), 1_000)


def test_a_feed_that_is_caught_up_with_is_not_silent(rules: Policy) -> None:
    """Its messages are old, but they come."""
    feeds = Feeds(rules)
    times = [{topics.PAYMENTS: T0_US + s * SECOND_US, topics.CLUES: T0_US - HOUR_US} for s in range(600)]

    assert not [record for received in times for record in feeds.alarms(received, 0)]


@pytest.mark.parametrize("second", [0, 30])
def test_a_subscription_that_ends_is_an_alarm_at_once(rules: Policy, second: int) -> None:
    told = run(Feeds(rules), [], 60, ended_at_s=second)

    assert [(each["kind"], each["second"]) for each in told] == [("CLUE_SUBSCRIPTION_ENDED", second)]


def test_both_are_on_the_status_line() -> None:
    said = status_line(1.0, {"clue_feed_silent": 1, "clue_subscription_ended": 2}, Latency(1, 1, 1))

    assert "CLUES FELL SILENT 1" in said and "CLUE SUBSCRIPTIONS ENDED 2" in said
