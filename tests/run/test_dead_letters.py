"""A stream of refusals is seen: on the status line, in JSON, in the log, and by `stopline dead-letters`."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import closing

import apache_beam as beam
import msgspec
import pytest
from typer.testing import CliRunner

from console.cli import app
from console.lab import letters
from console.lab.replaying import job_settings
from console.status import CASEWORK, LEGAL, MAIN, VICTIMS, Status, reporting, status_line
from models import SHIPPED
from pipelines.in_process.runner import in_process
from pipelines.jobs import main
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, open_admin, open_producer
from pipelines.kafka.reading import process
from pipelines.kafka.reading.bounded import ReadChunksBounded
from pipelines.streams.table import topics_read
from pipelines.telemetry import KINDS_SAID, TELEMETRY, Latency, Telemetry
from schemas import topics
from schemas.dead_letter import dead_letter
from schemas.errors import ConfigError
from schemas.payment import Payment

NOW = 1_790_000_000_000_000
NAN = float("nan")


def pounds(number: int) -> bytes:
    return msgspec.json.encode(
        Payment(
            txn_id=f"t{number}", accepted_at_us=NOW, amount_minor=100, currency="GBP", debtor="c" * 25 + "a",
            debtor_account="a" * 26, creditor_account="b" * 25 + "a",
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def refused() -> Iterator[KafkaSettings]:
    """A broker on which the default policy, which has no pound, refused three payments of four messages."""
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        with closing(open_admin(settings)) as admin:
            admin.create_topics(main.wanted_topics(2))
        producer = open_producer(settings)
        for number in range(3):
            producer.send(topics.PAYMENTS, b"k", pounds(number), (), NOW)
        producer.send(topics.PAYMENTS, b"k", b"no payment", (), NOW)
        producer.flush()
        job = job_settings(settings, "--model_bundle", str(SHIPPED))
        with beam.Pipeline(runner=in_process()) as pipeline:
            chunks = pipeline | "Read" >> ReadChunksBounded(settings, *topics_read())
            main.write(main.build(chunks, job), job)
        yield settings
        process.close_connections()


def stopline(settings: KafkaSettings, *words: str) -> str:
    result = CliRunner().invoke(app, ["dead-letters", *words, "--kafka_brokers", settings.brokers])
    assert result.exit_code == 0, result.output
    return result.output


def test_letters_are_counted_by_topic_and_reason_with_what_to_do(refused: KafkaSettings) -> None:
    said = stopline(refused, "list")

    assert "UNKNOWN_CURRENCY" in said and "NOT_JSON" in said
    found = letters.chosen(refused, code="UNKNOWN_CURRENCY")
    assert len(found) == 3
    assert letters.chosen(refused, topic="measures") == []


def test_a_letter_is_shown_by_its_id_and_by_its_place(refused: KafkaSettings) -> None:
    (letter,) = letters.chosen(refused, code="NOT_JSON")

    for name in (letter.dead_letter_id, letters.place_of(letter)):
        said = stopline(refused, "show", name)
        assert "no payment" in said and letter.hint in said and letters.place_of(letter) in said
    with pytest.raises(ConfigError, match="no dead letter 'dead_x'; see those there are with"):
        letters.one(refused, "dead_x")


def test_letters_are_sent_again_as_they_were_to_the_partition_they_were_in(refused: KafkaSettings) -> None:
    (first, *_) = letters.chosen(refused, code="UNKNOWN_CURRENCY")
    places = [(topics.PAYMENTS, number) for number in range(2)]
    with closing(open_admin(refused)) as admin:
        before = admin.end_offsets(places)
        assert "3 messages sent again" in stopline(refused, "send-again", "--code", "UNKNOWN_CURRENCY")
        after = admin.end_offsets(places)

    grew = {at: after[at] - before[at] for at in places}
    assert grew == {at: 3 if at[1] == first.partition else 0 for at in places}


@pytest.mark.slow
def test_of_a_letter_that_was_cut_the_whole_message_is_read_at_its_place(refused: KafkaSettings) -> None:
    (letter,) = letters.chosen(refused, code="NOT_JSON")

    assert letters.whole_value(refused, msgspec.structs.replace(letter, value=b"no")) == b"no payment"
    gone = msgspec.structs.replace(letter, value=b"no", offset=letter.offset + 1_000)
    with pytest.raises(ConfigError, match="is no longer in its topic"):
        letters.whole_value(refused, gone)


def test_the_status_line_of_nothing_but_refusals_says_so_by_reason() -> None:
    counts = {"read": 5, "refused": 5, "refused_UNKNOWN_CURRENCY": 4, "refused_INVALID": 1}
    said = status_line(0.0, counts, Latency(NAN, NAN, NAN))

    assert "0 decided" in said
    assert "REFUSED 5 (UNKNOWN_CURRENCY 4, INVALID 1)" in said


def test_what_became_of_payments_is_on_the_status_line() -> None:
    counts = {"decided": 9, "without_legal_ground": 2, "late": 3, "forgotten": 4, "braked": 5}
    said = status_line(0.0, counts, Latency(NAN, NAN, NAN))

    assert "NO LEGAL GROUND 2  3 late  4 forgotten  BRAKED 5" in said


def test_the_json_status_has_every_count_from_the_start(capfd: pytest.CaptureFixture[str]) -> None:
    with reporting("json", MAIN):
        while not (said := capfd.readouterr().out):
            time.sleep(0.05)

    told = json.loads(said.splitlines()[0]).keys()
    assert {"read", "refused", "decided", "without_legal_ground", "braked", "late", "forgotten"} <= told


@pytest.mark.parametrize("status", [LEGAL, CASEWORK, VICTIMS])
def test_every_job_says_what_it_read_did_and_refused(status: Status) -> None:
    counts = {"read": 3, "reports_read": 3, status.always[0]: 2, "refused": 1, "refused_INVALID": 1}
    said = status.line(0.0, counts, Latency(NAN, NAN, NAN))

    assert "reports 3" in said and "  2 " in said and "REFUSED 1 (INVALID 1)" in said


def test_what_happened_in_the_last_second_is_told_when_the_job_ends(
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = TELEMETRY.counts().get("parked", 0)
    with reporting("line", LEGAL):
        TELEMETRY.count("parked", 7)

    assert f"PARKED {before + 7}" in capfd.readouterr().out


def test_the_first_refusal_of_a_reason_is_said_at_once_with_its_hint(
    caplog: pytest.LogCaptureFixture,
) -> None:
    telemetry = Telemetry()
    with caplog.at_level(logging.WARNING):
        for offset, (topic, code, field) in enumerate(
            (
                ("payments", "INVALID", "amount_minor"),
                ("payments", "INVALID", "amount_minor"),
                ("payments", "INVALID", "debtor"),
                ("reports", "INVALID", "debtor"),
                ("payments", "FUTURE", "accepted_at_us"),
            )
        ):
            telemetry.refused(
                dead_letter(
                    topic, 1, offset, timestamp_us=0, stage="decode", error_code=code,  # type: ignore[arg-type]
                    message=f"Expected int - at `$.{field}`", value=b"{}",
                )
            )  # fmt: skip
        telemetry.count("without_legal_ground", 2)
        telemetry.count("without_legal_ground", 1)

    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 5
    assert (
        "payments[1]@0" in said[0] and "$.amount_minor" in said[0] and "stopline dead-letters show" in said[0]
    )
    assert "`$.debtor`" in said[1] and "reports[1]@3" in said[2]
    assert "FUTURE" in said[3] and "check unit (microseconds)" in said[3]
    assert "the law of its day gives no ground" in said[4]
    assert (telemetry.counts()["refused"], telemetry.counts()["refused_INVALID"]) == (5, 4)


def test_of_a_topic_that_breaks_in_endless_ways_only_so_many_kinds_are_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    telemetry = Telemetry()
    for number in range(100):
        telemetry.refused(
            dead_letter(
                "payments", 0, number, timestamp_us=0, stage="decode", error_code="INVALID",
                message=f"Unknown - at `$.field_{chr(97 + number % 26)}{number // 26 * 'x'}`", value=b"{}",
            )
        )  # fmt: skip

    assert len(caplog.records) == KINDS_SAID and telemetry.counts()["refused"] == 100
