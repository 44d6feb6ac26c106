"""The jobs beside the main one, all in one process, for a demo: law, casework, victims, and their sender.

python -m console.lab.offices --kafka_brokers HOST:PORT KEYS FOLDER
"""

import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

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
from pipelines.kafka.port import KafkaSettings
from pipelines.lifecycle.settings import LifecycleSettings
from pipelines.policy import Policy
from pipelines.victims.channels.file import File
from pipelines.victims.sender import Sender
from pipelines.victims.settings import VictimsSettings
from schemas.warning import Channel

#: Under which name messages go out.
SENDER = "Stopline demo"


def jobs(kafka: KafkaSettings, rules: Policy, keys_file: Path) -> list[Job]:
    """Return the jobs, their topics made."""
    keys = read_keys(keys_file)
    for each in (lifecycle, casework, victims):
        each.preflight(kafka, PARTITIONS, create_topics=True)
    warned = VictimsSettings(replace(kafka, group=f"{kafka.group}-victims"), rules, sender=SENDER)
    return [
        lifecycle.job(LifecycleSettings(kafka, keys, keys_file=keys_file)),
        casework.job(CaseworkSettings(kafka, Office(SHIPPED), keys, keys_file=keys_file)),
        victims.job(warned),
    ]


def run(words: Sequence[str], keys_file: Path, folder: Path) -> None:
    """Run the jobs for ever; what would reach people is written to a file in `folder`."""
    options = in_process_options(words)
    kafka, rules = kafka_settings(options), policy_of(options)
    channels = {name: partial(File, folder / f"{name.lower()}.jsonl") for name in get_args(Channel)}
    sender = Sender(replace(kafka, group=f"{kafka.group}-sender"), channels)
    bodies: list[Callable[[], None]] = [
        partial(run_in_process, job, words, _unsaid) for job in jobs(kafka, rules, keys_file)
    ]
    threads = [threading.Thread(target=body, daemon=True) for body in (*bodies, sender.run)]
    with reporting("json", OFFICES):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def main() -> None:
    """Run what the command line names."""
    *words, keys_file, folder = sys.argv[1:]
    run(words, Path(keys_file), Path(folder))


def _unsaid(_: str) -> None:
    """Say nothing: whoever started this reads its status."""


if __name__ == "__main__":
    main()
