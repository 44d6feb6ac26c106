"""`python -m tests.victims.bench`: from a warning on its topic to the bank's webhook, with the jobs as
they run.

The victims job and the sender are processes of their own, the broker is the embedded one; parties do not
answer, so that every call is a rung that a clock began. To the figure comes the main job's own latency
(`make bench`).
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import numpy as np

from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin, open_producer
from pipelines.victims.sender import now_us
from schemas import topics
from schemas.contact import Attempt
from tests.tokens import token_of
from tests.victims.far_sides import Far
from tests.victims.test_ladder import warning

SECRET = b"a secret"


class Timed(Far):
    """A webhook that knows when each try came."""

    def came(self) -> dict[str, tuple[Attempt, int]]:
        found = {}
        for _, head, body in list(self.posts):
            attempt = msgspec.json.decode(body, type=Attempt)
            found.setdefault(attempt.key, (attempt, int(head["came-us"])))
        return found


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command until the block ends, once it has said its first word."""
    start = f"import sys; sys.argv = ['stopline', *{words!r}]; from console.cli import main; main()"
    process = subprocess.Popen([sys.executable, "-c", start], stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def measured(rate: int, seconds: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how long severity 4 took, seconds: to the app, and to the first call, which waits 30 s."""
    with closing(Timed()) as far, EmbeddedBroker() as broker, tempfile.TemporaryDirectory() as name:
        kafka = KafkaSettings(broker.address)
        with closing(open_admin(kafka)) as admin:
            wanted = dict.fromkeys((*topics.VICTIMS_READ, *topics.VICTIMS_WRITTEN))
            admin.create_topics([NewTopic(topic, 4) for topic in wanted])
        folder = Path(name)
        (folder / "secret").write_bytes(SECRET)
        one = f'{{webhook: "{far.url}", secret: secret}}'
        (folder / "channels.yaml").write_text(f"channels: {{IN_APP: {one}, CALL: {one}}}")
        job = running("warnings", "run", "--kafka_brokers", broker.address, "--country", "uk")
        sender = running(
            "warnings", "send", "--channels", str(folder / "channels.yaml"), "--kafka_brokers", broker.address
        )
        with job as first, sender as second:
            for process in (first, second):
                assert process.stdout and process.stdout.readline()
            time.sleep(8)
            issued = _warn(kafka, rate, seconds)
            time.sleep(40)
        came = far.came()
    took = {"IN_APP": [], "CALL": []}  # type: dict[str, list[float]]
    for attempt, at_us in came.values():
        if attempt.key.endswith("/1"):
            took[attempt.channel].append((at_us - issued[attempt.warning_id]) / 1e6)
    assert len(took["IN_APP"]) == len(issued), f"{len(took['IN_APP'])} of {len(issued)} reached the app"
    return np.array(took["IN_APP"]), np.array(took["CALL"])


def _warn(kafka: KafkaSettings, rate: int, seconds: int) -> dict[str, int]:
    producer, issued, begun = open_producer(kafka), {}, time.monotonic()
    for number in range(rate * seconds):
        time.sleep(max(begun + number / rate - time.monotonic(), 0))
        party, at_us = token_of(f"party-{number}"), now_us()
        made = warning(
            4, at_us, party, warning_id=f"w-{number}", jurisdiction="UK", valid_until_us=at_us + 10**9
        )
        issued[made.warning_id] = at_us
        producer.send(topics.WARNINGS, party.encode(), msgspec.json.encode(made), (), at_us)
        if number % 10 == 9:
            producer.flush()
    producer.flush()
    return issued


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.victims.bench", description=__doc__)
    parser.add_argument("--rate", type=int, default=20, help="warnings of severity 4 a second (default 20)")
    parser.add_argument("--seconds", type=int, default=20, help="for so long (default 20)")
    given = parser.parse_args()
    app, call = measured(given.rate, given.seconds)
    for name, took in (("app", app), ("first call", call)):
        middle, most = np.percentile(took, [50, 99]) if len(took) else (np.nan, np.nan)
        print(f"severity 4, {name}: n={len(took)} p50={middle:.3f} s p99={most:.3f} s")


if __name__ == "__main__":
    main()
