"""Tainted money in the main job: orders and traces come in through Kafka, traces go out and come back."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import apache_beam as beam
import msgspec
import numpy as np
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from measures.money.taint import TaintedMove
from models.ledgers.table import Table
from pipelines.hot.decode import by_keys
from pipelines.hot.tracer import Tracer
from pipelines.in_process.runner import in_process
from pipelines.jobs.main import build, write
from pipelines.jobs.options import JobSettings
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import Chunk, KafkaSettings, NewTopic, open_admin, open_consumer, open_producer
from pipelines.kafka.reading import process
from pipelines.kafka.reading.bounds import captured_bounds
from pipelines.kafka.reading.together import ReadChunks
from pipelines.kafka.seal import read_seal
from pipelines.policy import ClockPolicy, Policy, TracingPolicy, load
from pipelines.state.shard_state import Tables
from pipelines.state.store import BeamStore
from pipelines.streams.clock import window
from pipelines.streams.moves import KEYS, MOVE, TAINT, note, rows_of
from pipelines.streams.table import STREAMS, topics_needed, topics_of_taint, topics_read
from pipelines.telemetry import TELEMETRY
from schemas import token_keys, topics
from schemas.dead_letter import DeadLetter
from schemas.journal import JournalEntry, MeasureChanged
from schemas.payment import Payment
from schemas.rows.values import Values
from schemas.trace import HOP_MAX, Trace
from tests.hotpath.states import Shard
from tests.measures.kit import ACCOUNT, PAID, T0, defrauded, entry_of, make_order
from tests.payments import transfers
from tests.tokens import token_of

SECOND = 1_000_000
PARTITIONS = 2


def token(name: str) -> str:
    return name.ljust(25, "x") + "a"


VICTIM, M0, M1, POOL, WALLET, M4 = map(token, ("victim", "mule", "next", "pool", "wallet", "last"))


def payment(number: int, debtor: str, creditor: str, amount: int, **known: Any) -> bytes:
    return msgspec.json.encode(
        Payment(
            txn_id=f"t{number}",
            accepted_at_us=T0 + number * SECOND,
            amount_minor=amount,
            currency="CNY",
            debtor=token("p" + debtor[:10]),
            debtor_account=debtor,
            creditor_account=creditor,
            **{"balance_after_minor": 0, **known},
        )
    )


def stopped() -> bytes:
    """The journal entry of a stop on the first account, for PAID of the victim's money."""
    bench = defrauded()
    bench.order(make_order("S1"), T0 + 10 * SECOND)
    told = msgspec.json.encode(entry_of(bench))
    return told.replace(ACCOUNT.encode(), M0.encode()).replace(
        token_of("acct-victim").encode(), VICTIM.encode()
    )


#: The victim pays, and the money goes on through a bank, a wallet's pooled account and a wallet.
CHAIN = [
    payment(0, VICTIM, M0, PAID),
    payment(1, M0, M1, PAID - 200_000, balance_after_minor=200_000),
    payment(2, M1, token("shop"), 50_000, balance_after_minor=PAID - 150_000),
    payment(3, M1, POOL, PAID - 250_000, clearing_serial="cs-1"),
    payment(4, POOL, token("other"), 900_000, clearing_serial="cs-2", balance_after_minor=10**9),
    payment(5, POOL, WALLET, PAID - 250_000, clearing_serial="cs-1", balance_after_minor=10**9),
    payment(6, WALLET, M4, 3_000_000, balance_after_minor=PAID - 3_250_000),
]

#: creditor: (amount, hop, followed, serial)
EXPECTED = {
    M1: (PAID - 200_000, 1, True, ""),
    POOL: (PAID - 250_000, 2, True, "cs-1"),
    WALLET: (PAID - 250_000, 3, True, "cs-1"),
    M4: (3_000_000, 4, False, ""),
}


class StopFn(beam.DoFn):
    """Ends the endless pipeline by failing at the next chunk once `told`."""

    told: ClassVar[threading.Event] = threading.Event()

    def process(self, _: Chunk) -> None:
        if StopFn.told.is_set():
            raise RuntimeError("told to stop")


