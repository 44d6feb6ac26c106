"""Through the running jobs, on Apache Kafka 4 with its defaults or the embedded broker: they go on."""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import NamedTuple, get_args

import confluent_kafka as ck
import msgspec

from console.lab.brokers import topic_values
from models import SHIPPED
from pipelines.jobs.main import wanted_topics
from pipelines.kafka.local.apache import ApacheKafka
from pipelines.kafka.local.brokers import BrokerKind, EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin
from pipelines.lifecycle.journal import journal_entry
from pipelines.streams.table import topics_read
from schemas import topics
from schemas.errors import BrokerError
from schemas.warning import Channel
from tests.casework.kit import report
from tests.fuzz.offices import of_topics
from tests.fuzz.targets import Target, inputs, payments
from tests.lifecycle.conftest import facts, public_key
from tests.tokens import token_of

#: Good payments sent behind the junk.
GOOD = 200

#: The largest message that is sent; the brokers' default takes little more.
BYTES_MAX = 900_000

#: Record times, milliseconds; those near 0 count from now. What Apache Kafka refuses is odd: years away, in
#: seconds, microseconds, nanoseconds, the largest there is.
TIMES_MS = (0, 0, -86_400_000, 3_000_000)
ODD_TIMES_MS = (-86_400_000 * 900, 86_400_000 * 365, 10**15, 10**18, 2**63 - 1, 253_402_300_800_000)

COMMAND = (sys.executable, "-c", "from console.cli import main; main()")
SETTLE_S = 300.0


class Subject(NamedTuple):
    """A job: its command, the topics it reads, and whether it went on to what was sent behind the junk.

    `went_on` gets the brokers and the name of the round, of which good messages are derived.
    """

    words: tuple[str, ...]
    read: tuple[str, ...]
    went_on: Callable[[KafkaSettings, str], bool]


def decided(settings: KafkaSettings, _: str) -> bool:
    """Whether the main job has committed all payments."""
    place = (topics.PAYMENTS, 0)
    with closing(open_admin(settings)) as admin:
        return admin.committed(settings.group, [place]).get(place) == admin.end_offsets([place])[place]


def told(topic: str, *words: str) -> Callable[[KafkaSettings, str], bool]:
    """Return what looks for a message of a topic that names the round's account, party or report."""

    def found(settings: KafkaSettings, name: str) -> bool:
        wanted = [each.encode() for each in (token_of(name), *words)]
        values = topic_values(settings, topic)
        return any(all(each in value for each in wanted) for value in values)

    return found


def reported(settings: KafkaSettings, name: str) -> bool:
    """Whether the casework job opened the round's report."""
    values = topic_values(settings, topics.REPORT_ACTIONS)
    return any(f'"report-{name}"'.encode() in value for value in values)


def subjects(folder: Path) -> dict[str, Subject]:
    """Return the jobs, with the files they need in a folder."""
    keys, channels = folder / "keys.json", folder / "channels.yaml"
    keys.write_bytes(msgspec.json.encode([public_key("police-1")]))
    lines = (f"  {name}: {{file: {name.lower()}.jsonl}}" for name in get_args(Channel))
    channels.write_text("\n".join(("channels:", *lines)) + "\n")
    main = ("run", "--model_bundle", str(SHIPPED), "--kafka_start", "committed")
    return {
        "run": Subject(main, topics_read(), decided),
        "lifecycle": Subject(
            ("lifecycle", "run", "--keys", str(keys)),
            (*topics.LIFECYCLE_READ, topics.MEASURES),
            told(topics.MEASURES),
        ),
        "casework": Subject(
            ("casework", "run", "--keys", str(keys)),
            (*topics.CASEWORK_READ, *topics.CASEWORK_STATES),
            reported,
        ),
        "victims": Subject(
            ("warnings", "run", "--sender", "Bank"),
            (*topics.VICTIMS_READ, topics.CONTACTS),
            told(topics.CONTACTS),
        ),
        "sender": Subject(
            ("warnings", "send", "--channels", str(channels)),
            (topics.CONTACTS, topics.WARNING_OUTCOMES),
            told(topics.WARNING_OUTCOMES, '"state"'),
        ),
    }


def all_topics() -> list[NewTopic]:
    """Return the topics of all jobs, one partition each."""
    made = {each.name: each for each in wanted_topics(1)}
    others = (
        *topics.LIFECYCLE_READ, *topics.LIFECYCLE_WRITTEN, *topics.CASEWORK_READ, *topics.CASEWORK_WRITTEN,
        *topics.CASEWORK_STATES, *topics.VICTIMS_READ, *topics.VICTIMS_WRITTEN,
    )  # fmt: skip
    for name in others:
        made.setdefault(name, NewTopic(name, 1, config=topics.TOPIC_CONFIG.get(name, {})))
    return list(made.values())


