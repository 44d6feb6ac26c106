"""Jobs on the cluster: submitted in seconds, and started again from their last good state.

A session cluster forgets its jobs when the JobManager dies; the checkpoints stay on disk. So every
submission is noted under the job's name, and the next one of that name begins with the newest checkpoint
or savepoint any of them left, unless told to begin afresh.
"""

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.portable_runner import PortableRunner
from apache_beam.runners.runner import PipelineState

from pipelines.flink import cluster as processes
from pipelines.flink.cluster import Cluster, FlinkError, ask

#: States in which a job is working or will be again without our doing.
LIVE = ("INITIALIZING", "CREATED", "RUNNING", "RESTARTING", "FAILING", "RECONCILING")

SUBMIT_TIMEOUT_S = 60.0
SAVEPOINT_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Tuning:
    """What trades latency, throughput and checkpoint cost; docs/flink.md has the measured effects.

    Attributes:
        parallelism: subtasks of every stage. More than one, with as many workers and several shards, where
            there are more than two cores.
        workers: Python processes that share the subtasks of all stages.
        max_parallelism: key groups; part of the update contract, it bounds later parallelism.
        bundle_ms: a stage hands on what it has after this long. Several stages need 50: blocks cost
            milliseconds however few their rows, so a shorter time only lets a busy job fall behind.
        bundle_elements: or after this many elements.
        checkpoint_ms: between the starts of two checkpoints.
        cache_mb: state a Python worker keeps across bundles instead of asking the TaskManager for it; 0 as
            our state is two small values a shard, and weighing one for the cache costs more than asking.

    """

    parallelism: int = 1
    workers: int = 1
    max_parallelism: int = 128
    bundle_ms: int = 10
    bundle_elements: int = 1000
    checkpoint_ms: int = 5000
    cache_mb: int = 0


class Job(NamedTuple):
    """A job as the cluster lists it."""

    id: str
    name: str
    status: str
    started_ms: int


class Submission(NamedTuple):
    """A job just started, and the checkpoint or savepoint it began with."""

    job: Job
    resumed_from: Path | None


def flags(cluster: Cluster, name: str, tuning: Tuning, resume_from: Path | None = None) -> list[str]:
    """Return the Beam options that run a pipeline as job `name` on `cluster`."""
    return [
        f"--job_name={name}",
        "--streaming",
        f"--job_endpoint=127.0.0.1:{cluster.job_port}",
        "--environment_type=EXTERNAL",
        f"--environment_config=127.0.0.1:{cluster.worker_port}",
        f"--sdk_worker_parallelism={tuning.workers}",
        f"--max_cache_memory_usage_mb={tuning.cache_mb}",
        f"--parallelism={tuning.parallelism}",
        f"--max_parallelism={tuning.max_parallelism}",
        f"--max_bundle_time_mills={tuning.bundle_ms}",
        f"--max_bundle_size={tuning.bundle_elements}",
        f"--checkpointing_interval={tuning.checkpoint_ms}",
        "--finish_bundle_before_checkpointing",
        # Without it the first addition to a log after each checkpoint begins with a copy of all of it,
        # encoded and decoded: 1 to 2 s for 50 MB. States are bytes, which nobody changes.
        "--faster_copy",
        # Two options whose default is true; Beam's parser reads a flag for one as "not". Chains would give
        # the operators other ids at parallelism 1, and a savepoint of another parallelism would not fit.
        "--fail_on_checkpointing_errors",
        "--operator_chaining",
        *([f"--savepoint_path=file://{resume_from}"] if resume_from else []),
    ]


def submit(
    name: str,
    build: Callable[[beam.Pipeline], None],
    *,
    cluster: Cluster = processes.DEFAULT,
    tuning: Tuning | None = None,
    options: Sequence[str] = (),
    fresh: bool = False,
) -> Submission:
    """Run the pipeline that `build` fills as job `name`, from the newest state of that name.

    Args:
        name: the job's, at most one of which runs.
        build: applies the graph; called once.
        cluster: must be up.
        tuning: see `Tuning`.
        options: Beam options of the graph itself.
        fresh: begin without state.

    Raises:
        FlinkError: one of that name runs already, or Flink refuses this one; names the log.

    """
    if (running := live(name, cluster)) is not None:
        raise FlinkError(
            f"job {name!r} already runs as {running.id}; stop it with: stopline flink cancel {name}"
        )
    state = None if fresh else newest_state(name, cluster)
    every = [*flags(cluster, name, tuning or Tuning(), state), *options]
    # Flink's options are known to the job server only; Beam warns of each before it passes it on.
    logging.getLogger("apache_beam.options.pipeline_options").setLevel(logging.ERROR)
    pipeline = beam.Pipeline(runner=PortableRunner(), options=PipelineOptions(every))
    build(pipeline)
    result = pipeline.run()
    deadline = time.monotonic() + SUBMIT_TIMEOUT_S
    while (job := live(name, cluster)) is None:
        if result.state == PipelineState.FAILED or time.monotonic() > deadline:
            log = cluster.home / "log" / "jobserver.log"
            raise FlinkError(f"Flink did not take job {name!r}: {_last_cause(log)}; see {log}")
        time.sleep(0.1)
    with _journal(name, cluster).open("a") as journal:
        journal.write(f"{job.id}\n")
    _chosen(name, cluster).unlink(missing_ok=True)
    return Submission(job, state)