class Outside:
    """Sends messages, reads topic `traces`, and runs the main job meanwhile."""

    def __init__(self, kafka: KafkaSettings, settings: JobSettings) -> None:
        self.kafka, self.settings = kafka, settings
        self.raw: list[bytes] = []
        self._consumers = [open_consumer(kafka, topics.TRACES, number, 0) for number in range(PARTITIONS)]

    def send(self, topic: str, *values: bytes) -> None:
        producer, seal = open_producer(self.kafka), read_seal(self.kafka.seal_key)
        for value in values:
            key = msgspec.json.decode(value).get("debtor_account", "k").encode()
            sent = seal.sealed(topic, value) if seal and topic == topics.MEASURES else value
            producer.send(topic, key, sent, (), time.time_ns() // 1000)
        producer.flush()

    def paid(self, *values: bytes) -> None:
        """Send payments and wait until they are decided."""
        before = TELEMETRY.counts().get("decided", 0)
        self.send(topics.PAYMENTS, *values)
        self.wait(lambda: TELEMETRY.counts().get("decided", 0) >= before + len(values))

    def traces(self, least: int) -> list[Trace]:
        """Wait until at least so many are there, and a little longer; gives all."""
        self.wait(lambda: self._read() >= least)
        time.sleep(0.5)
        self._read()
        return [msgspec.json.decode(value, type=Trace) for value in self.raw]

    def close(self) -> None:
        for each in self._consumers:
            each.close()

    def wait(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not done():
            assert time.monotonic() < deadline, f"{len(self.raw)} traces, {TELEMETRY.counts()}"
            time.sleep(0.02)

    def _read(self) -> int:
        for each in self._consumers:
            while chunk := each.poll(100):
                self.raw += chunk.values
        return len(self.raw)

    @contextmanager
    def job(self) -> Iterator[None]:
        """Run the job as `stopline run` does; it ends with the block."""
        bounds = captured_bounds(self.kafka, topics_of_taint())
        settings = replace(self.settings, start="committed", traced=bounds)
        StopFn.told.clear()

        def run() -> None:
            pipeline = beam.Pipeline(runner=in_process(), options=PipelineOptions(streaming=True))
            chunks = pipeline | "Read" >> ReadChunks(self.kafka, *topics_read(), start=settings.first)
            _ = chunks | "Stop" >> beam.ParDo(StopFn())
            write(build(chunks, settings), settings)
            with suppress(RuntimeError):
                pipeline.run().wait_until_finish()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            process.broker_line(self.kafka).exchange()
            StopFn.told.set()
            self.send(topics.MEASURES, b"{}")
            thread.join(20)
        assert not thread.is_alive()


@pytest.mark.parametrize("seal", ["", "seal.json"])
def test_a_chain_is_traced_through_kafka_and_neither_duplicates_nor_a_restart_double_it(
    job: JobSettings, rules: Policy, tmp_path: Path, seal: str
) -> None:
    if seal:
        token_keys.add(tmp_path / seal, "first")
    with EmbeddedBroker() as broker:
        kafka = KafkaSettings(broker.address, group="taint", seal_key=seal and str(tmp_path / seal))
        with closing(open_admin(kafka)) as admin:
            admin.create_topics([NewTopic(name, PARTITIONS) for name in topics_needed()])
        policy = replace(
            rules, tracing=TracingPolicy(pooled=frozenset({POOL})), clock=ClockPolicy(past_days=3_650)
        )
        outside = Outside(kafka, replace(job, kafka=kafka, policy=policy))
        with outside.job():
            outside.paid(*CHAIN)
            outside.send(topics.MEASURES, stopped())
            first = outside.traces(len(EXPECTED))
            outside.send(topics.MEASURES, stopped())
            outside.send(topics.TRACES, *outside.raw[:2])
            outside.paid(*CHAIN)
            outside.paid(payment(20, M0, token("late"), 200_000))
            again = outside.traces(len(first) + 2)
        with outside.job():
            outside.paid(payment(30, WALLET, token("rest"), PAID - 3_250_000), *CHAIN)
            after = outside.traces(len(again) + 1)
        outside.close()
        process.close_connections()

    found = {t.creditor_account: (t.amount_minor, t.hop, t.followed, t.clearing_serial) for t in first}
    assert found == EXPECTED
    assert len(first) == len(EXPECTED)
    assert again[:2] == first[:2]
    assert sorted(again[len(first) :], key=str) == sorted(first[:2], key=str)
    (rest,) = after[len(again) :]
    assert (rest.creditor_account, rest.amount_minor) == (token("rest"), PAID - 3_250_000)
    assert {bool(t.seal) for t in after} == {bool(seal)}
    assert {(t.case_family, t.currency, t.jurisdiction) for t in after} == {("family-1", "CNY", "CN")}


def chunk(topic: str, *values: bytes) -> Chunk:
    count = len(values)
    return Chunk(
        topic, Values.of(values), np.zeros(count, np.int32), np.arange(count), np.full(count, T0, np.int64)
    )


def moved(given: Chunk) -> tuple[np.ndarray, list[DeadLetter]]:
    """What a chunk tells of tainted money, and its letters."""
    stream = {each.topic: each for each in STREAMS}[given.topic]
    decoded = stream.decode(given, load(), window(given, ClockPolicy(past_days=3_650), None))
    return next(rows for rows in decoded.facts if rows.dtype == MOVE), decoded.letters


def test_what_cannot_be_read_of_tainted_money_is_a_dead_letter() -> None:
    rows, letters = moved(chunk(topics.TRACES, b'{"trace_id": 1}'))
    assert len(rows) == 0
    assert [(letter.topic, letter.error_code) for letter in letters] == [("traces", "INVALID")]

    rows, letters = moved(chunk(topics.MEASURES, b'{"type":"measure"', b"{}", stopped()))
    assert [letter.offset for letter in letters] == [0, 1]
    assert rows["stated"].tolist() == [True]


@pytest.mark.parametrize(
    "wrong",
    [
        {"trace_id": "trace_1"},
        {"currency": "€€€"},
        {"case_family": "🂡" * 64},
        {"debtor_account": "a"},
        {"hop": 2**31 - 1},
    ],
)
def test_a_trace_with_a_field_that_does_not_fit_is_a_dead_letter(wrong: dict[str, Any]) -> None:
    good = Trace(
        trace_id=f"trace_{token('t')}", jurisdiction="CN", case_family="family-1", hop=1, txn_id="t1",
        debtor_account=token("a"), creditor_account=token("b"), amount_minor=1, transferred_minor=1,
        currency="CNY", at_us=T0, followed=True,
    )  # fmt: skip
    bad = msgspec.json.encode(msgspec.structs.replace(good, **wrong))
    rows, letters = moved(chunk(topics.TRACES, bad, msgspec.json.encode(good)))

    assert [(letter.offset, letter.error_code) for letter in letters] == [(0, "INVALID")]
    assert rows["case"].tolist() == [b"family-1"]


def test_a_trace_at_the_last_hop_is_read_and_followed_no_further() -> None:
    last = Trace(
        trace_id=f"trace_{token('t')}", jurisdiction="CN", case_family="family-1", hop=HOP_MAX, txn_id="t1",
        debtor_account=token("a"), creditor_account=token("b"), amount_minor=1, transferred_minor=1,
        currency="CNY", at_us=T0, followed=True,
    )  # fmt: skip
    rows, letters = moved(chunk(topics.TRACES, msgspec.json.encode(last)))

    assert (letters, rows["followed"].tolist()) == ([], [False])


def test_a_move_reaches_the_shards_of_both_its_accounts() -> None:
    pairs = [a + b for a in "abcdefgh" for b in "abcdefgh"]
    found = [TaintedMove(f"x_{token(a + b)}", "c", token(a), token(b), 1, "CNY", 0, 1) for a, b in pairs]
    rows = rows_of(found)

    parts: dict[int, np.ndarray] = {}
    for number, part in by_keys(rows, KEYS, 4):
        parts[number] = np.concatenate([parts.get(number, part[:0]), part])

    assert set(parts) <= set(range(4))
    assert sum(map(len, parts.values())) == sum(
        len({shard for shard, part in parts.items() if (part["key"] == row["key"]).all(axis=1).any()})
        for row in rows
    )
    assert len(np.unique(np.concatenate([part["key"] for part in parts.values()]), axis=0)) == len(rows)


def test_of_one_move_the_newest_statement_holds_and_of_two_traces_the_smaller() -> None:
    table = Table.empty(MOVE)
    one, other = token("one"), token("other")
    for amount, version in ((500, 2), (900, 1), (0, 3)):
        note(table, [rows_of([TaintedMove(f"x_{one}", "c", VICTIM, M0, amount, "CNY", 0, 0, True, version)])])
    for amount in (70, 60, 80):
        note(table, [rows_of([TaintedMove(f"x_{other}", "c", M0, M1, amount, "CNY", 0, 1)])])

    assert table.filled["amount_minor"].tolist() == [0, 60]


def test_a_version_out_of_nowhere_hides_no_later_statement_of_tainted_money() -> None:
    table, key = Table.empty(MOVE), token("one")
    for amount, version, stated_us in ((500, 2, 10), (0, 10**9, 11), (400, 3, 12)):
        move = TaintedMove(
            f"x_{key}", "c", VICTIM, M0, amount, "CNY", 0, 0, True, version, stated_us=stated_us
        )
        note(table, [rows_of([move])])

    assert table.filled["amount_minor"].tolist() == [400]


def test_a_statement_of_tainted_money_from_the_future_is_a_dead_letter() -> None:
    entry = msgspec.json.decode(stopped(), type=JournalEntry)
    ahead = tuple(
        msgspec.structs.replace(event, at_us=2**53)
        for event in entry.events
        if isinstance(event, MeasureChanged)
    )
    given = chunk(topics.MEASURES, msgspec.json.encode(msgspec.structs.replace(entry, events=ahead)))

    rows, letters = moved(given)

    assert (len(rows), [letter.error_code for letter in letters]) == (0, ["FUTURE"])


def test_bundles_that_fail_and_come_again_trace_the_same(rules: Policy) -> None:
    statement, _ = moved(chunk(topics.MEASURES, stopped()))
    rows, free = transfers(CHAIN[:4]), np.zeros(4, np.bool_)

    def run(failing: bool) -> list[bytes]:
        tracer, shard, sent = Tracer(rules, 1, KafkaSettings("none:1"), ()), Shard(), []
        for work in (
            lambda store: tracer.seen(0, rows[:2], free[:2], store),
            lambda store: tracer.heard(0, statement, store),
            lambda store: tracer.seen(0, rows[1:], free[1:], store),
        ):
            for attempt in range(1 + failing):
                with suppress(OSError), shard.bundle() as state:
                    store = opened(state)
                    records = work(store)
                    store.save()
                    if attempt < failing:
                        raise OSError
            sent += [record.value for record in records]
        return sent

    assert run(failing=True) == run(failing=False)
    assert len(run(failing=False)) == 2


TABLES = Tables()


def opened(state: Shard) -> BeamStore:
    """The states of one shard, for a bundle."""
    store = BeamStore(TABLES)
    store.open(0, state.head, {TAINT.name: state.logs})
    return store


def test_a_block_that_touches_no_tainted_account_reads_nothing_but_the_state(rules: Policy) -> None:
    tracer, shard = Tracer(rules, 1, KafkaSettings("none:1"), ()), Shard()
    store = opened(shard)
    tracer.seen(0, transfers(CHAIN), np.zeros(len(CHAIN), np.bool_), store)
    store.save()

    assert shard.head.value is None and all(log.written == 0 for log in shard.logs)
