"""Through the running jobs, on Apache Kafka 4 with its defaults: they live, and decide what follows."""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import confluent_kafka as ck
import msgspec

from console.lab.feeds import topic_values
from models import SHIPPED
from pipelines.jobs.main import wanted_topics
from pipelines.kafka.local.apache import ApacheKafka
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin
from pipelines.lifecycle.journal import journal_entry
from pipelines.streams.table import topics_read
from schemas import topics
from tests.fuzz.targets import inputs, payments, targets
from tests.lifecycle.conftest import facts, public_key
from tests.tokens import token_of

#: Topics that the jobs read.
READ = (*topics_read(), *topics.LIFECYCLE_READ)

#: Good payments sent behind the junk.
GOOD = 200

#: The largest message that is sent; the brokers' default takes little more.
BYTES_MAX = 900_000

COMMAND = (sys.executable, "-c", "from console.cli import main; main()")
SETTLE_S = 300.0


def through_the_jobs(count: int, seed: int) -> int:
    """Send `count` broken messages, kill and start the jobs in between; return the exit code."""
    folder = Path(tempfile.mkdtemp(prefix="stopline-fuzz-jobs-"))
    keys = folder / "keys.json"
    keys.write_bytes(msgspec.json.encode([public_key("police-1")]))
    with ApacheKafka(home=folder / "kafka") as broker:
        settings = KafkaSettings(broker.address, group="fuzz")
        config = topics.TOPIC_CONFIG
        legal = {*topics.LIFECYCLE_READ, *topics.LIFECYCLE_WRITTEN} - {each.name for each in wanted_topics(1)}
        with closing(open_admin(settings)) as admin:
            admin.create_topics(wanted_topics(1))
            admin.create_topics([NewTopic(name, 1, config=config.get(name, {})) for name in legal])
        for part in range(2):  # the second start reads all that is kept, junk included
            broken(settings, count // 2, f"{seed}/{part}")
            if (said := survive(settings, keys, folder, part)) is not None:
                print(said)
                return 1
        letters = len(topic_values(settings, topics.DEAD_LETTERS))
    print(f"{count} broken messages on {len(READ)} topics: both jobs alive, {letters} dead letters")
    return 0


def broken(settings: KafkaSettings, count: int, seed: str) -> None:
    """Send broken messages, tombstones among them, with odd keys and times."""
    draw, kinds = random.Random(seed), targets()
    producer = ck.Producer({"bootstrap.servers": settings.brokers, "linger.ms": 50})
    now_ms = time.time_ns() // 1_000_000
    for topic in READ:
        for value in inputs(kinds[topic], count // len(READ), f"{topic}/{seed}"):
            key = draw.choice((None, b"", b"\xff\x00", b"k" * 5000, token_of("a").encode()))
            at_ms = draw.choice((now_ms, now_ms, now_ms - 86_400_000, 1, now_ms + 3_000_000))
            if topic == topics.MEASURES and journal_entry(value) is not None:
                continue  # forged but well formed: what may write there is for access lists to say
            sent = None if draw.random() < 0.02 else value[:BYTES_MAX]
            producer.produce(topic, sent, key, timestamp=at_ms)
            producer.poll(0)
    producer.flush(60)


def survive(settings: KafkaSettings, keys: Path, folder: Path, part: int) -> str | None:
    """Run both jobs until they have decided good messages behind the junk; return what went wrong."""
    at = "--kafka_brokers", settings.brokers
    runs = {
        "run": (*COMMAND, "run", *at, "--kafka_group", "fuzz", "--model_bundle", str(SHIPPED),
                "--kafka_start", "committed" if part else "earliest", "--status", "none"),
        "lifecycle": (*COMMAND, "lifecycle", "run", *at, "--keys", str(keys)),
    }  # fmt: skip
    with ExitStack() as stack:
        children = {name: started(stack, command, folder / f"{name}.log") for name, command in runs.items()}
        token = token_of(f"fuzz-{part}")
        good(settings, token)
        deadline = time.monotonic() + SETTLE_S
        while not (decided(settings) and told(settings, token)):
            for name, child in children.items():
                if child.poll() is not None:
                    said = (folder / f"{name}.log").read_text(errors="replace").strip()[-2000:]
                    return f"{name} ended with {child.returncode}: {said}"
            if time.monotonic() > deadline:
                with closing(open_admin(settings)) as admin:
                    stood = admin.committed(settings.group, [(topics.PAYMENTS, 0)])
                return f"not decided within {SETTLE_S:.0f} s: {stood}, account told {told(settings, token)}"
            time.sleep(2)
    return None


def started(stack: ExitStack, command: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
    """Start a job that is killed when the stack unwinds."""
    file = stack.enter_context(log.open("wb"))
    child = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    stack.callback(child.wait)
    stack.callback(child.kill)
    return child


def good(settings: KafkaSettings, token: str) -> None:
    """Send good payments of now, and one account's facts."""
    producer = ck.Producer({"bootstrap.servers": settings.brokers})
    now_us = time.time_ns() // 1000
    for number, value in enumerate(payments()[:GOOD]):
        payment = json.loads(value) | {"accepted_at_us": now_us, "txn_id": f"good-{token[:6]}-{number}"}
        producer.produce(topics.PAYMENTS, json.dumps(payment).encode(), b"good")
    producer.produce(topics.ACCOUNTS, facts(token), token.encode())
    producer.flush(30)


def decided(settings: KafkaSettings) -> bool:
    """Whether the main job has committed all payments."""
    place = (topics.PAYMENTS, 0)
    with closing(open_admin(settings)) as admin:
        return admin.committed(settings.group, [place]).get(place) == admin.end_offsets([place])[place]


def told(settings: KafkaSettings, token: str) -> bool:
    """Whether the lifecycle job wrote what it was told of an account."""
    return any(token.encode() in value for value in topic_values(settings, topics.MEASURES))
