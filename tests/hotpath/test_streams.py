"""Streams are a table: a line adds one. Facts of all of them meet in one order of event time."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import msgspec
import numpy as np
import pytest

from console.status import status_line
from models import features
from models.features import Legs
from models.features.catalogue import CATALOGUE, Feature
from models.ledgers.enforcement import NOTHING_LEAVES
from models.ledgers.history import History, history
from pipelines.hot.accounts import Accounts
from pipelines.hot.decide import Decided, Decider
from pipelines.hot.decode import Decode
from pipelines.hot.payers import Payers
from pipelines.hot.tracer import Tracer
from pipelines.in_process.runner import in_process
from pipelines.in_process.warmup import Since
from pipelines.jobs.main import build, wanted_topics
from pipelines.jobs.options import JobSettings
from pipelines.kafka.port import Chunk, KafkaSettings
from pipelines.policy import USUAL_CLOCK, Policy
from pipelines.state import evolve
from pipelines.state.evolve import Schema, schema_of
from pipelines.streams.clock import window
from pipelines.streams.table import STREAMS, ledgers_of, topics_needed, topics_read
from pipelines.telemetry import TELEMETRY, Latency
from schemas.feedback import Feedback
from schemas.journal import EnforcementChanged, JournalEntry
from schemas.rows.tokens import token_text
from schemas.rows.values import Values
from schemas.units import MINUTE_US
from tests.hotpath.conftest import Stream
from tests.hotpath.states import Shards, assert_close
from tests.hotpath.toy import REPORT, TOY, Reported, reports

WITH_TOY = (*STREAMS, TOY)
PAYMENTS, SHARDS = 1_500, 3


class Message(NamedTuple):
    """A message of some topic, and the event time it tells."""

    topic: str
    value: bytes
    at_us: int
    offset: int


def journal(account: str, version: int, at_us: int, **stated: Any) -> bytes:
    event = EnforcementChanged(
        event_id=f"v{version}", account_token=account, at_us=at_us, version=version, **stated
    )
    entry = JournalEntry(
        entry_id=f"e{version}", account_token=account, jurisdiction="CN", version=version, at_us=at_us,
        command="test", events=(event,),
    )  # fmt: skip
    return msgspec.json.encode(entry)


@pytest.fixture(scope="module")
def messages(stream: Stream) -> list[Message]:
    """Payments, measures and reports about their accounts, in the order of events; some at one instant."""
    draw = np.random.default_rng(5)
    rows = stream.rows[:PAYMENTS]
    paid = [
        Message("payments", value, int(at_us), place)
        for place, (value, at_us) in enumerate(zip(stream.values[:PAYMENTS], rows["at_us"], strict=True))
    ]
    others = []
    accounts = [token_text(words) for words in rows["debtor_account"][draw.integers(0, PAYMENTS, 60)]]
    for place, account in enumerate(dict.fromkeys(accounts)):
        begins = int(rows["at_us"][draw.integers(0, PAYMENTS // 2)])
        ends = begins + int(draw.integers(1, 40)) * 30 * MINUTE_US
        others += [
            Message("measures", journal(account, 1, begins, receive_only=True), begins, 3 * place),
            Message("measures", journal(account, 2, ends), ends, 3 * place + 1),
        ]
    for place, row in enumerate(draw.integers(0, PAYMENTS, 200).tolist()):
        at_us = int(rows["at_us"][draw.integers(0, PAYMENTS)])
        report = Reported(account_token=token_text(rows["creditor_account"][row]), at_us=at_us, trust=3)
        others.append(Message("toy_reports", msgspec.json.encode(report), at_us, place))
    found = found_out(rows, draw)
    return sorted([*found, *others, *paid], key=lambda message: message.at_us)


def found_out(rows: np.ndarray, draw: np.random.Generator) -> list[Message]:
    """What is found of payments, minutes to hours after them."""
    verdicts = ("SCAM", "LAUNDERING", "LEGITIMATE", "UNKNOWN")
    messages = []
    for place, row in enumerate(draw.integers(0, PAYMENTS, 200).tolist()):
        paid, verdict = rows[row], verdicts[int(draw.integers(0, 4))]
        at_us = int(paid["at_us"]) + int(draw.integers(1, 300)) * MINUTE_US
        parties = {name: token_text(paid[name]) for name in ("debtor", "debtor_account", "creditor_account")}
        told = Feedback(
            feedback_id=f"f{place}", txn_id="t", kind="LABEL", verdict=verdict, known_at_us=at_us, **parties
        )
        messages.append(Message("feedback", msgspec.json.encode(told), at_us, place))
    return messages


def chunks(messages: list[Message]) -> list[Chunk]:
    """One chunk of each topic that messages are of, in the order they come."""
    found = []
    for topic in dict.fromkeys(message.topic for message in messages):
        own = [message for message in messages if message.topic == topic]
        found.append(
            Chunk(
                topic,
                Values.of([message.value for message in own]),
                np.zeros(len(own), np.int32),
                np.array([message.offset for message in own], np.int64),
                np.array([message.at_us for message in own], np.int64),
            )
        )
    return found


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, Legs]]:
    """The legs that come to be decided, with what was known before each; nothing is made of them."""
    found: list[tuple[bool, Legs]] = []

    def noted(_: Decider, models: Any, legs: Legs, credit: bool, *rest: Any) -> Decided:
        found.append((credit, legs))
        return Decided([], [], [])

    monkeypatch.setattr(Decider, "decide", noted)
    return found


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the toy stores is recorded: its facts, and the accounts' ledger with its columns."""
    record = {name: dict(numbers) for name, numbers in evolve.recorded().items()}
    record["toy_reports"] = {1: Schema("toy_reports", 1, REPORT, {})}
    for ledger in ledgers_of(WITH_TOY)[:2]:
        number = max(record[ledger.name]) + 1
        record[ledger.name][number] = Schema(ledger.name, number, ledger.row, {})
    monkeypatch.setattr(evolve, "recorded", lambda: record)
    schema_of.cache_clear()
    yield
    schema_of.cache_clear()


