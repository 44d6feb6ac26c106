"""Jobs on the cluster: submitted in seconds, and started again from their last good state.

Every submission is noted under the job's name (`journal`), and the next one of that name begins with the
newest good checkpoint or savepoint any of them left, unless told to begin afresh.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipelines.flink import cluster as processes
from pipelines.flink import journal
from pipelines.flink.cluster import Cluster, FlinkError, ask
from pipelines.state.identity import Identity

if TYPE_CHECKING:
    import apache_beam as beam

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


class RefusedError(FlinkError):
    """Flink does not begin a job with the state it was given."""

    def __init__(self, message: str, state: Path | None) -> None:
        super().__init__(message)
        self.state = state


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
    build: Callable[["beam.Pipeline"], None],
    *,
    cluster: Cluster = processes.DEFAULT,
    tuning: Tuning | None = None,
    options: Sequence[str] = (),
    of: Identity | None = None,
    first: Callable[["beam.Pipeline"], None] | None = None,
    fresh: bool = False,
) -> Submission:
    """Run the pipeline that `build` fills as job `name`, from the newest state of that name.

    Args:
        name: the job's, at most one of which runs.
        build: applies the graph; called once.
        cluster: must be up.
        tuning: see `Tuning`.
        options: Beam options of the graph itself.
        of: what its state is state of; compared with what the last submission said.
        first: applies the graph instead where there is no state.
        fresh: begin without state.

    Raises:
        FlinkError: one of that name runs already, or its states are gone.
        StateError: the state of that name is of something else.
        RefusedError: Flink refuses this one; names the log.

    """
    # Beam takes seconds to load, and who asks how jobs stand does without.
    from apache_beam import Pipeline  # noqa: PLC0415
    from apache_beam.options.pipeline_options import PipelineOptions  # noqa: PLC0415
    from apache_beam.runners.portability.portable_runner import PortableRunner  # noqa: PLC0415
    from apache_beam.runners.runner import PipelineState  # noqa: PLC0415

    if (running := live(name, cluster)) is not None:
        raise FlinkError(
            f"job {name!r} already runs as {running.id}; stop it with: stopline flink cancel {name}"
        )
    state = None if fresh else journal.newest_state(name, cluster)
    if state is None and not fresh and (why := journal.lost(name, cluster)):
        raise FlinkError(why)
    if of is not None and state is not None:
        of.check(journal.read(name, cluster).of, f"the state of job {name!r}, {state},")
    every = [*flags(cluster, name, tuning or Tuning(), state), *options]
    # Flink's options are known to the job server only; Beam warns of each before it passes it on.
    logging.getLogger("apache_beam.options.pipeline_options").setLevel(logging.ERROR)
    pipeline = Pipeline(runner=PortableRunner(), options=PipelineOptions(every))
    (first if first and state is None else build)(pipeline)
    result = pipeline.run()
    deadline = time.monotonic() + SUBMIT_TIMEOUT_S
    while (job := live(name, cluster)) is None:
        if result.state == PipelineState.FAILED or time.monotonic() > deadline:
            log = cluster.home / "log" / "jobserver.log"
            raise RefusedError(f"Flink did not take job {name!r}: {_last_cause(log)}; see {log}", state)
        time.sleep(0.1)
    journal.submitted(name, cluster, job.id, state, b"null" if of is None else of.encoded)
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
                written = Path(operation["location"].removeprefix("file:"))
                if stop:
                    journal.end(job.name, cluster)
                    journal.restore(job.name, written, cluster)
                return written
            cause = operation["failure-cause"]["stack-trace"].splitlines()[0]
            raise FlinkError(f"the savepoint of job {job.name!r} failed: {cause}")
        time.sleep(0.2)
    raise FlinkError(f"the savepoint of job {job.name!r} took longer than {SAVEPOINT_TIMEOUT_S:.0f} s")


def cancel(
    job: Job, cluster: Cluster = processes.DEFAULT, *, timeout_s: float = 30.0, for_good: bool = True
) -> None:
    """End the job without a savepoint; its checkpoints stay. `for_good`: whoever watches it lets it be.

    Raises:
        FlinkError: it is still there after `timeout_s`.

    """
    if for_good:
        journal.end(job.name, cluster)
    else:
        journal.replace(job.name, cluster, job.id)
    ask(cluster, f"/jobs/{job.id}?mode=cancel", method="PATCH")
    deadline = time.monotonic() + timeout_s
    while live(job.name, cluster) is not None:
        if time.monotonic() > deadline:
            raise FlinkError(f"job {job.name!r} is still being cancelled after {timeout_s:.0f} s")
        time.sleep(0.1)


def ended(name: str, cluster: Cluster = processes.DEFAULT) -> bool:
    """Tell whether the last job of this name, which runs no more, was asked to end: by us or on Flink's page.

    Raises:
        FlinkError: the JobManager does not answer.

    """
    noted = journal.read(name, cluster)
    last = noted.submissions[-1].id if noted.submissions else ""
    listed = {job.id: job.status for job in jobs(cluster)}
    return noted.ended or (last != noted.replaced and listed.get(last) in {"FINISHED", "CANCELED"})


def _last_cause(log: Path) -> str:
    causes = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("Caused by:")]
    return causes[-1] if causes else "it gave no cause"
