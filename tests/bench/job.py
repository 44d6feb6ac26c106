"""The job under test in a process of its own, as `stopline run` would run it, watched from inside."""

import os
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam.options.pipeline_options import PipelineOptions
from numpy.typing import NDArray

from console.lab.showing import AS_OF_TODAY
from pipelines.in_process.runner import in_process
from pipelines.jobs import main
from pipelines.jobs.options import JobSettings
from pipelines.kafka.reading.together import ReadChunks
from pipelines.streams.table import topics_read
from pipelines.telemetry import TELEMETRY, Latency, quantiles
from schemas.errors import StoplineError
from tests.bench import baseline
from tests.bench.profile import Profiler

SAMPLE_S = 0.05

#: Commands a job takes: forget the latencies so far; answer with the profile so far.
RESET, PROFILE = "reset", "profile"


class Job(NamedTuple):
    """What to run.

    Attributes:
        options: of the main job.
        history: by partition, the offset below which messages only fill the ledgers.
        baseline: run the per-event baseline instead; it knows no history.
        profile: profile the pipeline's thread.

    """

    options: tuple[str, ...]
    history: Mapping[int, int]
    baseline: bool = False
    profile: bool = False


class Sample(NamedTuple):
    """How the job stands at a moment.

    Attributes:
        at_s: monotonic clock.
        observed: payments added to the ledgers, those of the history too.
        decided: payments decided.
        counts: alerts, warnings and so on.
        cpu_s: processor time of the process.
        thread_s: processor time of the thread that runs the pipeline.
        rss_mb: resident memory.
        latency: of the decisions since the last `RESET`.

    """

    at_s: float
    observed: int
    decided: int
    counts: dict[str, int]
    cpu_s: float
    thread_s: float
    rss_mb: float
    latency: Latency


def options_of(brokers: str, bundle: Path, decision_log: Path, *more: str) -> tuple[str, ...]:
    return (
        f"--kafka_brokers={brokers}", f"--model_bundle={bundle}", f"--decision_log={decision_log}",
        "--kafka_start=earliest", *AS_OF_TODAY, *more,
    )  # fmt: skip


def run(job: Job, to: Connection) -> None:
    """Run the job until the pipe is closed; send a `Sample` every `SAMPLE_S`, or what ended it as text."""
    profiler = Profiler() if job.profile else None
    failed: list[str] = []
    pipeline: Callable[..., None] = baseline.run if job.baseline else ours
    arguments = (job.options,) if job.baseline else (job.options, job.history)

    def work() -> None:
        try:
            if profiler:
                profiler.call(pipeline, *arguments)
            else:
                pipeline(*arguments)
        except StoplineError as error:
            failed.append(str(error))
        except BaseException:
            failed.append(traceback.format_exc())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    clock = time.pthread_getcpuclockid(thread.ident or 0)
    earlier = TELEMETRY.histogram()
    with suppress(EOFError, OSError):
        while not failed:
            if to.poll(SAMPLE_S):
                if to.recv() == RESET:
                    earlier = TELEMETRY.histogram()
                elif profiler:
                    to.send(profiler.times())
            to.send(sample(clock, earlier))
        to.send(failed[0])
    os._exit(0)  # a streaming pipeline has no other end


def ours(arguments: tuple[str, ...], history: Mapping[int, int]) -> None:
    """Run the main job for ever, the way `stopline run` does after a restart at the end of the history."""
    options = PipelineOptions(list(arguments), streaming=True)
    settings = replace(JobSettings.of(options), decided=history)
    with beam.Pipeline(runner=in_process(), options=options) as pipeline:
        chunks = pipeline | "Read" >> ReadChunks(settings.kafka, *topics_read(), start=settings.first)
        main.write(main.in_process(chunks, settings), settings)


def sample(clock: int, earlier: NDArray[np.int64]) -> Sample:
    counts = TELEMETRY.counts()
    thread_s = 0.0
    with suppress(OSError):  # the thread has ended
        thread_s = time.clock_gettime(clock)
    return Sample(
        time.monotonic(), counts.get("observed", 0), counts.get("decided", 0), counts, time.process_time(),
        thread_s, rss_mb(), quantiles(TELEMETRY.histogram() - earlier),
    )  # fmt: skip


def rss_mb(pid: int | str = "self") -> float:
    """Resident memory of a process; Linux only."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_s(pid: int) -> float:
    """Return the processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