class Job:
    """The hot path run by hand, bundle by bundle."""

    def __init__(self, rules: Policy, decider: Decider, streams: tuple[Any, ...] = WITH_TOY) -> None:
        self.decode = Decode(rules, SHARDS, streams)
        tracer = Tracer(rules, SHARDS, KafkaSettings("none:1"), ())
        self.payers = Shards(Payers(rules, SHARDS, streams), SHARDS)
        self.accounts = Shards(Accounts(decider, tracer, SHARDS, {}, streams), SHARDS)

    def run(self, *bundles: list[Message]) -> list[bytes]:
        """Return the alerts, in order of their ids."""
        alerts = []
        for bundle in bundles:
            decoded = self.decode.finish([self.decode.begin(chunk) for chunk in chunks(bundle)])
            legs = self.payers.run(*(out.element for out in decoded if out.tag == "blocks"))
            outputs = self.accounts.run(*(out.element for out in legs))
            alerts += [out.element.value for out in outputs if out.tag == "alerts"]
        return sorted(alerts)

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows of payers and accounts, in order of their keys."""
        ledgers = ledgers_of(WITH_TOY)
        kept = (self.payers.rows(ledgers.payers), self.accounts.rows(ledgers.accounts))
        payers, accounts = (rows[np.lexsort(rows["key"].T)] for rows in kept)
        return payers, accounts


def cut(messages: list[Message], seed: int) -> list[list[Message]]:
    draw = np.random.default_rng(seed)
    cuts = sorted(draw.choice(len(messages), int(draw.integers(1, 12)), replace=False).tolist())
    return [messages[a:b] for a, b in zip([0, *cuts], [*cuts, len(messages)], strict=True) if b > a]


def disordered(messages: list[Message], seed: int, most_us: int) -> list[Message]:
    """Messages as they come where each takes up to `most_us`."""
    takes = np.random.default_rng(seed).integers(0, most_us, len(messages))
    order = np.argsort([message.at_us for message in messages] + takes, kind="stable")
    return [messages[place] for place in order.tolist()]


def offline(stream: Stream, messages: list[Message]) -> History:
    """What training makes of the same facts."""
    ledgers = ledgers_of(WITH_TOY)
    others = []
    for chunk in chunks([message for message in messages if message.topic != "payments"]):
        decoder = {each.topic: each for each in WITH_TOY}[chunk.topic]
        others += [
            rows for rows in decoder.decode(chunk, None, window(chunk, USUAL_CLOCK, None)).facts if len(rows)
        ]
    rows = stream.rows[:PAYMENTS]
    value = rows["amount_minor"].astype(np.float64)
    return history(rows, value, others, ledgers.payers, ledgers.accounts)


def assert_parity(seen: list[tuple[bool, Legs]], expected: History) -> None:
    for credit, legs in ((True, expected.credit), (False, expected.debit)):
        mine = [each for of, each in seen if of == credit]
        txn = np.concatenate([each.transfer["txn_id"] for each in mine])
        account = np.concatenate([each.account for each in mine])
        payer = np.concatenate([each.payer for each in mine])
        order, wanted = np.argsort(txn), np.argsort(legs.transfer["txn_id"])
        assert (txn[order] == legs.transfer["txn_id"][wanted]).all()
        assert_close(account[order], legs.account[wanted])
        assert_close(payer[order], legs.payer[wanted])


# A line adds a stream


def test_a_stream_added_by_a_line_is_read_checked_warmed_up_and_created(job: JobSettings) -> None:
    settings = replace(job, start="committed", refill=Since(7), streams=WITH_TOY)

    assert topics_read(WITH_TOY)[-1] == "toy_reports"
    assert "toy_reports" in topics_needed(WITH_TOY)
    assert "toy_reports" in {topic.name for topic in wanted_topics(2, WITH_TOY)}
    assert dict(settings.first.starts) == {
        "payments": Since(7), "measures": "earliest", "traces": "earliest", "indicators": "earliest",
        "clues": Since(7), "contacts": "earliest",
        "feedback": "earliest", "toy_reports": Since(7),
    }  # fmt: skip


@pytest.mark.usefixtures("stored", "seen")
def test_a_stream_added_by_a_line_reaches_the_legs_of_its_accounts_through_the_pipeline(
    stream: Stream,
    messages: list[Message],
    job: JobSettings,
    seen: list[tuple[bool, Legs]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One bundle, messages in any order: each payment knows the reports of before it, and no other."""
    shuffled = disordered(messages, 1, 10**15)
    settings = replace(job, streams=WITH_TOY, shards=SHARDS)
    with beam.Pipeline(runner=in_process()) as pipeline:
        build(pipeline | beam.Create(chunks(shuffled), reshuffle=False), settings)
    expected = offline(stream, messages)

    assert_parity(seen, expected)
    monkeypatch.setitem(CATALOGUE, "reports", Feature("reports", 1, reports, {"credit": "TOY"}))
    told = np.concatenate([features.matrix(["reports"], legs)[:, 0] for _, legs in seen])
    assert (told > 0).sum() > 20 and (told == 0).sum() > 20


