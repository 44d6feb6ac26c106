"""Measures in force meet debits in the hot path."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import msgspec
import numpy as np
import pytest

from models.ledgers.accounts import ACCOUNTS
from models.ledgers.enforcement import ENFORCEMENT, NOTHING_LEAVES
from models.ledgers.table import Table
from pipelines.in_process.runner import in_process
from pipelines.jobs.main import build, write
from pipelines.jobs.options import JobSettings
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import Chunk, KafkaSettings, NewTopic, open_admin, open_producer
from pipelines.kafka.reading import process
from pipelines.kafka.reading.bounded import ReadChunksBounded
from pipelines.kafka.seal import read_seal
from pipelines.policy import USUAL_CLOCK
from pipelines.streams.clock import window
from pipelines.streams.measures import enforcements
from pipelines.streams.sealed import opened
from pipelines.streams.table import topics_needed, topics_read
from schemas import token_keys, topics
from schemas.contract import VERSION_MAX
from schemas.dead_letter import DeadLetter
from schemas.journal import EnforcementChanged, JournalEntry
from schemas.payment import Payment
from schemas.rows.tokens import token_text, token_words
from schemas.rows.values import Values
from tests.hotpath.conftest import taken

HOUR_US = 3_600_000_000
NOW = 1_790_000_000_000_000
ACCOUNT, PAYEE, PARTY = "a" * 26, "b" * 25 + "a", "c" * 25 + "a"


def journal(version: int, after_us: int = 0, **stated: Any) -> bytes:
    at_us = NOW + after_us
    event = EnforcementChanged(
        event_id=f"v{version}", account_token=ACCOUNT, at_us=at_us, version=version, **stated
    )
    return msgspec.json.encode(
        JournalEntry(
            entry_id=f"e{version}",
            account_token=ACCOUNT,
            jurisdiction="CN",
            version=version,
            at_us=at_us,
            command="test",
            events=(event,),
        )
    )


def debit(number: int, after_us: int = 0, balance_after_minor: int = 900_000) -> bytes:
    return msgspec.json.encode(
        Payment(
            txn_id=f"t{number}",
            accepted_at_us=NOW + after_us,
            amount_minor=100_000,
            currency="CNY",
            debtor=PARTY,
            debtor_account=ACCOUNT,
            creditor_account=PAYEE,
            balance_after_minor=balance_after_minor,
        )
    )


def chunk(topic: str, *values: bytes) -> Chunk:
    count = len(values)
    return Chunk(
        topic, Values.of(values), np.zeros(count, np.int32), np.arange(count), np.full(count, NOW, np.int64)
    )


def stated(given: Chunk) -> tuple[np.ndarray, list[DeadLetter]]:
    return enforcements(given, window(given, USUAL_CLOCK, None))


@pytest.fixture
def alerts_of(job: JobSettings) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """Send journal entries, then payments, and run the main job: the alerts of measures in force."""
    with EmbeddedBroker() as broker:
        kafka = KafkaSettings(broker.address)
        with closing(open_admin(kafka)) as admin:
            admin.create_topics([NewTopic(name, 1) for name in topics_needed()])

        def run(journals: list[bytes], payments: list[bytes], seal_key: str = "") -> list[dict[str, Any]]:
            settings = replace(job, kafka=replace(kafka, seal_key=seal_key))
            producer = open_producer(kafka)
            for value in journals:
                producer.send(topics.MEASURES, b"k", value, (), NOW)
            for value in payments:
                producer.send(topics.PAYMENTS, b"k", value, (), NOW + 2 * HOUR_US)
            producer.flush()
            with beam.Pipeline(runner=in_process()) as pipeline:
                chunks = pipeline | "Read" >> ReadChunksBounded(
                    kafka, *topics_read(), chunk_rows=len(journals)
                )
                write(build(chunks, settings), settings)
            with closing(open_admin(kafka)) as admin:
                end = admin.end_offsets([(topics.ALERTS, 0)])[topics.ALERTS, 0]
            sent = [msgspec.json.decode(each.value) for each in taken(kafka, topics.ALERTS, 0, 0, end)]
            return [
                alert for alert in sent if alert["reasons"][0]["code"] in ("MEASURE_IN_FORCE", "AMOUNT_KEPT")
            ]

        yield run
        process.close_connections()


def test_a_debit_of_a_stopped_account_is_a_stop_alert_that_names_no_orderer_of_its_own(
    alerts_of: Any,
) -> None:
    (alert,) = alerts_of([journal(1, receive_only=True)], [debit(1)])

    assert (alert["outcome"], alert["leg"], alert["account_token"]) == ("STOP", "DEBIT", ACCOUNT)
    assert (alert["measure_rule"], alert["notice"]["reason_code"]) == ("stop", "MEASURE_IN_FORCE")
    assert alert["notice"]["legal_basis"] == "以生效措施的通知书所载为准"
    assert alert["notice"]["remedy_channel"].startswith("该措施的通知书载明由谁决定")


def test_a_frozen_amount_lets_debits_through_until_less_than_it_would_stay(alerts_of: Any) -> None:
    (alert,) = alerts_of(
        [journal(1, limit_minor=500_000)],
        [debit(1, balance_after_minor=500_000), debit(2, 1, balance_after_minor=499_999)],
    )

    assert (alert["txn_id"], alert["notice"]["reason_code"]) == ("t2", "MEASURE_IN_FORCE")


def test_a_measure_that_ran_out_forbids_nothing(alerts_of: Any) -> None:
    ends = journal(1, receive_only=True, until_us=NOW + HOUR_US)

    found = alerts_of([ends], [debit(1, HOUR_US - 1), debit(2, HOUR_US)])

    assert [alert["txn_id"] for alert in found] == ["t1"]


def test_a_measure_that_was_lifted_forbids_nothing(alerts_of: Any) -> None:
    assert alerts_of([journal(1, receive_only=True), journal(2)], [debit(1)]) == []


def test_the_newest_statement_holds_whatever_the_order_they_come_in() -> None:
    rows, letters = stated(chunk("measures", journal(2), journal(1, receive_only=True)))
    table = Table.empty(ACCOUNTS.row)

    ACCOUNTS.fold(table, [rows])

    assert letters == []
    assert token_text(rows["key"][0]) == ACCOUNT
    assert table.filled["enforced_minor"][:, 0].tolist() == [0]
    assert table.filled["key"].tolist() == token_words([ACCOUNT]).tolist()


@pytest.mark.parametrize("version", [7, 10**6, VERSION_MAX, VERSION_MAX + 1, 2**53, 2**62])
def test_a_version_out_of_nowhere_hides_no_later_stop(version: int) -> None:
    forged, real = journal(version, -1), journal(5, receive_only=True)
    for order in ((forged, real), (real, forged)):
        rows, letters = stated(chunk("measures", *order))
        table = Table.empty(ACCOUNTS.row)

        ACCOUNTS.fold(table, [rows])

        assert table.filled["enforced_minor"][0, 0] == NOTHING_LEAVES
        assert [letter.error_code for letter in letters] == ["INVALID"] * (version > VERSION_MAX)


def test_a_forged_version_on_the_journal_lets_no_debit_of_a_stopped_account_pass(alerts_of: Any) -> None:
    forged = journal(VERSION_MAX - 1, -HOUR_US)

    (alert,) = alerts_of([forged, journal(5, -1, receive_only=True), journal(2**62, -1)], [debit(1, HOUR_US)])

    assert (alert["outcome"], alert["txn_id"]) == ("STOP", "t1")


@pytest.fixture
def seal_key(tmp_path: Path) -> str:
    file = tmp_path / "seal.json"
    token_keys.add(file, "first")
    return str(file)


def test_with_a_job_key_only_what_it_sealed_is_believed(seal_key: str) -> None:
    seal = read_seal(seal_key)
    assert seal is not None
    real = seal.sealed("measures", journal(5, receive_only=True))
    flipped = real.replace(b'"receive_only":true', b'"receive_only":false')
    elsewhere = seal.sealed("traces", journal(7))
    wrong = [journal(2**62), journal(6), flipped, real.replace(ACCOUNT.encode(), PAYEE.encode())]
    wrong += [elsewhere, real[:-1], b"", b"{}"]
    given = chunk("measures", *wrong[:4], real, *wrong[4:])

    believed, times, letters = opened(given, window(given, USUAL_CLOCK, None), seal)
    rows, unreadable = enforcements(believed, times)

    assert (rows["version"].tolist(), rows["limit_minor"].tolist()) == ([5], [NOTHING_LEAVES])
    assert [(letter.error_code, letter.offset) for letter in letters] == [
        ("UNSEALED", place) for place in (0, 1, 2, 3, 5, 6, 7, 8)
    ]
    assert unreadable == [] and all(letter.hint for letter in letters)


def test_with_a_job_key_a_forged_end_of_a_stop_is_a_dead_letter_and_the_debit_is_stopped(
    alerts_of: Any, seal_key: str
) -> None:
    seal = read_seal(seal_key)
    assert seal is not None
    journals = [seal.sealed("measures", journal(5, receive_only=True)), journal(6, 1), journal(2**62, 1)]

    (alert,) = alerts_of(journals, [debit(1, HOUR_US)], seal_key)

    assert (alert["outcome"], alert["txn_id"]) == ("STOP", "t1")


def test_measures_hold_on_more_accounts_than_the_table_had_room_for() -> None:
    rows = np.zeros(1_000, ENFORCEMENT)
    rows["key"] = np.random.default_rng(1).integers(0, 2**64, (1_000, 2), np.uint64)
    rows["limit_minor"] = np.arange(1, 1_001)
    table = Table.empty(ACCOUNTS.row)

    ACCOUNTS.fold(table, [rows])

    assert table.filled["enforced_minor"][:, 0].tolist() == list(range(1, 1_001))


@pytest.mark.parametrize("value", [b'{"type":"enforcement"', b"no journal", b"", b"{}"])
def test_a_journal_message_that_cannot_be_read_is_a_dead_letter(value: bytes) -> None:
    rows, letters = stated(chunk("measures", value))

    assert len(rows) == 0
    assert [(letter.topic, letter.offset) for letter in letters] == [("measures", 0)]


def test_a_statement_whose_numbers_do_not_fit_is_a_dead_letter() -> None:
    good = journal(1)
    huge = good.replace(b'"version":1', b'"version":' + b"9" * 30)
    rows, letters = stated(chunk("measures", huge, good))

    assert rows["version"].tolist() == [1]
    assert [letter.offset for letter in letters] == [0]
