"""The jobs beside the main one, all in one process, for a demo: law, casework, victims, and their sender.

python -m console.offices --kafka_brokers HOST:PORT KEYS FOLDER
"""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

import msgspec

from console import logs
from console.lab.feeds import PARTITIONS
from console.status import OFFICES, reporting
from measures.aggregate import Office
from measures.authority.keys import read_keys
from measures.law.country_file import SHIPPED
from pipelines.casework.settings import CaseworkSettings
from pipelines.jobs import casework, lifecycle, victims
from pipelines.jobs.job import Job
from pipelines.jobs.options import in_process_options, kafka_settings, policy_of
from pipelines.jobs.runners import run_in_process
from pipelines.kafka.port import KafkaSettings, open_consumer
from pipelines.lifecycle.settings import LifecycleSettings
from pipelines.policy import Policy
from pipelines.victims.channels.file import File
from pipelines.victims.sender import Sender
from pipelines.victims.settings import VictimsSettings
from schemas import topics
from schemas.units import SECOND_US
from schemas.warning import Channel

#: Under which name messages go out.
SENDER = "Stopline demo"


class WorldClock:
    """What time it is in a world: that of its newest payment, from which time runs on by itself.

    One of a process, for brokers it is told when it is started; 0 before the first payment.
    """

    def __init__(self) -> None:
        self._newest = 0, 0.0

    def __reduce__(self) -> str:
        """Stand for the clock of the process where a job is copied to."""
        return "WORLD_CLOCK"

    def __call__(self) -> int:
        """Tell the time, microseconds UTC."""
        newest_us, since = self._newest
        return newest_us + int((time.monotonic() - since) * SECOND_US) if newest_us else 0

    def follow(self, kafka: KafkaSettings) -> None:
        """Follow topic `payments` for ever."""
        consumers = [open_consumer(kafka, topics.PAYMENTS, number, 0) for number in range(PARTITIONS)]
        while True:
            for each in consumers:
                if (chunk := each.poll(10_000)) is not None:
                    at_us = msgspec.json.decode(chunk.values[-1], type=_Paid).accepted_at_us
                    if at_us > self._newest[0]:
                        self._newest = at_us, time.monotonic()
            time.sleep(0.02)


class _Paid(msgspec.Struct):
    accepted_at_us: int


WORLD_CLOCK = WorldClock()


def jobs(kafka: KafkaSettings, rules: Policy, keys_file: Path) -> list[Job]:
    """Return the jobs, their topics made."""
    keys = read_keys(keys_file)
    for each in (lifecycle, casework, victims):
        each.preflight(kafka, PARTITIONS, create_topics=True)
    warned = VictimsSettings(
        replace(kafka, group=f"{kafka.group}-victims"), rules, sender=SENDER, clock=WORLD_CLOCK
    )
    return [
        lifecycle.job(LifecycleSettings(kafka, keys, clock=WORLD_CLOCK)),
        casework.job(CaseworkSettings(kafka, Office(SHIPPED), keys, clock=WORLD_CLOCK)),
        victims.job(warned),
    ]


def run(words: Sequence[str], keys_file: Path, folder: Path) -> None:
    """Run the jobs for ever; what would reach people is written to a file in `folder`."""
    options = in_process_options(words)
    kafka, rules = kafka_settings(options), policy_of(options)
    channels = {name: partial(File, folder / f"{name.lower()}.jsonl") for name in get_args(Channel)}
    sender = Sender(replace(kafka, group=f"{kafka.group}-sender"), channels, WORLD_CLOCK)
    bodies: list[Callable[[], None]] = [
        partial(run_in_process, job, words, _unsaid) for job in jobs(kafka, rules, keys_file)
    ]
    bodies += [sender.run, partial(WORLD_CLOCK.follow, kafka)]
    threads = [threading.Thread(target=body, daemon=True) for body in bodies]
    with reporting("json", OFFICES):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def main() -> None:
    """Run what the command line names."""
    logs.setup()
    *words, keys_file, folder = sys.argv[1:]
    run(words, Path(keys_file), Path(folder))


def _unsaid(_: str) -> None:
    """Say nothing: whoever started this reads its status."""


if __name__ == "__main__":
    main()
