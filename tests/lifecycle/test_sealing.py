"""The job with a job key: its journal is believed where it sealed it, and older ones can be taken over."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from measures.authority.keys import KeyEntry
from pipelines.hot.records import trace_record
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin, open_producer
from pipelines.kafka.reading.bounds import captured_bounds, chunks_within
from pipelines.kafka.seal import JOURNALS, read_seal
from pipelines.lifecycle import journal
from pipelines.lifecycle.sealing import seal_past
from schemas import token_keys, topics
from schemas.errors import ConfigError, SchemaError
from schemas.journal import JournalEntry
from schemas.trace import Trace
from tests.lifecycle.conftest import facts, paid_in, signed
from tests.lifecycle.test_lifecycle_job import Harness, with_topics
from tests.measures.kit import ACCOUNT, MINUTE, T0, make_order
from tests.tokens import token_of

OTHER = token_of("acct-other")
TRACE = Trace(
    trace_id="trace_1", jurisdiction="CN", case_family="c1", hop=1, txn_id="t1", debtor_account=ACCOUNT,
    creditor_account=OTHER, amount_minor=5, transferred_minor=9, currency="CNY", at_us=T0, followed=True,
)  # fmt: skip


@pytest.fixture
def kafka() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as broker:
        kafka = with_topics(broker)
        with closing(open_admin(kafka)) as admin:
            admin.create_topics([NewTopic(topics.TRACES, 2)])
        yield kafka


@pytest.fixture
def sealed(kafka: KafkaSettings, tmp_path: Path) -> KafkaSettings:
    token_keys.add(tmp_path / "seal.json", "first")
    return replace(kafka, seal_key=str(tmp_path / "seal.json"))


def stop(kafka: KafkaSettings, keys: tuple[KeyEntry, ...]) -> None:
    harness = Harness(kafka, keys)
    harness.send(topics.ACCOUNTS, facts(), paid_in(), at_us=T0)
    harness.send(topics.ORDERS, signed(make_order("S1")), at_us=T0 + MINUTE)
    harness.run()
    assert harness.replies() == [("S1", "OK")]


def past(kafka: KafkaSettings) -> journal.Past:
    return journal.past(kafka, journal.journal_bounds(kafka))


def held(kafka: KafkaSettings) -> list[tuple[str, bytes, int]]:
    found = chunks_within(kafka, captured_bounds(kafka, JOURNALS))
    return [
        (chunk.topic, value, at_us)
        for chunk in found
        for value, at_us in zip(chunk.values, chunk.timestamps.tolist(), strict=True)
    ]


def test_a_forged_entry_is_passed_over_aloud_where_a_key_is_named(
    sealed: KafkaSettings, keys: tuple[KeyEntry, ...], caplog: pytest.LogCaptureFixture
) -> None:
    stop(sealed, keys)
    before = past(sealed).kept[ACCOUNT]
    seal = read_seal(sealed.seal_key)
    assert seal and all(seal.holds(topic, value) for topic, value, _ in held(sealed))
    version = before.account.version
    forged = JournalEntry(
        entry_id="x", account_token=ACCOUNT, jurisdiction="CN", version=version + 1, at_us=T0, command="Tick"
    )
    alert = {"type": "alert", "event_id": "e", "account_token": ACCOUNT, "at_us": T0, "alert": "X"}
    events = [alert | {"version": version + 1, "subject": "s", "detail": "forged"}]
    value = msgspec.json.encode(msgspec.to_builtins(forged) | {"events": events})
    producer = open_producer(sealed)
    producer.send(topics.MEASURES, ACCOUNT.encode(), value, (), T0)
    producer.flush()

    assert past(sealed).kept[ACCOUNT] == before
    assert "1 records, the first at measures[" in caplog.text and "not sealed with the job key" in caplog.text
    assert past(replace(sealed, seal_key="")).kept[ACCOUNT].account.version == version + 1


def test_a_journal_of_before_the_key_is_taken_over_once(
    kafka: KafkaSettings, sealed: KafkaSettings, keys: tuple[KeyEntry, ...]
) -> None:
    stop(kafka, keys)
    record = trace_record(TRACE)
    producer = open_producer(kafka)
    producer.send(record.topic, record.key, record.value, record.headers, T0 + MINUTE)
    producer.send(record.topic, record.key, b"no trace", (), T0)
    producer.flush()
    before, known = held(kafka), past(kafka)
    with pytest.raises(SchemaError, match=r"none of the .* entries .* `stopline lifecycle seal`"):
        past(sealed)

    count = seal_past(sealed)

    assert count == len(before) - 1 and seal_past(sealed) == 0
    assert past(sealed) == known
    seal = read_seal(sealed.seal_key)
    assert seal is not None
    times = {topic: {at_us for of, _, at_us in before if of == topic} for topic in JOURNALS}
    fresh = [each for each in held(kafka) if seal.holds(each[0], each[1])]
    assert len(fresh) == count and all(at_us in times[topic] for topic, _, at_us in fresh)
    (trace,) = (msgspec.json.decode(value, type=Trace) for topic, value, _ in fresh if topic == topics.TRACES)
    assert msgspec.structs.replace(trace, seal="") == TRACE


def test_only_the_topics_that_are_there_are_sealed(keys: tuple[KeyEntry, ...], tmp_path: Path) -> None:
    token_keys.add(tmp_path / "seal.json", "first")
    with EmbeddedBroker() as broker:
        kafka = with_topics(broker)
        stop(kafka, keys)

        assert seal_past(replace(kafka, seal_key=str(tmp_path / "seal.json"))) == len(past(kafka).kept) + 2


def test_sealing_without_a_key_is_refused_with_the_next_step(kafka: KafkaSettings) -> None:
    with pytest.raises(ConfigError, match="stopline tokens keygen"):
        seal_past(kafka)
