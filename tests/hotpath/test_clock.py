"""Event times that cannot be true are refused before any arithmetic, on every stream, live and replayed."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from pipelines.hot.decode import Decode
from pipelines.kafka.port import Chunk
from pipelines.kafka.reading.merge import FOLLOWING, running_ahead
from pipelines.policy import ClockPolicy, Policy
from pipelines.streams.clock import RECORD_US_MAX, Progress, now_us, window
from pipelines.streams.payments import PAYMENTS
from pipelines.streams.table import STREAMS
from schemas.payment import Payment
from schemas.rows.values import Values
from schemas.trace import Trace
from schemas.units import DAY_US, HOUR_US, MINUTE_US
from tests.hotpath.conftest import Written
from tests.hotpath.test_streams import journal

NOW = now_us()
ACCOUNT, PAYEE, PARTY = "a" * 26, "b" * 25 + "a", "c" * 25 + "a"


def payment(number: int, at_us: int) -> bytes:
    return msgspec.json.encode(
        Payment(
            txn_id=f"t{number}", accepted_at_us=at_us, amount_minor=100, currency="CNY", debtor=PARTY,
            debtor_account=ACCOUNT, creditor_account=PAYEE,
        )
    )  # fmt: skip


def measure(at_us: int) -> bytes:
    return journal(ACCOUNT, 1, at_us, receive_only=True)


def trace(at_us: int) -> bytes:
    return msgspec.json.encode(
        Trace(
            trace_id=f"trace_{ACCOUNT}", jurisdiction="CN", case_family="f", hop=1, txn_id="t",
            debtor_account=ACCOUNT, creditor_account=PAYEE, amount_minor=1, transferred_minor=1,
            currency="CNY", at_us=at_us, followed=True,
        )
    )  # fmt: skip


MAKE: dict[str, Callable[[int], bytes]] = {
    "payments": lambda at_us: payment(1, at_us), "measures": measure, "traces": trace,
}  # fmt: skip


def chunk(topic: str, values: list[bytes], received_us: list[int]) -> Chunk:
    count = len(values)
    offsets = np.arange(count, dtype=np.int64)
    return Chunk(
        topic, Values.of(values), np.zeros(count, np.int32), offsets, np.array(received_us, np.int64)
    )


def refused(rules: Policy, given: Chunk, *, live: bool) -> dict[int, tuple[str, str]]:
    """Offset -> code and message of what is refused."""
    decode = Decode(rules, 1, STREAMS, live=live)
    outputs = decode.finish([decode.begin(given)])
    letters = [json.loads(out.element.value) for out in outputs if out.tag == "dead_letters"]
    return {letter["offset"]: (letter["error_code"], letter["message"]) for letter in letters}


each_stream = pytest.mark.parametrize("topic", MAKE)


@each_stream
@pytest.mark.parametrize("live", [True, False])
def test_the_window_lies_around_the_time_of_receipt(rules: Policy, topic: str, live: bool) -> None:
    received = NOW - HOUR_US
    ahead, back = rules.clock.ahead_us, rules.clock.past_us if topic == "payments" else RECORD_US_MAX
    times = [received + ahead, received + ahead + 1, received - back, received - back - 1]
    found = refused(rules, chunk(topic, [MAKE[topic](at) for at in times], [received] * 4), live=live)

    assert {offset: code for offset, (code, _) in found.items()} == {1: "FUTURE", 3: "PAST"}


@each_stream
@pytest.mark.parametrize(
    "record_us",
    [0, -1, pytest.param(NOW + 400 * DAY_US, id="ahead"), 2**62, 1, 946_684_800_000],
)
def test_a_record_time_that_is_missing_or_absurd_is_replaced_by_this_machines_clock(
    rules: Policy, topic: str, record_us: int
) -> None:
    times = [NOW, NOW + 400 * DAY_US, NOW - 4_000 * DAY_US]
    found = refused(rules, chunk(topic, [MAKE[topic](at) for at in times], [record_us] * 3), live=True)

    assert {offset: code for offset, (code, _) in found.items()} == {1: "FUTURE", 2: "PAST"}


@each_stream
@pytest.mark.parametrize(
    ("per_s", "unit", "code"),
    [(1, "seconds", "PAST"), (1_000, "milliseconds", "PAST")],
)
def test_a_time_in_another_unit_is_refused_and_the_letter_names_the_unit(
    rules: Policy, topic: str, per_s: int, unit: str, code: str
) -> None:
    at = NOW * per_s // 10**6
    found = refused(rules, chunk(topic, [MAKE[topic](at)], [NOW]), live=True)

    assert found[0][0] == code
    assert f"{at:,} looks like {unit}; microseconds expected" in found[0][1]


def test_a_backlog_is_judged_by_when_it_was_received_not_by_now(rules: Policy) -> None:
    then = NOW - 300 * DAY_US
    found = refused(
        rules, chunk("payments", [payment(1, then), payment(2, then + HOUR_US)], [then] * 2), live=True
    )

    assert {offset: code for offset, (code, _) in found.items()} == {1: "FUTURE"}


def test_by_default_an_event_is_believed_for_a_week_and_a_history_under_its_own_times(rules: Policy) -> None:
    assert rules.clock.past_us == 7 * DAY_US
    old = NOW - 400 * DAY_US
    as_of_today = refused(rules, chunk("payments", [payment(1, old)], [NOW]), live=True)
    under_its_own = refused(rules, chunk("payments", [payment(1, old)], [old]), live=True)

    assert (as_of_today[0][0], under_its_own) == ("PAST", {})


@pytest.mark.parametrize("split", [False, True])
def test_an_old_record_time_among_new_ones_does_not_make_an_old_event_true(
    rules: Policy, split: bool
) -> None:
    """Whether what was read just before is of the same chunk or of the one before; no one record moves it."""
    old, honest = NOW - 400 * DAY_US, [NOW - 40 * MINUTE_US + number for number in range(40)]
    times = [*honest, old, NOW]
    values = [payment(number, at) for number, at in enumerate(times)]
    decode = Decode(rules, 1, STREAMS, live=True)
    cut = 40 if split else 0
    letters = []
    for part in (slice(0, cut), slice(cut, None)):
        if values[part]:
            given = chunk("payments", values[part], times[part])
            given = given._replace(offsets=given.offsets + (part.start or 0))
            outputs = decode.finish([decode.begin(given)])
            letters += [json.loads(out.element.value) for out in outputs if out.tag == "dead_letters"]

    assert [(letter["offset"], letter["error_code"]) for letter in letters] == [(40, "PAST")]


def test_one_record_of_now_among_old_ones_spoils_none_of_a_history(rules: Policy) -> None:
    then = NOW - 300 * DAY_US
    times = [then + number * HOUR_US for number in range(60)]
    times[20] = NOW
    values = [payment(number, at) for number, at in enumerate(times)]

    assert refused(rules, chunk("payments", values, times), live=True) == {}


def test_what_a_reader_knows_of_a_partition_ends_with_another_topic_of_its_name(rules: Policy) -> None:
    then, progress = NOW - 300 * DAY_US, Progress()
    given = chunk("payments", [payment(1, then)] * 40, [NOW] * 40)
    window(given, rules.clock, NOW, progress)
    anew = chunk("payments", [payment(1, then)] * 2, [then] * 2)

    assert window(anew, rules.clock, NOW, progress).received_us.tolist() == [then, then]


@pytest.mark.parametrize("name", ["payee_added_at_us", "creditor_opened_at_us", "limit_changed_at_us"])
@pytest.mark.parametrize(
    "stated",
    [pytest.param(NOW // 1000, id="milliseconds"), 0, pytest.param(NOW + DAY_US, id="ahead"), 2**53],
)
def test_an_optional_time_that_cannot_be_true_is_as_absent_and_counted(
    rules: Policy, name: str, stated: int
) -> None:
    value = json.dumps({**json.loads(payment(1, NOW)), name: stated}).encode()
    given = chunk("payments", [value, payment(2, NOW)], [NOW, NOW])
    decoded = PAYMENTS.decode(given, rules, window(given, rules.clock, NOW))

    assert (decoded.facts[0][name].tolist(), decoded.letters) == ([-1, -1], [])
    assert decoded.counts[f"{name}_as_absent"] == 1


def test_the_window_is_set_by_the_policy(rules: Policy) -> None:
    strict = replace(rules, clock=ClockPolicy(past_days=1, ahead_minutes=0))
    values = [payment(1, NOW - 2 * DAY_US), payment(2, NOW + 1), payment(3, NOW)]

    assert set(refused(strict, chunk("payments", values, [NOW] * 3), live=False)) == {0, 1}


def test_rows_carry_a_time_of_receipt_that_can_be_true(rules: Policy) -> None:
    given = chunk("payments", [payment(1, NOW)] * 3, [NOW - 5, 0, NOW + 400 * DAY_US])

    assert window(given, rules.clock, NOW).received_us.tolist() == [NOW - 5, NOW, NOW]


def test_a_record_that_runs_ahead_is_told_from_a_topic_that_was_quiet() -> None:
    quiet = np.array([0, 1, 2, 900, 901, 902, 903, 904]) * HOUR_US
    ahead = np.array([0, 1, 2, 900, 3, 4, 5, 6]) * HOUR_US
    two_ahead = np.array([0, 900, 901, *range(1, FOLLOWING)]) * HOUR_US

    assert not running_ahead(quiet).any()
    assert np.flatnonzero(running_ahead(ahead)).tolist() == [3]
    assert np.flatnonzero(running_ahead(two_ahead)).tolist() == [1, 2]


def test_one_record_a_year_ahead_reorders_nothing_in_a_replay_and_is_refused(
    run: Callable[..., Written], rules: Policy
) -> None:
    """Three partitions; the same payments with and without one whose record and event lie a year ahead."""
    begin = NOW - 10 * DAY_US
    times = [begin + number * MINUTE_US for number in range(300)]
    values = [payment(number, at) for number, at in enumerate(times)]
    keys = [b"k%d" % (number % 7) for number in range(300)]
    honest = run(keys, values, times)
    ahead = times[100] + 365 * DAY_US
    spoiled = run(
        [*keys[:100], keys[100], *keys[100:]],
        [*values[:100], payment(999, ahead), *values[100:]],
        [*times[:100], ahead, *times[100:]],
    )

    def sent(written: Written, topic: str) -> list[Any]:
        return [json.loads(record.value) for partition in written[topic] for record in partition]

    (letter,) = sent(spoiled, "dead_letters")
    assert (letter["error_code"], sent(honest, "dead_letters")) == ("FUTURE", [])
    for topic in ("alerts", "warnings"):
        told = [
            [{**each, "offset": 0, "notice": None} for each in sent(of, topic)] for of in (honest, spoiled)
        ]
        assert told[0] == told[1]