def test_what_cannot_be_read_of_an_added_stream_is_a_dead_letter(rules: Policy) -> None:
    (chunk,) = chunks([Message("toy_reports", b'{"account_token": 7}', 0, 4)])
    decode = Decode(rules, SHARDS, WITH_TOY)

    (letter,) = [out.element for out in decode.finish([decode.begin(chunk)])]

    said = json.loads(letter.value)
    assert (said["topic"], said["offset"], said["error_code"]) == ("toy_reports", 4, "INVALID")


def test_the_page_of_contracts_has_the_table_of_streams() -> None:
    page = (Path(__file__).parents[2] / "docs" / "schemas.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \| (WHOLE|SINCE|COMMITTED) \| ([^|]+) \|", page, re.M)

    assert told == [
        (
            stream.topic,
            stream.begin,
            ", ".join(f"{facts.owner} by {' and '.join(facts.keys)}" for facts in stream.facts) or "nobody",
        )
        for stream in STREAMS
    ]


# One order of events


@pytest.mark.usefixtures("stored", "seen")
@pytest.mark.parametrize("delay_us", [1, 10 * MINUTE_US], ids=["in order", "ten minutes of disorder"])
def test_the_same_facts_cut_into_bundles_in_20_ways_give_the_same_ledgers(
    messages: list[Message], rules: Policy, decider: Decider, delay_us: int
) -> None:
    came = disordered(messages, 2, delay_us)
    first = Job(rules, decider)
    first.run(came)

    for seed in range(20):
        other = Job(rules, decider)
        other.run(*cut(came, seed))
        for one, same in zip(first.rows(), other.rows(), strict=True):
            assert_close(one, same)


