"""The lifecycle job on a real broker: what goes in, what comes out, and what a restart knows."""

import re
from contextlib import closing
from typing import Any

import apache_beam as beam
import msgspec
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from measures.authority.keys import KeyEntry
from measures.engine import intake
from pipelines.in_process import runner
from pipelines.jobs.lifecycle import build, write
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin, open_consumer, open_producer
from pipelines.kafka.reading.bounded import ReadChunksBounded
from pipelines.lifecycle import journal
from pipelines.lifecycle.settings import LifecycleSettings
from pipelines.lifecycle.steps import OpenFn
from pipelines.received import no_clock
from schemas import topics
from schemas.commands import DecideRefund, OpenRefund
from schemas.dead_letter import DeadLetter
from schemas.errors import SchemaError
from schemas.ids import derived_id
from schemas.journal import JournalEntry
from schemas.measure import Claim, Refund
from schemas.order import Disbursement, Order, Target, key_of
from schemas.reply import ReplyCode
from tests.lifecycle.conftest import FORGER, chunk, facts, paid_in, signed, told
from tests.measures.kit import ACCOUNT, DAY, HOUR, MINUTE, PAID, T0, make_order
from tests.tokens import token_of

Keys = tuple[KeyEntry, ...]
OTHER, HOLED, MOVED, V1 = map(token_of, ("acct-other", "acct-hole", "acct-moved", "v1"))


@pytest.fixture
def kafka(broker: EmbeddedBroker) -> KafkaSettings:
    """The broker all tests of this module write to, one after the other."""
    return with_topics(broker)


def with_topics(broker: EmbeddedBroker) -> KafkaSettings:
    """Create the job's topics."""
    settings = KafkaSettings(broker.address, client="confluent")
    names = (*topics.LIFECYCLE_READ, *topics.LIFECYCLE_WRITTEN)
    with closing(open_admin(settings)) as admin:
        admin.create_topics([NewTopic(name, 2) for name in names])
    return settings


class Harness:
    """Sends messages, runs the job over what is new, and reads what it wrote."""

    def __init__(self, kafka: KafkaSettings, keys: Keys) -> None:
        self.kafka, self._keys = kafka, keys
        self._starts = self._ends()

    def send(self, topic: str, *messages: bytes, at_us: int, token: str = ACCOUNT) -> None:
        producer = open_producer(self.kafka)
        for index, value in enumerate(messages):
            producer.send(topic, token.encode(), value, (), at_us + index * 1000)
        producer.flush()

    def run(self, *, rebuilt: bool = False) -> None:
        """Run the job over everything in its topics; with `rebuilt` after the journal, else afresh."""
        bounds = journal.journal_bounds(self.kafka) if rebuilt else ()
        settings = LifecycleSettings(self.kafka, self._keys, journal=bounds, clock=no_clock)
        with beam.Pipeline(runner=runner.in_process(), options=PipelineOptions([])) as pipeline:
            read = ReadChunksBounded(self.kafka, *topics.LIFECYCLE_READ)
            write(build(pipeline | read, settings), settings)

    def read(self, topic: str, kind: Any) -> list[Any]:
        """Read what was written to a topic since this harness was set up, by partition and offset."""
        found = []
        for partition in range(2):
            start, end = self._starts[topic, partition], self._ends()[topic, partition]
            with closing(open_consumer(self.kafka, topic, partition, start)) as consumer:
                while consumer.position() < end:
                    chunk = consumer.poll(1000)
                    found += (
                        [msgspec.json.decode(value, type=kind) for value in chunk.values] if chunk else []
                    )
        return found

    def replies(self) -> list[tuple[str, str]]:
        entries = sorted(self.read(topics.MEASURES, JournalEntry), key=lambda entry: entry.at_us)
        return [(reply.order_no, str(reply.code)) for entry in entries for reply in entry.replies]

    def letters(self) -> list[str]:
        return sorted(letter.error_code for letter in self.read(topics.DEAD_LETTERS, DeadLetter))

    def _ends(self) -> dict[tuple[str, int], int]:
        names = (*topics.LIFECYCLE_READ, *topics.LIFECYCLE_WRITTEN)
        with closing(open_admin(self.kafka)) as admin:
            return admin.end_offsets([(name, partition) for name in names for partition in range(2)])


