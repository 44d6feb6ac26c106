"""`stopline run` as an operator sees it: what it prints, and how it ends."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from models import SHIPPED
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.listening import listeners, off_loopback
from tests.run.started import running


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as broker:
        yield broker


def test_a_job_says_that_it_reads_before_a_payment_comes_and_that_it_stops(broker: EmbeddedBroker) -> None:
    with running(broker.address, "--create-topics", "--model_bundle", str(SHIPPED)) as job:
        assert job.stdout is not None

        said = next(line for line in job.stdout if line.startswith("reading at"))
        assert said == f"reading at {broker.address} as group stopline; Ctrl-C stops\n"
        job.send_signal(signal.SIGINT)
        assert job.stdout.read() == "stopped; reading continues at the committed offsets\n"
        assert job.wait(30) == 0


def waited(condition: Callable[[], object], seconds: float = 250) -> bool:
    deadline = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return bool(met)


def status(pid: int) -> dict[str, str]:
    """What Linux says of a process; empty once it is gone."""
    with suppress(OSError):
        return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {}


def children(parent: int) -> dict[int, str]:
    """Ids and command lines; one that is only forked yet still has its parent's."""
    found, own = {}, Path(f"/proc/{parent}/cmdline").read_text()
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if status(pid := int(place.name)).get("PPid") == str(parent):
                line = (place / "cmdline").read_text()
                if line != own:
                    found[pid] = line.replace("\0", " ")
    return found


@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a process to its parent")
@pytest.mark.slow
def test_a_demo_listens_on_loopback_only_and_nothing_is_left_of_one_that_is_killed() -> None:
    command = "from console.cli import main; main()"
    words = ["demo", "--accounts", "500", "--history-days", "1", "--rate", "1"]
    demo = subprocess.Popen([sys.executable, "-c", command, *words], stdout=subprocess.DEVNULL)
    try:
        assert waited(lambda: any("console.cli" in each for each in children(demo.pid).values()))
        started = children(demo.pid)
        (job,) = (pid for pid, line in started.items() if "console.cli" in line)
        handles = signal.SIGTERM - 1
        assert waited(lambda: int(status(job)["SigCgt"], 16) >> handles & 1), "the job does not get to read"
        assert waited(lambda: len(children(demo.pid)) == 3)  # broker, job, jobs of the offices
        started = children(demo.pid)
        assert listeners([demo.pid])
        assert off_loopback([demo.pid]) == []
    finally:
        demo.kill()
        demo.wait()

    assert waited(lambda: all(status(pid).get("State", "Z")[0] == "Z" for pid in started))
