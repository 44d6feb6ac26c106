"""A job watched from outside: how it stands, and what is done when it or its cluster dies."""

import re
import time
import urllib.parse
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pipelines.flink import cluster as processes
from pipelines.flink import jobs, journal
from pipelines.flink.cluster import Cluster, FlinkError, ask
from pipelines.telemetry import troubles

_METRIC = re.compile(
    r"\.stopline_(?:(?:kafka|decide)_(messages_read|messages_behind|p50_ms|p99_ms)|(status_\w+))$"
)

#: The JobManager fetches metrics when somebody asks for them, and answers with those it had before.
FETCH_S = 0.2


#: A state is given up after so many failures without progress.
TRIES = 3

#: Causes that an older state may mend: ours say so, Flink's are of Java unless a process or a slot was lost.
_OF_STATE = re.compile(r"StateError|^(?:java|org|com|net)\.")
_ELSEWHERE = re.compile(r"Connect|TaskManager|TaskExecutor|Heartbeat|Timeout|UNAVAILABLE|[Ss]lot|SDK harness")


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
        failed_ms: when that was.
        counts: what the job counts of itself, as its status in process tells them.

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
    failed_ms: int | None = None
    counts: Mapping[str, int] = {}


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
        failed_ms=failures[0]["timestamp"] if failures else None,
        counts={
            name.removeprefix("status_"): n for name, n in read.items() if name.startswith("status_") and n
        },
    )


class Attempts:
    """Whether the state that a job began with can be read: progress proves it, failures without give it up.

    The state is read when messages come, so that a checkpoint completed before says nothing of it.
    """

    def __init__(self, name: str, cluster: Cluster) -> None:
        self._name = name
        self._cluster = cluster
        self._failures: Counter[str] = Counter()
        self._failed_ms = 0
        self._read_since: float | None = None
        self._kept = False

    def saw(self, progress: Progress) -> str | None:
        """Take note of how the job stands; returns what was done about it, in words."""
        if progress.checkpoint_age_s is not None and not self._kept:
            self._kept = True
            journal.keep(self._name, self._cluster)
        if progress.failed_ms and progress.failed_ms > self._failed_ms:
            self._failed_ms, self._read_since = progress.failed_ms, None
            return self.failed(progress.failure or "")
        if progress.status == "RUNNING" and progress.messages:
            now = time.time()
            self._read_since = self._read_since or now
            took_s = (progress.checkpoint_ms or 0) / 1000
            if (
                progress.checkpoint_age_s is not None
                and now - progress.checkpoint_age_s - took_s > self._read_since
            ):
                self._failures.clear()
                journal.prove(self._name, self._cluster)
        return None

    def failed(self, cause: str) -> str | None:
        """Count a failure; after some the state it began with is given up for the next older one."""
        noted = journal.read(self._name, self._cluster)
        state = noted.submissions[-1].resumed_from if noted.submissions else ""
        if not state or not _OF_STATE.search(cause) or _ELSEWHERE.search(cause):
            return None
        if noted.submissions[-1].proven:
            newest = journal.newest_state(self._name, self._cluster)
            state = str(newest) if newest else state
        return self.failed_with(state, cause)

    def failed_with(self, state: str, cause: str) -> str | None:
        """Count a failure with a state."""
        self._failures[state] += 1
        if self._failures[state] < TRIES:
            return None
        del self._failures[state]
        tried = f"state {state} could not be used in {TRIES} tries ({cause})"
        following = journal.give_up(self._name, self._cluster, Path(state))
        if following is None:
            return f"{tried} and no other is left; restore one, or begin without: --fresh"
        if (running := jobs.live(self._name, self._cluster)) is not None:
            jobs.cancel(running, self._cluster, for_good=False)
        return f"{tried}, going on from {following}"


def started(
    name: str,
    start: Callable[[], jobs.Submission],
    cluster: Cluster = processes.DEFAULT,
    attempts: Attempts | None = None,
) -> Iterator[str | jobs.Submission]:
    """Start a job; yields what is done about states that it cannot begin with, at last the submission.

    Raises:
        FlinkError: it does not start for another reason, or no state is left.

    """
    attempts = attempts or Attempts(name, cluster)
    while True:
        try:
            yield start()
        except jobs.RefusedError as error:
            if error.state is None:
                raise
            said = attempts.failed_with(str(error.state), str(error))
            if said and journal.newest_state(name, cluster) == error.state:
                raise FlinkError(said) from error
            if said:
                yield said
            continue
        return


def follow(
    name: str,
    start: Callable[[], jobs.Submission],
    cluster: Cluster = processes.DEFAULT,
    *,
    every_s: float = 1.0,
) -> Iterator[str | Progress]:
    """Watch job `name`; yields what was done about a crash, in words, and its progress.

    What died of the cluster is started again; if the job is gone with it, `start` submits it again. Ends when
    the job or the cluster was asked to end.
    """
    attempts = Attempts(name, cluster)
    while True:
        try:
            if dead := [process for process, pid in processes.status(cluster).items() if pid is None]:
                if processes.was_stopped(cluster):
                    yield "the cluster was stopped and is not started again; the next run goes on from there"
                    return
                yield f"{' and '.join(dead)} gone, starting again"
                processes.up(cluster)
            if (job := jobs.live(name, cluster)) is not None:
                stands = progress(job, cluster)
                yield stands
                if said := attempts.saw(stands):
                    yield said
            elif jobs.ended(name, cluster):
                yield f"job {name!r} was asked to end and is not started again; the next run goes on there"
                return
            else:
                for each in started(name, start, cluster, attempts):
                    if isinstance(each, str):
                        yield each
                        continue
                    began = f"from {each.resumed_from}" if each.resumed_from else "without state"
                    yield f"job {name!r} was gone, started again {began} as {each.job.id}"
                continue
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
    parts += troubles(progress.counts)
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
                metric = _METRIC.search(each["id"])
                assert metric is not None
                found[metric[1] or metric[2]].append(int(each["value"]))
    return {name: max(said) if name.endswith("_ms") else sum(said) for name, said in found.items()}
