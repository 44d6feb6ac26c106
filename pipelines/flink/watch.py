"""A job watched from outside: how it stands, and what is done when it or its cluster dies."""

import re
import time
import urllib.parse
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from pipelines.flink import cluster as processes
from pipelines.flink import jobs
from pipelines.flink.cluster import Cluster, FlinkError, ask

_METRIC = re.compile(r"\.stopline_(?:kafka|decide)_(messages_read|messages_behind|p50_ms|p99_ms)$")

#: The JobManager fetches metrics when somebody asks for them, and answers with those it had before.
FETCH_S = 0.2


class Progress(NamedTuple):
    """How a job stands; what is not known yet is `None`.

    Attributes:
        status: Flink's word for it.
        messages: read by the source since the job last (re)started.
        behind: messages the brokers hold beyond those.
        p50_ms: half of the last second's decisions came within this long of the Kafka timestamp.
        p99_ms: 99 % of them did.
        checkpoint_age_s: since the last completed checkpoint was complete.
        checkpoint_bytes: of that checkpoint.
        checkpoint_ms: it took, start to end.
        failure: what caused the last failure of the job.

    """

    status: str
    messages: int | None
    behind: int | None
    p50_ms: int | None
    p99_ms: int | None
    checkpoint_age_s: float | None
    checkpoint_bytes: int | None
    checkpoint_ms: int | None
    failure: str | None


def progress(job: jobs.Job, cluster: Cluster = processes.DEFAULT) -> Progress:
    """Ask how `job` stands.

    Raises:
        FlinkError: the JobManager does not answer or no longer knows the job.

    """
    details = ask(cluster, f"/jobs/{job.id}")
    done = ask(cluster, f"/jobs/{job.id}/checkpoints")["latest"]["completed"]
    failures = ask(cluster, f"/jobs/{job.id}/exceptions?maxExceptions=1")["exceptionHistory"]["entries"]
    read = _read(job, [vertex["id"] for vertex in details["vertices"]], cluster)
    return Progress(
        status=details["state"],
        messages=read.get("messages_read"),
        behind=read.get("messages_behind"),
        p50_ms=read.get("p50_ms"),
        p99_ms=read.get("p99_ms"),
        checkpoint_age_s=time.time() - done["latest_ack_timestamp"] / 1000 if done else None,
        checkpoint_bytes=done["state_size"] if done else None,
        checkpoint_ms=done["end_to_end_duration"] if done else None,
        failure=root_cause(failures[0]["stacktrace"]) if failures else None,
    )


def follow(
    name: str,
    start: Callable[[], jobs.Submission],
    cluster: Cluster = processes.DEFAULT,
    *,
    every_s: float = 1.0,
) -> Iterator[str | Progress]:
    """Watch job `name` for ever; yields what was done about a crash, in words, and its progress.

    What died of the cluster is started again; if the job is gone with it, `start` submits it again.
    """
    while True:
        try:
            if dead := [process for process, pid in processes.status(cluster).items() if pid is None]:
                yield f"{' and '.join(dead)} gone, starting again"
                processes.up(cluster)
            if (job := jobs.live(name, cluster)) is None:
                submission = start()
                began = f"from {submission.resumed_from}" if submission.resumed_from else "without state"
                yield f"job {name!r} was gone, started again {began} as {submission.job.id}"
                continue
            yield progress(job, cluster)
            jobs.prune(name, cluster)
        except FlinkError as error:
            yield str(error)
        time.sleep(every_s)


def described(progress: Progress) -> str:
    """Say how a job stands, on one line.

    >>> described(Progress("RUNNING", 12, 3, 7, 9, 2.5, 3_400_000, 180, None))
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


def root_cause(trace: str) -> str:
    r"""Return the innermost error of a Java trace, which may quote a Python one.

    >>> root_cause("java.lang.RuntimeException: a\n\tat b\nCaused by: c.D: e\n  File x\nf.GError: h")
    'f.GError: h'
    """
    errors = [line for line in trace.splitlines() if re.match(r"(Caused by: )?[\w.$]+: ", line)]
    return errors[-1].removeprefix("Caused by: ")[:300] if errors else trace[:300]


def _read(job: jobs.Job, vertices: Sequence[str], cluster: Cluster) -> dict[str, int]:
    """Ask what the subtasks report: messages add up, and the longest time counts."""
    paths = [f"/jobs/{job.id}/vertices/{vertex}/metrics" for vertex in vertices]
    names = [[each["id"] for each in ask(cluster, path) if _METRIC.search(each["id"])] for path in paths]
    time.sleep(FETCH_S)
    found: defaultdict[str, list[int]] = defaultdict(list)
    for path, wanted in zip(paths, names, strict=True):
        if wanted:
            for each in ask(cluster, f"{path}?get={urllib.parse.quote(','.join(wanted))}"):
                found[_METRIC.search(each["id"])[1]].append(int(each["value"]))  # type: ignore[index]
    return {name: max(said) if name.endswith("_ms") else sum(said) for name, said in found.items()}