def test_facts_that_come_in_order_give_the_same_alerts_cut_into_bundles_in_20_ways(
    messages: list[Message], rules: Policy, decider: Decider
) -> None:
    ours = [message for message in messages if message.topic != TOY.topic]
    whole = Job(rules, decider, STREAMS).run(ours)
    stopped = [json.loads(alert) for alert in whole if b"MEASURE_IN_FORCE" in alert]

    assert len(stopped) > 5
    for seed in range(20):
        assert Job(rules, decider, STREAMS).run(*cut(ours, seed)) == whole


@pytest.mark.usefixtures("stored", "seen")
def test_every_leg_of_facts_in_order_is_known_as_in_training_however_cut(
    stream: Stream, messages: list[Message], rules: Policy, decider: Decider, seen: list[tuple[bool, Legs]]
) -> None:
    Job(rules, decider).run(*cut(messages, 3))

    assert_parity(seen, offline(stream, messages))


@pytest.mark.usefixtures("stored", "seen")
def test_a_ledger_of_facts_ten_minutes_out_of_order_ends_as_in_training(
    messages: list[Message], rules: Policy, decider: Decider
) -> None:
    sorted_job, disordered_job = Job(rules, decider), Job(rules, decider)
    sorted_job.run(messages)
    disordered_job.run(*cut(disordered(messages, 4, 10 * MINUTE_US), 4))

    for one, same in zip(sorted_job.rows(), disordered_job.rows(), strict=True):
        assert_close(one, same)


@pytest.mark.usefixtures("stored", "seen")
def test_a_debit_before_its_measure_began_is_not_stopped_though_both_are_of_one_bundle(
    stream: Stream, rules: Policy, decider: Decider, seen: list[tuple[bool, Legs]]
) -> None:
    row = stream.rows[0]
    account, at_us = token_text(row["debtor_account"]), int(row["at_us"])
    payment = Message("payments", stream.values[0], at_us, 0)
    for begins, kept in ((at_us - 1, NOTHING_LEAVES), (at_us, NOTHING_LEAVES), (at_us + 1, 0)):
        measure = Message("measures", journal(account, 1, begins, receive_only=True), begins, 0)
        Job(rules, decider).run([measure, payment])
        (debit,) = [legs for credit, legs in seen if not credit]
        assert debit.account["enforced_minor"].tolist() == [kept]
        seen.clear()


@pytest.mark.usefixtures("stored", "seen")
def test_a_debit_that_comes_after_its_measure_was_lifted_is_judged_by_what_was_in_force_at_its_time(
    stream: Stream, rules: Policy, decider: Decider, seen: list[tuple[bool, Legs]]
) -> None:
    row = stream.rows[0]
    account, at_us = token_text(row["debtor_account"]), int(row["at_us"])
    stop = Message("measures", journal(account, 1, at_us - 5, receive_only=True), at_us - 5, 0)
    lift = Message("measures", journal(account, 2, at_us + 5), at_us + 5, 1)
    Job(rules, decider).run([lift], [stop], [Message("payments", stream.values[0], at_us, 0)])

    (debit,) = [legs for credit, legs in seen if not credit]
    assert debit.account["enforced_minor"].tolist() == [NOTHING_LEAVES]


@pytest.mark.usefixtures("stored", "seen")
def test_facts_that_come_over_ten_minutes_late_are_counted_and_shown(
    stream: Stream, rules: Policy, decider: Decider
) -> None:
    before = TELEMETRY.counts().get("late", 0)
    first, last = stream.rows[0], stream.rows[PAYMENTS - 1]
    assert last["at_us"] - first["at_us"] > 10 * MINUTE_US
    late = stream.values[0].replace(b'"txn_id":"', b'"txn_id":"again-')
    newer = late.replace(b'"accepted_at_us":%d' % first["at_us"], b'"accepted_at_us":%d' % last["at_us"])
    job = Job(rules, decider)
    job.run([Message("payments", newer, int(last["at_us"]), 0)])
    job.run([Message("payments", late, int(first["at_us"]), 1)])

    assert TELEMETRY.counts()["late"] - before == 3  # its payer, and both its accounts
    assert "3 late" in status_line(0.0, {"decided": 1, "late": 3}, Latency(np.nan, np.nan, np.nan))
