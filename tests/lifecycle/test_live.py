"""The command as an operator runs it: orders take effect, terms end by themselves, kill -9 loses nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest

from pipelines.alarm_clock import AlarmClock
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin, open_consumer, open_producer
from pipelines.lifecycle.journal import tick_message
from schemas import topics
from schemas.journal import JournalEntry
from schemas.order import Order
from tests.lifecycle.bench import order_for
from tests.lifecycle.conftest import facts, paid_in, public_key, signed
from tests.tokens import token_of

COMMAND = [sys.executable, "-c", "from console.cli import main; main()", "lifecycle"]
TOKEN = token_of("acct-live")
SECOND = 1_000_000


def now_us() -> int:
    return time.time_ns() // 1000


class Outside:
    """Everybody outside the job: sends messages and reads topic `measures`."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self.kafka = kafka
        self._entries: list[JournalEntry] = []
        self._consumer = open_consumer(kafka, topics.MEASURES, 0, 0)

    def send(self, topic: str, *messages: bytes) -> None:
        producer = open_producer(self.kafka)
        for value in messages:
            producer.send(topic, TOKEN.encode(), value, (), now_us())
        producer.flush()

    def until(self, word: str, seconds: float = 120) -> str:
        """Read the journal until it says a word; returns all it said."""
        deadline = time.monotonic() + seconds
        while word not in (said := msgspec.json.encode(self._entries).decode()):
            assert time.monotonic() < deadline, f"no {word} within {seconds} s: {said[-2000:]}"
            if (chunk := self._consumer.poll(100)) is not None:
                self._entries += [msgspec.json.decode(value, type=JournalEntry) for value in chunk.values]
            else:
                time.sleep(0.02)
        return said


@contextmanager
def job(kafka: KafkaSettings, keys: Path) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen(
        [*COMMAND, "run", "--partitions", "1", "--kafka_brokers", kafka.brokers, "--keys", str(keys)]
    )
    try:
        yield running
    finally:
        running.kill()
        running.wait(30)


def short_stop(number: str, paid_us: int, seconds: int) -> Order:
    """A stop that asks for a shorter term than the law allows."""
    order = order_for(TOKEN, now_us(), paid_us)
    window = {"start_at_us": now_us(), "expire_at_us": now_us() + seconds * SECOND}
    return msgspec.structs.replace(order, order_no=number, message_serial=f"m-{number}", **window)


def test_orders_take_effect_lapse_by_themselves_and_survive_a_kill(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_bytes(msgspec.json.encode([public_key("police-1")]))
    with EmbeddedBroker() as broker:
        kafka = KafkaSettings(broker.address, client="confluent")
        with closing(open_admin(kafka)) as admin:
            names = (*topics.LIFECYCLE_READ, *topics.LIFECYCLE_WRITTEN)
            admin.create_topics([NewTopic(name, 1) for name in names])
        outside, paid_us = Outside(kafka), now_us()
        first, second = short_stop("S1", paid_us, 25), short_stop("S2", paid_us, 60)
        with job(kafka, keys) as running:
            outside.send(topics.ACCOUNTS, facts(TOKEN), paid_in(TOKEN, at_us=paid_us))
            outside.until('"type":"moved"')
            outside.send(topics.ORDERS, signed(first))
            outside.until('"state":"ACTIVE"')
            os.kill(running.pid, signal.SIGKILL)
        with job(kafka, keys):
            outside.send(topics.ORDERS, signed(first), signed(second))
            assert '"code":"DUPLICATE"' in outside.until('"order_no":"S2"')
            said = outside.until('"state":"EXPIRED"', 60)
    assert said.count('"was":"ACTIVE","cause":"TIMER"') == 1


def test_keys_are_made_rotated_and_checked(tmp_path: Path) -> None:
    keys, words = tmp_path / "keys.json", ["--authority", "police-1", "--country", "CN"]
    for name in ("one.jwk", "two.jwk"):
        made = subprocess.run(
            [*COMMAND, "keygen", *words, "--keys", str(keys), "--out", str(tmp_path / name)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        assert "private half in" in made.stdout
        time.sleep(1.1)
    entries = json.loads(keys.read_text())
    assert len({entry["key_id"] for entry in entries}) == 2
    assert all("d" not in entry["public"] for entry in entries)
    assert (tmp_path / "one.jwk").stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_an_order_signed_with_a_made_key_is_carried_out(tmp_path: Path) -> None:
    keys, key, order = tmp_path / "keys.json", tmp_path / "private.jwk", tmp_path / "order.json"
    words = ["--authority", "police-1", "--country", "CN", "--keys", str(keys), "--out", str(key)]
    subprocess.run([*COMMAND, "keygen", *words], check=True, capture_output=True)
    with EmbeddedBroker() as broker:
        kafka = KafkaSettings(broker.address, client="confluent")
        with closing(open_admin(kafka)) as admin:
            names = (*topics.LIFECYCLE_READ, *topics.LIFECYCLE_WRITTEN)
            admin.create_topics([NewTopic(name, 1) for name in names])
        outside, paid_us = Outside(kafka), now_us()
        with job(kafka, keys):
            outside.send(topics.ACCOUNTS, facts(TOKEN), paid_in(TOKEN, at_us=paid_us))
            outside.until('"type":"moved"')
            order.write_bytes(msgspec.json.encode(order_for(TOKEN, now_us(), paid_us)))
            words = ["send", str(order), "--key", str(key), "--kafka_brokers", kafka.brokers]
            sent = subprocess.run([*COMMAND, *words], check=True, capture_output=True, text=True)
            assert "sent; its reply comes on topic measures" in sent.stdout
            outside.until('"state":"ACTIVE"')


def test_a_country_file_is_checked_by_line(tmp_path: Path) -> None:
    good = Path("measures/law/countries/cn.yaml")
    checked = subprocess.run([*COMMAND, "law", str(good)], check=True, capture_output=True, text=True)
    assert checked.stdout.startswith("CN China: ")


def test_an_alarm_is_the_latest_wish_of_its_account() -> None:
    clock = AlarmClock(KafkaSettings("none:1"), "accounts", tick_message)
    clock.set("a", "CN", 10)
    clock.set("a", "CN", 30)
    clock.set("b", "IN", 20)
    clock.set("c", "CN", 5)
    clock.set("c", "CN", None)
    assert clock.due(25) == [("b", "IN")]
    assert clock.due(30) == [("a", "CN")]
    assert clock.due(10**9) == []


@pytest.mark.parametrize("wrong", ["[]x", '[{"authority_id": "p"}]'])
def test_a_key_file_that_cannot_be_used_is_refused_in_one_sentence(wrong: str, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(wrong)
    words = ["run", "--kafka_brokers", "127.0.0.1:1", "--keys", str(keys)]
    ran = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False)
    said = ran.stderr
    assert f"key file {keys}" in said and ("no JSON" in said or "not a list" in said)