def jobs(cluster: Cluster = processes.DEFAULT) -> list[Job]:
    """Return the cluster's jobs, newest first.

    Raises:
        FlinkError: the JobManager does not answer.

    """
    found = [
        Job(job["jid"], job["name"], job["state"], job["start-time"])
        for job in ask(cluster, "/jobs/overview")["jobs"]
    ]
    return sorted(found, key=lambda job: -job.started_ms)


def live(name: str, cluster: Cluster = processes.DEFAULT) -> Job | None:
    """Return the job of this name that works or will again, if there is one."""
    return next((job for job in jobs(cluster) if job.name == name and job.status in LIVE), None)


def require(name: str, cluster: Cluster = processes.DEFAULT) -> Job:
    """Return the job of this name that works or will again.

    Raises:
        FlinkError: there is none.

    """
    if (job := live(name, cluster)) is None:
        raise FlinkError(f"no job {name!r} is running; list them with: stopline flink status")
    return job


def newest_state(name: str, cluster: Cluster = processes.DEFAULT) -> Path | None:
    """Return the state chosen by `restore`, else the newest complete one that jobs of this name left."""
    if (chosen := _chosen(name, cluster)).exists():
        return Path(chosen.read_text())
    found = [path for job_id in _submitted(name, cluster) for path in _states(job_id, cluster)]
    return max(found, key=lambda path: (path / "_metadata").stat().st_mtime_ns, default=None)


def restore(name: str, state: Path, cluster: Cluster = processes.DEFAULT) -> None:
    """Let the next submission of `name` begin with this checkpoint or savepoint.

    Raises:
        FlinkError: the folder holds none that is complete.

    """
    if not (state / "_metadata").exists():
        raise FlinkError(
            f"{state} is not a complete checkpoint or savepoint: it has no _metadata; "
            "give the folder that `stopline flink savepoint` printed"
        )
    _chosen(name, cluster).write_text(str(state.resolve()))


def prune(name: str, cluster: Cluster = processes.DEFAULT) -> None:
    """Remove the checkpoints of all submissions but the last, once that has one of its own."""
    *earlier, last = _submitted(name, cluster) or [""]
    if earlier and _states(last, cluster):
        for job_id in earlier:
            shutil.rmtree(cluster.home / "checkpoints" / job_id, ignore_errors=True)
        _journal(name, cluster).write_text(f"{last}\n")


def savepoint(job: Job, cluster: Cluster = processes.DEFAULT, *, stop: bool = False) -> Path:
    """Write a savepoint and return its folder; with `stop`, end the job with it.

    Raises:
        FlinkError: it failed or took longer than two minutes.

    """
    body = {"target-directory": f"file://{cluster.home}/savepoints", "cancel-job": stop}
    trigger = ask(cluster, f"/jobs/{job.id}/savepoints", body)["request-id"]
    deadline = time.monotonic() + SAVEPOINT_TIMEOUT_S
    while time.monotonic() < deadline:
        answer = ask(cluster, f"/jobs/{job.id}/savepoints/{trigger}")
        if answer["status"]["id"] == "COMPLETED":
            operation = answer["operation"]
            if "location" in operation:
                return Path(operation["location"].removeprefix("file:"))
            cause = operation["failure-cause"]["stack-trace"].splitlines()[0]
            raise FlinkError(f"the savepoint of job {job.name!r} failed: {cause}")
        time.sleep(0.2)
    raise FlinkError(f"the savepoint of job {job.name!r} took longer than {SAVEPOINT_TIMEOUT_S:.0f} s")


def cancel(job: Job, cluster: Cluster = processes.DEFAULT, *, timeout_s: float = 30.0) -> None:
    """End the job without a savepoint; its checkpoints stay.

    Raises:
        FlinkError: it is still there after `timeout_s`.

    """
    ask(cluster, f"/jobs/{job.id}?mode=cancel", method="PATCH")
    deadline = time.monotonic() + timeout_s
    while live(job.name, cluster) is not None:
        if time.monotonic() > deadline:
            raise FlinkError(f"job {job.name!r} is still being cancelled after {timeout_s:.0f} s")
        time.sleep(0.1)


def _submitted(name: str, cluster: Cluster) -> list[str]:
    journal = _journal(name, cluster)
    return journal.read_text().split() if journal.exists() else []


def _states(job_id: str, cluster: Cluster) -> list[Path]:
    """Complete ones only: Flink renames `_metadata` into place last."""
    patterns = (f"checkpoints/{job_id}/chk-*/_metadata", f"savepoints/savepoint-{job_id[:6]}-*/_metadata")
    return [found.parent for pattern in patterns for found in cluster.home.glob(pattern)]


def _journal(name: str, cluster: Cluster) -> Path:
    folder = cluster.home / "jobs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.ids"


def _chosen(name: str, cluster: Cluster) -> Path:
    return _journal(name, cluster).with_suffix(".next")


def _last_cause(log: Path) -> str:
    causes = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("Caused by:")]
    return causes[-1] if causes else "it gave no cause"
