"""A job that runs for ever, by the same word on every runner."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.flink import cluster, jobs, journal, watch
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
    fresh: bool = False,
) -> None:
    """Run a job on the local cluster and watch it until it is asked to end or Ctrl-C, which it outlives.

    It begins with the newest state it ever left, unless `fresh`, and again after a crash.

    Raises:
        FlinkError: the cluster does not start or refuses the job.
        StateError: the state is of something else.

    """
    of = job.of()
    start = partial(
        jobs.submit, job.name, job.on_flink, cluster=on, options=words, of=of, first=job.on_flink_first
    )
    cluster.up(on)
    if (running := jobs.live(job.name, on)) is not None:
        if not cluster.runs_this_release(on):
            say(
                "the workers run another release than this command; to change over: stopline flink savepoint "
                f"{job.name} --stop, then this command again"
            )
        of.check(journal.read(job.name, on).of, f"job {job.name!r}, which runs already,")
        say(f"{job.name} already runs as {running.id}, watching it")
    else:
        if not any(each.status in jobs.LIVE for each in jobs.jobs(on)) and cluster.renew_workers(on):
            say("the pool of workers ran another release and was started again")
        for began in watch.started(job.name, partial(start, fresh=fresh), on):
            if isinstance(began, str):
                say(began)
                continue
            origin = f"from {began.resumed_from}" if began.resumed_from else "without earlier state"
            say(f"{job.name} runs as {began.job.id}, {origin}; web page {on.rest}")
    if job.beside:
        say(job.beside())
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
