"""`python -m tests.casework.bench --rate 200 --seconds 10`: from a report to the first action.

Starts `stopline casework run` on the embedded broker; times are the job's, from receipt to the answer of the
first recipient. `--payments 20000` has the main job decide so many payments a second meanwhile. Beside the
reports an authority lists a person each second: how long until a job that looks the registry up knows it.
`--brokers` takes a broker that is there instead, such as Apache Kafka.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from console.lab import reporting
from console.lab.signing import new_key
from measures.law.country_file import SHIPPED as LAWS
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, open_admin, open_producer, open_reader
from pipelines.lookup.following import Followed, Follower, key_of
from schemas import topics
from schemas.casework import ListSubject
from schemas.order import Actor
from tests.bench import load
from tests.bench.child import Child
from tests.bench.job import RESET, Job, Sample, options_of, run
from tests.casework.kit import account, report, site
from tests.tokens import token_of

#: Reports before those that count, and how long the job is given to begin and to end.
WARM, BEGIN_S, END_S = 100, 120.0, 30.0

#: Payments before the steady ones, and the seconds they go on before reports count and after.
HISTORY, SETTLE_S = 200_000, 15.0

SHIPPED = Path("models/shipped")


def main() -> None:
    """Send reports at a rate, list people meanwhile; print how long first actions and listings took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--payments", type=int, default=0, help="payments a second meanwhile")
    parser.add_argument("--brokers", default="")
    options = parser.parse_args()
    with ExitStack() as opened:
        brokers = options.brokers or opened.enter_context(EmbeddedBroker()).address
        scratch = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="stopline-bench-")))
        kafka = KafkaSettings(brokers)
        load.create_topics(brokers)
        key, keys = scratch / "police.jwk", scratch / "keys.json"
        new_key(keys, key, authority="police-1", country="CN", actor=Actor.POLICE, years=1, laws=LAWS)
        command = ["stopline", "casework", "run", "--create-topics", "--kafka_brokers", brokers]
        job = subprocess.Popen(
            [*command, "--keys", str(keys)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert job.stdout is not None
        while "states taken over" not in job.stdout.readline():
            pass
        if options.payments:
            _pay(opened, brokers, scratch, options.payments, options.seconds)
        follower = Follower(Followed(kafka))
        threading.Thread(target=follower.run, daemon=True).start()
        opened.enter_context(closing(follower))
        _send(kafka, "warm", WARM, 50)
        _wait(kafka, "warm", WARM)
        count = int(options.rate * options.seconds)
        listed: list[float] = []
        before = _processor_s(job.pid)
        lister = threading.Thread(target=_list, args=(kafka, key, follower, int(options.seconds), listed))
        lister.start()
        _send(kafka, "timed", count, options.rate)
        taken = _wait(kafka, "timed", count)
        lister.join()
        spent = (_processor_s(job.pid) - before) / count * 1000
        job.send_signal(signal.SIGINT)
        job.wait(30)
    _say(f"of {count} reports acted on", taken)
    print(f"processor of the casework job: {spent:.1f} ms a report")
    _say(f"of {int(options.seconds)} listings looked up", listed)
    sys.exit(len(taken) < count)


def _processor_s(pid: int) -> float:
    """Return the seconds of processor that a process has had."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _say(what: str, taken_ms: list[float]) -> None:
    p50, p99 = np.percentile(taken_ms, [50, 99]) if taken_ms else (0, 0)
    print(f"{len(taken_ms)} {what}, p50 {p50:.0f} ms, p99 {p99:.0f} ms")


def _pay(opened: ExitStack, brokers: str, scratch: Path, rate: int, seconds: float) -> None:
    """Have the main job decide payments from now until everything is over, and report how it keeps up."""
    pace = load.Pace(rate, seconds + 3 * SETTLE_S + END_S)
    feeder = opened.enter_context(Child(load.offer, brokers, load.World(), HISTORY, pace))
    past: load.Sent = feeder.receive()
    last: list[Sample] = []
    asked = Job(options_of(brokers, SHIPPED, scratch / "log"), past.ends)
    main_job = opened.enter_context(Child(run, asked))
    while main_job.receive().observed < past.messages:
        pass
    feeder.send("begin")

    def watch() -> None:
        while not feeder.has_news() and isinstance(sample := main_job.receive(), Sample):
            last[:] = [sample]
        feeder.receive()
        said, late = last[0].latency, int(rate * pace.seconds) - last[0].decided
        print(f"payments: {late:,} late at the end, p50 {said.p50_ms:.0f} ms, p99 {said.p99_ms:.0f} ms")

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    opened.callback(watcher.join, BEGIN_S)
    time.sleep(SETTLE_S)
    main_job.send(RESET)


def _list(kafka: KafkaSettings, key: Path, follower: Follower, count: int, listed_ms: list[float]) -> None:
    """List a person each second; note how long until the registry that is followed has each."""
    for number in range(count):
        token, began = token_of(f"listed-{number}"), time.monotonic()
        said = ListSubject(
            kind="PERSON", token=token, ground="CRIMINAL", decision_no=f"D-{number}", jurisdiction="CN",
            institutions=("bank-1",),
        )  # fmt: skip
        reporting.tell(kafka, said, key)
        while not follower.lists.since.rows(key_of("PERSON", token)):
            if time.monotonic() > began + BEGIN_S:
                return
            time.sleep(0.01)
        listed_ms.append((time.monotonic() - began) * 1000)
        time.sleep(max(0.0, began + 1 - time.monotonic()))


def _send(kafka: KafkaSettings, name: str, count: int, rate: float) -> None:
    producer, began = open_producer(kafka), time.monotonic()
    for number in range(count):
        said = report(
            f"{name}-{number}", site(f"{name}{number}.example"), account(f"{name}{number}"),
            reporter=f"citizen-{number % 50}",
        )  # fmt: skip
        value = msgspec.json.encode(said)
        producer.send(topics.REPORTS, said.report_id.encode(), value, (), time.time_ns() // 1000)
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
    producer.flush()


class _Case(msgspec.Struct):
    """What of a case is looked at."""

    report: dict[str, Any]
    received_us: int
    first_action_us: int = 0


_CASE = msgspec.json.Decoder(_Case).decode


def _wait(kafka: KafkaSettings, name: str, count: int) -> list[float]:
    """Return milliseconds to the first action of each report, once all have one or nothing comes any more."""
    with closing(open_admin(kafka)) as admin:
        places = [
            (topics.REPORT_ACTIONS, at) for at in range(admin.partition_counts()[topics.REPORT_ACTIONS])
        ]
        starts = admin.beginning_offsets(places)
    until, taken = time.monotonic() + BEGIN_S, dict[str, float]()
    with closing(open_reader(kafka)) as reader:
        reader.assign(starts)
        while time.monotonic() < until and len(taken) < count:
            for case in (_CASE(value) for chunk in reader.poll(2_000) for value in chunk.values):
                named = case.report["report_id"]
                if case.first_action_us and named.startswith(f"report-{name}-"):
                    taken[named] = (case.first_action_us - case.received_us) / 1e3
                    until = time.monotonic() + END_S
            time.sleep(0.1)
    return list(taken.values())


if __name__ == "__main__":
    main()
