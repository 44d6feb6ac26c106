"""What was submitted under a job's name, the states it left, and which of them may be gone on from.

A session cluster forgets its jobs when the JobManager dies; the checkpoints stay on disk. A state counts as
good once a job that began with it has read messages and completed a checkpoint since, or if the job that left
it began without any. One that could not be read is passed over from then on, and nothing earlier is removed
before the last submission has proved its own.
"""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from pipelines import kept
from pipelines.flink.cluster import Cluster, FlinkError
from schemas.errors import StateError, cause


class Submitted(msgspec.Struct):
    """A job that was submitted.

    Attributes:
        id: Flink's.
        resumed_from: the folder of the state it began with, "" if it began without.
        proven: it has read that state, and written its own since.

    """

    id: str
    resumed_from: str = ""
    proven: bool = False


class Journal(msgspec.Struct):
    """Of one name, in the order of submission.

    Attributes:
        submissions: the last is the one that runs, or ran.
        chosen: the state that the next one begins with, "" for the newest good one.
        unreadable: states that were given up.
        ended: the last one was asked to end.
        replaced: the job that its watcher cancelled, to start another from an older state.
        of: what the state is state of (`pipelines.state.identity`), as the last submission said.
        left: a submission left a state.

    """

    submissions: list[Submitted] = []
    chosen: str = ""
    unreadable: list[str] = []
    ended: bool = False
    replaced: str = ""
    of: msgspec.Raw = msgspec.Raw(b"null")
    left: bool = False


def read(name: str, cluster: Cluster) -> Journal:
    """Return the journal of a name, an empty one at first.

    Raises:
        FlinkError: it is damaged.

    """
    try:
        found = kept.read(_file(name, cluster))
        return Journal() if found is None else msgspec.json.decode(found, type=Journal)
    except (StateError, ValueError) as error:
        file = _file(name, cluster)
        raise FlinkError(
            f"{file} says no more where job {name!r} goes on ({cause(error)}); remove {file}* and choose a "
            f"state: stopline flink restore {name} FOLDER, or begin without: --fresh"
        ) from error


def lost(name: str, cluster: Cluster) -> str | None:
    """Return why a job of this name must not begin without state unless it is told to; None if it may."""
    noted = read(name, cluster)
    begin = f"choose one: stopline flink restore {name} FOLDER, or begin without: --fresh"
    if noted.left:
        return f"every state of job {name!r} is gone from {cluster.home}; {begin}"
    if not noted.submissions and (unclaimed := _unclaimed(cluster)):
        return f"{unclaimed} holds states and no file of {cluster.home / 'jobs'} says of which job; {begin}"
    return None


def _unclaimed(cluster: Cluster) -> Path | None:
    names = {file.name.split(".json")[0] for file in (cluster.home / "jobs").glob("*.json*")}
    known = {job.id for name in names for job in read(name, cluster).submissions}
    found = (path.parents[1] for path in cluster.home.glob("checkpoints/*/chk-*/_metadata"))
    return next((folder for folder in found if folder.name not in known), None)


@contextmanager
def changing(name: str, cluster: Cluster) -> Iterator[Journal]:
    """Change the journal of a name, in one step and one process at a time."""
    file = _file(name, cluster)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        journal = read(name, cluster)
        yield journal
        kept.write(file, msgspec.json.encode(journal))


def keep(name: str, cluster: Cluster) -> None:
    """Note that the job has left a state: from now on it does not begin without one by itself."""
    if not read(name, cluster).left:
        with changing(name, cluster) as journal:
            journal.left = True


def submitted(name: str, cluster: Cluster, job_id: str, resumed_from: Path | None, of: bytes) -> None:
    """Note a submission."""
    origin = "" if resumed_from is None else str(resumed_from)
    with changing(name, cluster) as journal:
        journal.submissions.append(Submitted(job_id, origin, proven=resumed_from is None))
        journal.chosen, journal.ended, journal.of = "", False, msgspec.Raw(of)


def end(name: str, cluster: Cluster) -> None:
    """Note that the job was asked to end: it is not to be started again by whoever watches it."""
    with changing(name, cluster) as journal:
        journal.ended = True


def replace(name: str, cluster: Cluster, job_id: str) -> None:
    """Note that a job is cancelled only for another to be started."""
    with changing(name, cluster) as journal:
        journal.replaced = job_id


def restore(name: str, state: Path, cluster: Cluster) -> None:
    """Let the next submission of a name begin with this checkpoint or savepoint.

    Raises:
        FlinkError: the folder holds none that is complete.

    """
    if not (state / "_metadata").exists():
        raise FlinkError(
            f"{state} is not a complete checkpoint or savepoint: it has no _metadata; "
            "give the folder that `stopline flink savepoint` printed"
        )
    with changing(name, cluster) as journal:
        journal.chosen = str(state.resolve())
        journal.unreadable = [each for each in journal.unreadable if each != journal.chosen]


def newest_state(name: str, cluster: Cluster) -> Path | None:
    """Return the state chosen by `restore`, else the newest good one, else the newest there is."""
    return _newest(read(name, cluster), cluster)


def _newest(journal: Journal, cluster: Cluster) -> Path | None:
    if journal.chosen:
        return Path(journal.chosen)
    good, others = [], []
    for job in journal.submissions:
        left = [path for path in states(job.id, cluster) if str(path) not in journal.unreadable]
        if job.proven:
            good += left
        elif job.resumed_from not in journal.unreadable:
            others += left
    return max(good or others, key=_written_ns, default=None)


def prove(name: str, cluster: Cluster) -> None:
    """Note that the last submission has read its state and written one since; earlier checkpoints go."""
    noted = read(name, cluster).submissions
    if not noted or (len(noted) == 1 and noted[0].proven):
        return
    with changing(name, cluster) as journal:
        *earlier, last = journal.submissions
        last.proven = True
        if states(last.id, cluster):
            for job in earlier:
                shutil.rmtree(cluster.home / "checkpoints" / job.id, ignore_errors=True)
            journal.submissions = [last]


def give_up(name: str, cluster: Cluster, state: Path) -> Path | None:
    """Pass over a state that could not be read; return the one that is next.

    None if there is no other: then nothing is given up, for what is left may be mended.
    """
    with changing(name, cluster) as journal:
        before = msgspec.structs.replace(journal)
        journal.unreadable = [*before.unreadable, str(state)]
        journal.chosen = "" if before.chosen == str(state) else before.chosen
        following = _newest(journal, cluster)
        if following is None:
            journal.unreadable, journal.chosen = before.unreadable, before.chosen
    return following


def states(job_id: str, cluster: Cluster) -> list[Path]:
    """Return the complete states that a job left: Flink renames `_metadata` into place last."""
    patterns = (f"checkpoints/{job_id}/chk-*/_metadata", f"savepoints/savepoint-{job_id[:6]}-*/_metadata")
    return [found.parent for pattern in patterns for found in cluster.home.glob(pattern)]


def _written_ns(state: Path) -> int:
    try:
        return (state / "_metadata").stat().st_mtime_ns
    except FileNotFoundError:  # Flink keeps three, this one is gone since
        return 0


def _file(name: str, cluster: Cluster) -> Path:
    return cluster.home / "jobs" / f"{name}.json"
