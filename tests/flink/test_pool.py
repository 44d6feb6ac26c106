"""The pool of Python workers, asked by Beam's own runner."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.environments import ExternalEnvironment

from pipelines.kafka.local.brokers import answers, free_port


class Note(beam.DoFn):  # type: ignore[misc]
    """Writes down which process it runs in, whose child that is, and whether the main job is loaded there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def process(self, _: int) -> None:
        self._path.write_text(f"{os.getpid()} {os.getppid()} {'pipelines.jobs.main' in sys.modules}")


@pytest.fixture
def port() -> Iterator[int]:
    number = free_port()
    pool = subprocess.Popen([sys.executable, "-m", "pipelines.flink.pool", f"--port={number}"])
    while not answers(number):
        time.sleep(0.1)
    yield number
    pool.kill()
    pool.wait()


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_workers_have_the_main_job_loaded_and_share_one_parent(port: int, tmp_path: Path) -> None:
    notes = []
    for number in range(2):
        runner = FnApiRunner(default_environment=ExternalEnvironment(f"127.0.0.1:{port}"))
        with beam.Pipeline(runner=runner) as pipeline:
            _ = pipeline | beam.Create([1]) | beam.ParDo(Note(tmp_path / str(number)))
        notes.append((tmp_path / str(number)).read_text().split())

    (first, parent, loaded), (second, same, _) = notes

    assert first != second
    assert parent == same != str(os.getpid())
    assert loaded == "True"
    deadline = time.monotonic() + 30
    while (left := [pid for pid in (first, second) if alive(int(pid))]) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left, "workers end when the runner lets go of them"
