"""`stopline run` as a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def running(broker: str, *flags: str, stderr: int | None = None) -> Iterator["subprocess.Popen[str]"]:
    """Run the job on one partition; killed at the end of the block."""
    command = [
        sys.executable, "-c", "from console.cli import main; main()", "run", "--kafka_brokers", broker,
        "--partitions", "1", *flags,
    ]  # fmt: skip
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
    try:
        yield child
    finally:
        child.kill()
        child.wait()