def through_the_jobs(
    count: int, seed: int, only: Sequence[str] = (), kind: BrokerKind = "kafka", client: str = "auto"
) -> int:
    """Send `count` broken messages, kill and start the jobs in between; return the exit code."""
    folder = Path(tempfile.mkdtemp(prefix="stopline-fuzz-jobs-"))
    chosen = {name: each for name, each in subjects(folder).items() if not only or name in only}
    by = ("--kafka_client", client)
    chosen = {
        name: each if name == "sender" else each._replace(words=(*each.words, *by))
        for name, each in chosen.items()
    }
    times = TIMES_MS if kind == "kafka" else (*TIMES_MS, *ODD_TIMES_MS)
    read = list(dict.fromkeys(topic for each in chosen.values() for topic in each.read))
    with ApacheKafka(home=folder / "kafka") if kind == "kafka" else EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address, group="fuzz")
        with closing(open_admin(settings)) as admin:
            admin.create_topics(all_topics())
        for part in range(2):  # the second start reads all that is kept, junk included
            broken(settings, read, count // 2, f"{seed}/{part}", times)
            if (said := survive(settings, chosen, folder, f"{seed}-{part}")) is not None:
                print(said)
                return 1
        letters = len(topic_values(settings, topics.DEAD_LETTERS))
    names = ", ".join(chosen)
    print(f"{count} broken messages on {len(read)} topics of {kind}: {names} alive, {letters} dead letters")
    return 0


def broken(
    settings: KafkaSettings, read: Sequence[str], count: int, seed: str, times_ms: Sequence[int]
) -> None:
    """Send broken messages, tombstones among them, with odd keys and record times, some relative to now."""
    draw, good = random.Random(seed), of_topics()
    producer = ck.Producer({"bootstrap.servers": settings.brokers, "linger.ms": 50})
    now_ms = time.time_ns() // 1_000_000
    for topic in read:
        for value in inputs(Target(good[topic], bool, 1), count // len(read), f"{topic}/{seed}"):
            key = draw.choice((None, b"", b"\xff\x00", b"k" * 5000, token_of("a").encode()))
            at_ms = draw.choice(times_ms)
            at_ms = now_ms + at_ms if abs(at_ms) < now_ms // 10 else at_ms
            if topic == topics.MEASURES and journal_entry(value) is not None:
                continue  # forged but well formed: what may write there is for access lists to say
            compacted = "compact" in topics.TOPIC_CONFIG.get(topic, {}).values()
            sent = None if draw.random() < 0.02 else value[:BYTES_MAX]
            producer.produce(topic, sent, key or (b"k" if compacted else key), timestamp=at_ms)
            producer.poll(0)
    producer.flush(60)


def survive(settings: KafkaSettings, chosen: dict[str, Subject], folder: Path, name: str) -> str | None:
    """Run the jobs until all went on to good messages behind the junk; return what went wrong."""
    at = "--kafka_brokers", settings.brokers, "--kafka_group", settings.group, "--status", "none"
    with ExitStack() as stack:
        children = {
            job: started(stack, (*COMMAND, *each.words, *at), folder, f"{job}-{name}.log")
            for job, each in chosen.items()
        }
        good(settings, name)
        deadline, waiting = time.monotonic() + SETTLE_S, dict(chosen)
        while waiting:
            for job, child in children.items():
                if child.poll() is not None:
                    said = (folder / f"{job}-{name}.log").read_text(errors="replace").strip()[-3000:]
                    return f"{job} ended with {child.returncode}: {said}"
            if time.monotonic() > deadline:
                return f"within {SETTLE_S:.0f} s these did not go on: {', '.join(waiting)}; logs in {folder}"
            with suppress(BrokerError):  # one that is slow; the jobs say it themselves
                waiting = {job: each for job, each in waiting.items() if not each.went_on(settings, name)}
            time.sleep(2)
    return None


def started(stack: ExitStack, command: Sequence[str], folder: Path, log: str) -> "subprocess.Popen[bytes]":
    """Start a job in a folder, that is killed when the stack unwinds."""
    file = stack.enter_context((folder / log).open("wb"))
    child = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, cwd=folder)
    stack.callback(child.wait)
    stack.callback(child.kill)
    return child


def good(settings: KafkaSettings, name: str) -> None:
    """Send good messages of now to every job: payments, an account's facts, a report, a warning."""
    producer = ck.Producer({"bootstrap.servers": settings.brokers})
    now_us, token = time.time_ns() // 1000, token_of(name)
    for number, value in enumerate(payments()[:GOOD]):
        payment = json.loads(value) | {"accepted_at_us": now_us, "txn_id": f"good-{token[:6]}-{number}"}
        producer.produce(topics.PAYMENTS, json.dumps(payment).encode(), b"good")
    producer.produce(topics.ACCOUNTS, facts(token), token.encode())
    producer.produce(topics.REPORTS, msgspec.json.encode(report(name, at_us=now_us)), b"good")
    warning = json.loads(of_topics()[topics.WARNINGS]()[0]) | {
        "warning_id": f"warning-{name}", "party_token": token, "severity": 4, "issued_at_us": now_us,
    }  # fmt: skip
    producer.produce(topics.WARNINGS, json.dumps(warning).encode(), token.encode())
    producer.flush(30)
