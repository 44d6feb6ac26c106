"""`stopline flink`: a Flink cluster on this machine and the jobs on it, from the command line."""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import apache_beam as beam
import typer

from pipelines.flink import cluster, jobs, watch
from pipelines.flink.cluster import FlinkError, StateBackend
from pipelines.hot import graph
from pipelines.jobs.options import JobSettings
from pipelines.kafka.reading.keyed_source import ReadChunksKeyed
from schemas import topics

MAIN_JOB = "stopline"

#: Shards per ledger unless more are asked for: one, which makes the hot path one stage of one subtask.
SHARDS = 1

app = typer.Typer(no_args_is_help=True, help="Run a Flink cluster on this machine.")

Name = Annotated[str, typer.Argument(help="The job's name, as `stopline flink status` lists it.")]


@app.command()
def up(
    state_backend: Annotated[
        StateBackend | None,
        typer.Option(
            "--state_backend",
            help="Where state is held: on the heap, or in RocksDB with incremental checkpoints. Kept until "
            "changed; hashmap at first.",
        ),
    ] = None,
) -> None:
    """Start JobManager, TaskManager, job server and Python worker pool, those that are not running.

    A job goes on under the other backend from a savepoint, not from a checkpoint.

    Example: stopline flink up --state_backend rocksdb
    """
    cluster.up(state_backend=state_backend)
    typer.echo(f"Flink is up; its web page is {cluster.DEFAULT.rest}")


@app.command()
def down() -> None:
    """Stop them all; jobs end, their checkpoints stay and the next run goes on from there.

    Example: stopline flink down
    """
    cluster.down()
    typer.echo("Flink is down")


@app.command()
def status() -> None:
    """Show processes and jobs; exit code 1 if a process is missing.

    Example: stopline flink status
    """
    running = cluster.status()
    for name, pid in running.items():
        typer.echo(f"{name:<12} {'not running' if pid is None else f'pid {pid}'}")
    if running["jobmanager"] is not None:
        for job in jobs.jobs():
            typer.echo(f"job {job.name:<20} {job.status:<10} {job.id} {described(watch.progress(job))}")
    if None in running.values():
        typer.echo("start what is missing with: stopline flink up")
        raise typer.Exit(1)


@app.command()
def savepoint(
    name: Name, stop: Annotated[bool, typer.Option("--stop", help="End the job with it.")] = False
) -> None:
    """Write a savepoint, which outlives upgrades, and show its folder.

    Example: stopline flink savepoint stopline --stop
    """
    typer.echo(str(jobs.savepoint(_live(name), stop=stop)))


@app.command()
def restore(name: Name, state: Annotated[Path, typer.Argument(help="Folder of a savepoint.")]) -> None:
    """Let the next run of the job begin with this savepoint or checkpoint instead of the newest.

    Example: stopline flink restore stopline var/flink/savepoints/savepoint-1a2b3c-4d5e6f
    """
    jobs.restore(name, state)
    typer.echo(f"the next run of {name} begins with {state}")


@app.command()
def cancel(name: Name) -> None:
    """End a job without a savepoint; the next run goes on from its last checkpoint.

    Example: stopline flink cancel stopline
    """
    jobs.cancel(_live(name))
    typer.echo(f"{name} is cancelled")


def main_graph(settings: JobSettings, pipeline: beam.Pipeline) -> None:
    """Apply the main job as it runs on Flink, from its topics to its topics."""
    if settings.shards == 1:
        source = ReadChunksKeyed(settings.kafka, *topics.READ, start=settings.first, readers=1)
        graph.write(graph.build_in_one(pipeline, source, settings), settings)
        return
    chunks = pipeline | "Read" >> ReadChunksKeyed(settings.kafka, *topics.READ, start=settings.first)
    graph.write(graph.build(chunks, settings), settings)


def run_main(settings: JobSettings, options: Sequence[str], *, every_s: float = 2.0) -> None:
    """Run the main job on the local cluster until Ctrl-C, and go on watching it; for `stopline run`.

    It begins with the newest state it ever left, and again after a crash. Ctrl-C ends the watching only.

    Raises:
        FlinkError: the cluster does not start or refuses the job.

    """

    def start() -> jobs.Submission:
        return jobs.submit(MAIN_JOB, partial(main_graph, settings), options=options)

    cluster.up()
    if (running := jobs.live(MAIN_JOB)) is not None:
        typer.echo(f"{MAIN_JOB} already runs as {running.id}, watching it")
    else:
        began = start()
        typer.echo(f"{MAIN_JOB} runs as {began.job.id}, {_origin(began)}; web page {cluster.DEFAULT.rest}")
    before, since = 0, time.monotonic()
    try:
        for event in watch.follow(MAIN_JOB, start, every_s=every_s):
            if isinstance(event, str):
                typer.echo(event)
                continue
            now, messages = time.monotonic(), event.messages or 0
            rate = max(0, messages - before) / (now - since)
            before, since = messages, now
            typer.echo(f"{rate:>9,.0f} payments/s, {described(event)}")
    except KeyboardInterrupt:
        typer.echo(f"{MAIN_JOB} goes on; stop it with: stopline flink savepoint {MAIN_JOB} --stop")


def _origin(submission: jobs.Submission) -> str:
    state = submission.resumed_from
    return "without earlier state" if state is None else f"from {state}"


def described(progress: watch.Progress) -> str:
    """Say how a job stands, on one line.

    >>> described(watch.Progress("RUNNING", 12, 3, 7, 9, 2.5, 3_400_000, 180, None))
    'RUNNING, 12 messages read, 3 to read, last p50 7 ms, p99 9 ms, checkpoint 2.5 s old, 3.4 MB, took 180 ms'
    """
    parts = [progress.status]
    if progress.messages is not None:
        parts.append(f"{progress.messages:,} messages read")
    if progress.behind is not None:
        parts.append(f"{progress.behind:,} to read")
    if progress.p50_ms is not None:
        parts.append(f"last p50 {progress.p50_ms:,} ms, p99 {progress.p99_ms:,} ms")
    if progress.checkpoint_age_s is not None and progress.checkpoint_bytes is not None:
        size = progress.checkpoint_bytes / 1e6
        parts.append(f"checkpoint {progress.checkpoint_age_s:.1f} s old, {size:.1f} MB")
        parts.append(f"took {progress.checkpoint_ms} ms")
    if progress.failure is not None:
        parts.append(f"last failure: {progress.failure}")
    return ", ".join(parts)


def _live(name: str) -> jobs.Job:
    job = jobs.live(name)
    if job is None:
        raise FlinkError(f"no job {name!r} is running; list them with: stopline flink status")
    return job