def test_orders_become_measures_and_everything_else_is_shown(kafka: KafkaSettings, keys: Keys) -> None:
    harness = Harness(kafka, keys)
    harness.send(topics.ACCOUNTS, facts(), paid_in(), b"{}", at_us=T0)
    harness.send(topics.ACCOUNTS, facts(OTHER), paid_in(OTHER, txn_id="t2"), at_us=T0, token=OTHER)
    stop = make_order("S1")
    elsewhere = Target(account_token=OTHER, institution_id="bank-1", name_token=token_of("name-1"))
    harness.send(
        topics.ORDERS,
        signed(stop),
        signed(make_order("S1", message_serial="m-2")),
        signed(make_order("S1", message_serial="m-3", reason="another reason")),
        signed(make_order("S2"), FORGER),
        b"not a signature",
        at_us=T0 + MINUTE,
    )
    taken = make_order("S1", message_serial="m-4", target=elsewhere)
    harness.send(topics.ORDERS, signed(taken), at_us=T0 + 2 * MINUTE, token=OTHER)
    harness.run()
    assert harness.replies() == [
        ("S1", "OK"),
        ("S1", "DUPLICATE"),
        ("S1", "CONFLICT"),
        ("S1", "CONFLICT"),
    ]
    assert harness.letters() == ["CONFLICT", "CONFLICT", "INVALID", "INVALID", "UNSIGNED"]


def test_a_replay_writes_the_same_journal_again(kafka: KafkaSettings, keys: Keys) -> None:
    written = []
    for _ in range(2):
        harness = Harness(kafka, keys)
        harness.run()
        entries = harness.read(topics.MEASURES, JournalEntry)
        written.append(sorted(entries, key=lambda entry: (entry.account_token, entry.version, entry.at_us)))
    assert written[0] == written[1] != []


def test_a_restart_knows_accounts_numbers_and_terms_from_the_journal(
    kafka: KafkaSettings, keys: Keys
) -> None:
    harness = Harness(kafka, keys)
    known = journal.past(kafka, journal.journal_bounds(kafka))
    assert key_of("police-1", "S1") in known.registered
    assert known.kept[ACCOUNT].account.live()[0].order_no == "S1"
    lift = make_order("L1", action="LIFT", original_order_no="S1", issued_at_us=T0 + HOUR)
    harness.send(topics.ORDERS, signed(lift), at_us=T0 + 2 * HOUR)
    harness.run(rebuilt=True)
    replies = harness.replies()
    assert replies[:4] == [("S1", "DUPLICATE")] * 2 + [("S1", "CONFLICT")] * 2
    assert replies[4:] == [("L1", "OK")]


def test_an_account_with_a_running_term_is_woken_after_a_restart(kafka: KafkaSettings, keys: Keys) -> None:
    harness = Harness(kafka, keys)
    harness.send(topics.ORDERS, signed(make_order("S9", issued_at_us=T0 + 3 * HOUR)), at_us=T0 + 3 * HOUR)
    harness.run(rebuilt=True)
    bounds = journal.journal_bounds(kafka)
    assert journal.wake(kafka, journal.past(kafka, bounds), T0 + 3 * DAY) >= 1
    again = Harness(kafka, keys)
    again.run(rebuilt=True)
    changed = again.read(topics.MEASURES, JournalEntry)
    assert "EXPIRED" in msgspec.json.encode([entry.events for entry in changed]).decode()


def test_a_journal_with_a_hole_stops_the_start_with_the_reason(kafka: KafkaSettings, keys: Keys) -> None:
    harness = Harness(kafka, keys)
    entry = JournalEntry(
        entry_id="e",
        account_token=HOLED,
        jurisdiction="CN",
        version=0,
        at_us=T0,
        command="Tick",
    )
    holed = msgspec.to_builtins(entry)
    event = {
        "type": "alert",
        "event_id": "e",
        "account_token": HOLED,
        "version": 7,
        "at_us": T0,
    }
    holed["events"] = [event | {"alert": "X", "subject": "s", "detail": ""}]
    harness.send(topics.MEASURES, msgspec.json.encode(holed), at_us=T0, token=HOLED)
    with pytest.raises(SchemaError, match="jumps from version 0 to 7"):
        journal.past(kafka, journal.journal_bounds(kafka))


