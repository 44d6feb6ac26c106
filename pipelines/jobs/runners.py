"""A job that runs for ever, by the same word on every runner."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.flink import cluster, jobs, watch
from pipelines.flink.cluster import Cluster
from pipelines.in_process import runner
from pipelines.jobs.job import Job
from pipelines.jobs.options import in_process_options

RunnerName = Literal["in-process", "flink"]

#: How often a job on Flink is looked at.
LOOK_S = 2.0


def options_for(named: RunnerName, words: Sequence[str]) -> PipelineOptions:
    """Return the options that words of a command line give a job.

    Raises:
        ConfigError: in process, neither the job nor Beam knows a word; on Flink its job server may.

    """
    return in_process_options(words) if named == "in-process" else PipelineOptions(words, streaming=True)


def run_in_process(job: Job, words: Sequence[str], say: Callable[[str], None]) -> None:
    """Run a job in this process until the process ends."""
    with beam.Pipeline(runner=runner.in_process(), options=in_process_options(words)) as pipeline:
        say(job.in_process(pipeline))


def run_on_flink(
    job: Job,
    words: Sequence[str],
    say: Callable[[str], None],
    *,
    on: Cluster = cluster.DEFAULT,
    every_s: float = LOOK_S,
) -> None:
    """Run a job on the local cluster and watch it until Ctrl-C, which ends the watching only.

    It begins with the newest state it ever left, and again after a crash.

    Raises:
        FlinkError: the cluster does not start or refuses the job.

    """
    start = partial(jobs.submit, job.name, job.on_flink, cluster=on, options=words)
    cluster.up(on)
    if (running := jobs.live(job.name, on)) is not None:
        say(f"{job.name} already runs as {running.id}, watching it")
    else:
        began = start()
        origin = f"from {began.resumed_from}" if began.resumed_from else "without earlier state"
        say(f"{job.name} runs as {began.job.id}, {origin}; web page {on.rest}")
    before, since = 0, time.monotonic()
    try:
        for event in watch.follow(job.name, start, on, every_s=every_s):
            if isinstance(event, str):
                say(event)
                continue
            now, messages = time.monotonic(), event.messages or 0
            rate = max(0, messages - before) / (now - since)
            before, since = messages, now
            say(f"{rate:>9,.0f} messages/s, {watch.described(event)}")
    except KeyboardInterrupt:
        say(f"{job.name} goes on; stop it with: stopline flink savepoint {job.name} --stop")
