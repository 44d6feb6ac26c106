"""`stopline run` in a process of its own, and what it last said."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from console.lab.feeds import PARTITIONS
from pipelines.kafka.local.brokers import tied_to_starter
from pipelines.kafka.port import KafkaSettings
from schemas.errors import BrokerError

#: A job that decides nothing for this long is given up; until it says anything at all it may take longer.
STALL_S, BEGIN_S = 120.0, 600.0

#: What Beam says at every start, of services of Google that nobody uses here.
_OF_BEAM = "WARNING:root:apitools not found"


class Job:
    """`stopline run` as a child, and what it last said."""

    def __init__(self, child: "subprocess.Popen[str]") -> None:
        self.child = child
        self.status: dict[str, Any] = {}
        self.p99_ms = 0.0
        self._words: list[str] = []
        assert child.stdout is not None and child.stderr is not None
        self.threads = [
            threading.Thread(target=read, args=(lines,), daemon=True)
            for read, lines in ((self._read_status, child.stdout), (self._read_words, child.stderr))
        ]
        for thread in self.threads:
            thread.start()

    def ended(self) -> bool:
        """Tell whether the child has exited."""
        return self.child.poll() is not None

    def wait_for(self, least: int, count: str) -> None:
        """Wait until the child has counted so many.

        Raises:
            BrokerError: it ended, or counts no further.

        """
        reached, progressed = -1, time.monotonic()
        while self.status.get(count, 0) < least:
            if self.status and self.status.get(count, 0) > reached:
                reached, progressed = self.status.get(count, 0), time.monotonic()
            patience_s = STALL_S if reached >= 0 else BEGIN_S
            if self.ended() or time.monotonic() > progressed + patience_s:
                raise BrokerError(f"the job does not get on; it said: {self.last_words()}")
            time.sleep(0.05)

    def last_words(self) -> str:
        """Return the last line of its error output, and how it ended if it has."""
        said, code = self._words[-1] if self._words else "nothing", self.child.poll()
        if code is None:
            return said
        how = f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"{said} ({how})"

    def _read_status(self, lines: IO[str]) -> None:
        for line in lines:
            self.status = json.loads(line)
            self.p99_ms = self.status["p99_ms"] or self.p99_ms

    def _read_words(self, lines: IO[str]) -> None:
        for line in lines:
            if not line.startswith(_OF_BEAM):
                self._words = [*self._words[-20:], line.strip()]


@contextmanager
def running(settings: KafkaSettings, bundle: Path, flags: Sequence[str]) -> Iterator[Job]:
    """Run the main job on `settings`' broker while the block runs; `flags` are further options of it."""
    command = [
        sys.executable, "-c", "from console.cli import main; main()", "run",
        "--kafka_brokers", settings.brokers, "--model_bundle", str(bundle),
        "--partitions", str(PARTITIONS), "--status", "json", *flags,
    ]  # fmt: skip
    with _child(command) as job:
        yield job


@contextmanager
def offices(settings: KafkaSettings, flags: Sequence[str], keys: Path, folder: Path) -> Iterator[Job]:
    """Run the jobs of law, casework and victims in one process while the block runs (`offices.py`)."""
    command = [
        sys.executable, "-c", "from console.offices import main; main()",
        "--kafka_brokers", settings.brokers, *flags, str(keys), str(folder),
    ]  # fmt: skip
    with _child(command) as job:
        yield job


@contextmanager
def _child(command: Sequence[str]) -> Iterator[Job]:
    child = subprocess.Popen(
        tied_to_starter(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield Job(child)
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