def test_an_account_whose_key_moved_when_measures_grew_is_read_by_version(
    keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    """Its newer entries lie in a partition that is read first; foreign records are passed over."""
    entry = JournalEntry(
        entry_id="e", account_token=MOVED, jurisdiction="CN", version=0, at_us=T0, command="Tick"
    )
    alert = {"type": "alert", "event_id": "e", "account_token": MOVED, "at_us": T0, "alert": "X"}

    def written(*versions: int) -> bytes:
        events = [alert | {"version": version, "subject": "s", "detail": ""} for version in versions]
        return msgspec.json.encode(msgspec.to_builtins(entry) | {"events": events, "version": versions[-1]})

    with EmbeddedBroker() as broker:
        kafka = with_topics(broker)
        producer = open_producer(kafka)
        for value, partition in (
            (written(4), 0),
            (written(3), 0),
            (None, 0),
            (b"[[[", 1),
            (written(1, 2), 1),
        ):
            producer.send(topics.MEASURES, MOVED.encode(), value, (), T0, partition=partition)
        producer.flush()

        known = journal.past(kafka, journal.journal_bounds(kafka))

    assert known.kept[MOVED].account.version == 4
    assert "2 records, the first at measures[0]@2, are no journal entries" in caplog.text


def test_frozen_money_goes_back_and_every_step_is_on_topic_refunds(keys: Keys) -> None:
    with EmbeddedBroker() as broker:
        give_the_money_back(Harness(with_topics(broker), keys))


def give_the_money_back(harness: Harness) -> None:
    harness.send(topics.ACCOUNTS, facts(), paid_in(), at_us=T0)
    harness.send(topics.ORDERS, signed(make_order("F1", "FREEZE")), at_us=T0 + MINUTE)
    freeze_id = derived_id("measure", key_of("police-1", "F1"), ACCOUNT)
    refund_id = derived_id("refund", freeze_id, 1)
    claims = (Claim(victim_id=V1, loss_minor=PAID),)
    opening = OpenRefund(freeze_id=freeze_id, round_no=1, claims=claims, senders={"victim-txn": V1})
    decision = DecideRefund(refund_id=refund_id, decision_no="dec-1", by=("a", "b"), reason="verified")
    harness.send(topics.ACCOUNTS, told(opening), told(decision), at_us=T0 + 2 * MINUTE)
    share = Disbursement(victim_id=V1, decision_no="dec-1", amount_minor=PAID)
    pay: Order = make_order("D1", "FREEZE", "DISBURSE", original_order_no="F1", disbursement=share)
    harness.send(topics.ORDERS, signed(pay), at_us=T0 + 3 * MINUTE)
    harness.run()
    rounds = harness.read(topics.REFUNDS, Refund)
    assert [(on.method, on.state.value, on.paid_minor) for on in rounds] == [
        ("DIRECT", "COMPUTED", 0),
        ("DIRECT", "DECIDED", 0),
        ("DIRECT", "DISPATCHED", 0),
        ("DIRECT", "CLOSED", PAID),
    ]
    assert harness.replies() == [("F1", str(ReplyCode.OK)), ("D1", str(ReplyCode.OK))]


def test_a_fault_of_the_engine_sets_the_message_aside_and_the_rest_goes_on(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = intake.apply

    def failing(kept: Any, arrival: Any, *rest: Any) -> Any:
        if arrival.account_token == OTHER:
            raise ZeroDivisionError("by a fault")
        return apply(kept, arrival, *rest)

    with EmbeddedBroker() as broker:
        harness = Harness(with_topics(broker), keys)
        harness.send(topics.ACCOUNTS, facts(OTHER), at_us=T0, token=OTHER)
        harness.send(topics.ACCOUNTS, facts(), paid_in(), at_us=T0)
        harness.send(topics.ORDERS, signed(make_order("S1")), at_us=T0 + MINUTE)
        monkeypatch.setattr(intake, "apply", failing)
        harness.run()
        (letter,) = harness.read(topics.DEAD_LETTERS, DeadLetter)
        assert letter.error_code == "FAULT"
        assert re.fullmatch(r"ZeroDivisionError at test_lifecycle_job\.py:\d+", letter.message)
        assert letter.value == facts(OTHER)
        assert harness.replies() == [("S1", "OK")]


@pytest.mark.parametrize("received_us", [0, -1, 2**62])
def test_a_time_of_receipt_that_cannot_be_is_refused(received_us: int, keys: Keys) -> None:
    opening = OpenFn(LifecycleSettings(KafkaSettings("none:1"), keys, clock=no_clock))
    opening.setup()
    (refused,) = opening.process(chunk(topics.ACCOUNTS, (facts(), received_us)))
    letter = msgspec.json.decode(refused.value.value, type=DeadLetter)
    assert (refused.tag, letter.error_code) == ("unreadable", "FUTURE")


def test_a_dead_letter_quotes_no_value_of_the_message(keys: Keys) -> None:
    opening = OpenFn(LifecycleSettings(KafkaSettings("none:1"), keys, clock=no_clock))
    opening.setup()
    message = facts().replace(b'"StateFacts"', b'"a secret"').replace(b'"CN"', b'"PII"')
    (refused,) = opening.process(chunk(topics.ACCOUNTS, (message, T0)))
    letter = msgspec.json.decode(refused.value.value, type=DeadLetter)
    assert letter.error_code == "INVALID" and "secret" not in letter.message and "PII" not in letter.message
