"""Jobs without a cluster: which state a job goes on from, and what is done when it is gone."""

import os
from pathlib import Path

import msgspec
import pytest

from pipelines import release
from pipelines.flink import cluster as processes
from pipelines.flink import jobs, journal, watch
from pipelines.flink.cluster import PROCESSES, Cluster, FlinkError
from pipelines.flink.jobs import Job, Submission, Tuning
from pipelines.flink.watch import Progress
from pipelines.state import evolve
from pipelines.state.identity import Identity
from schemas.errors import StateError

FIRST, SECOND = "a" * 32, "b" * 32
WELL = Progress("RUNNING", 10, 0, 20, 50, 1.0, 100, 5, None)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    (tmp_path / "jobs").mkdir()
    return Cluster(home=tmp_path)


def submitted(cluster: Cluster, *ids: str, proven: bool = True, resumed_from: Path | None = None) -> None:
    for each in ids:
        journal.submitted("stopline", cluster, each, resumed_from, b"null")
    with journal.changing("stopline", cluster) as noted:
        for each in noted.submissions:
            each.proven |= proven


def left(cluster: Cluster, state: str, at_s: int, *, complete: bool = True) -> Path:
    folder = cluster.home / state
    folder.mkdir(parents=True)
    if complete:
        (folder / "_metadata").touch()
        os.utime(folder / "_metadata", (at_s, at_s))
    return folder


def test_a_job_goes_on_from_the_newest_complete_state_any_submission_left(cluster: Cluster) -> None:
    submitted(cluster, FIRST, SECOND)
    left(cluster, f"checkpoints/{FIRST}/chk-9", 100)
    newest = left(cluster, f"checkpoints/{SECOND}/chk-2", 200)
    left(cluster, f"checkpoints/{SECOND}/chk-3", 300, complete=False)
    left(cluster, f"checkpoints/{'c' * 32}/chk-1", 400)

    assert journal.newest_state("stopline", cluster) == newest


def test_a_savepoint_newer_than_every_checkpoint_is_where_it_goes_on(cluster: Cluster) -> None:
    submitted(cluster, FIRST)
    left(cluster, f"checkpoints/{FIRST}/chk-9", 100)
    savepoint = left(cluster, "savepoints/savepoint-aaaaaa-0123456789ab", 200)

    assert journal.newest_state("stopline", cluster) == savepoint


def test_the_first_submission_has_no_state(cluster: Cluster) -> None:
    assert journal.newest_state("stopline", cluster) is None


def test_the_state_chosen_by_restore_comes_before_the_newest(cluster: Cluster) -> None:
    submitted(cluster, FIRST)
    older = left(cluster, f"checkpoints/{FIRST}/chk-1", 100)
    left(cluster, f"checkpoints/{FIRST}/chk-2", 200)

    journal.restore("stopline", older, cluster)

    assert journal.newest_state("stopline", cluster) == older


def test_a_state_that_is_not_complete_cannot_be_chosen(cluster: Cluster) -> None:
    torn = left(cluster, f"checkpoints/{FIRST}/chk-1", 100, complete=False)

    with pytest.raises(FlinkError, match="not a complete checkpoint"):
        journal.restore("stopline", torn, cluster)


def test_checkpoints_of_earlier_submissions_stay_until_the_last_has_its_own(cluster: Cluster) -> None:
    submitted(cluster, FIRST, SECOND)
    old = left(cluster, f"checkpoints/{FIRST}/chk-9", 100)

    journal.prove("stopline", cluster)
    assert old.exists()  # the last has none yet

    left(cluster, f"checkpoints/{SECOND}/chk-1", 200)
    journal.prove("stopline", cluster)
    assert not old.exists()
    assert journal.newest_state("stopline", cluster) is not None


def test_the_options_name_the_state_to_resume_from(cluster: Cluster, tmp_path: Path) -> None:
    assert f"--savepoint_path=file://{tmp_path}/chk-1" in jobs.flags(
        cluster, "stopline", Tuning(), tmp_path / "chk-1"
    )
    assert not any("savepoint" in flag for flag in jobs.flags(cluster, "stopline", Tuning()))


def test_a_job_that_is_gone_is_started_again_and_said_so(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter([None, Job("b", "stopline", "RUNNING", 0)])
    monkeypatch.setattr(processes, "status", lambda cluster: dict.fromkeys(PROCESSES, 1))
    monkeypatch.setattr(jobs, "live", lambda name, cluster: next(found))
    monkeypatch.setattr(jobs, "jobs", lambda cluster: [])
    monkeypatch.setattr(watch, "progress", lambda job, cluster: WELL)
    job = Job("b", "stopline", "CREATED", 0)

    followed = watch.follow("stopline", lambda: Submission(job, tmp_path / "chk-7"), cluster, every_s=0)

    assert next(followed) == f"job 'stopline' was gone, started again from {tmp_path}/chk-7 as b"
    assert next(followed) == WELL


def test_a_process_that_is_gone_is_started_again_and_said_so(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Cluster] = []
    monkeypatch.setattr(
        processes, "status", lambda cluster: dict.fromkeys(PROCESSES, 1) | {"taskmanager": None}
    )
    monkeypatch.setattr(processes, "up", started.append)

    followed = watch.follow("stopline", lambda: pytest.fail("not asked for"), cluster, every_s=0)

    assert next(followed) == "taskmanager gone, starting again"
    monkeypatch.setattr(jobs, "live", lambda name, cluster: Job("a", name, "RESTARTING", 0))
    monkeypatch.setattr(watch, "progress", lambda job, cluster: WELL)
    assert next(followed) == WELL
    assert started == [cluster]


def test_progress_adds_up_what_subtasks_read_and_shows_the_slowest_of_their_latencies(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {
        "0.Read.stopline_kafka_messages_read": "10",
        "1.Read.stopline_kafka_messages_read": "20",
        "0.Accounts.stopline_decide_p50_ms": "40",
        "0.Accounts.stopline_decide_p99_ms": "90",
        "1.Accounts.stopline_decide_p50_ms": "60",
        "1.Accounts.stopline_decide_p99_ms": "70",
        "0.Accounts.numRecordsIn": "7",
    }

    def answer(on: Cluster, path: str) -> object:
        if "/metrics" in path:
            return [
                {"id": name, "value": value}
                for name, value in said.items()
                if "?" not in path or name in path
            ]
        return {
            "state": "RUNNING", "vertices": [{"id": "v"}], "latest": {"completed": None},
            "exceptionHistory": {"entries": []},
        }  # fmt: skip

    monkeypatch.setattr(watch, "ask", answer)

    assert watch.progress(Job("a", "stopline", "RUNNING", 0), cluster) == Progress(
        "RUNNING", messages=30, behind=None, p50_ms=60, p99_ms=90,
        checkpoint_age_s=None, checkpoint_bytes=None, checkpoint_ms=None, failure=None,
    )  # fmt: skip


def test_a_jobmanager_that_does_not_answer_is_reported_with_the_next_step(cluster: Cluster) -> None:
    silent = Cluster(home=cluster.home, rest_port=1)

    with pytest.raises(FlinkError, match="stopline flink up"):
        jobs.jobs(silent)


# States that cannot be read


RESTARTING = Progress("RESTARTING", None, None, None, None, None, None, None, None)
DAMAGED = "schemas.errors.StateError: an entry of the state is damaged"


def failing(cause: str, at_ms: int) -> Progress:
    return RESTARTING._replace(failure=cause, failed_ms=at_ms)


@pytest.fixture
def attempts(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> watch.Attempts:
    monkeypatch.setattr(jobs, "live", lambda name, cluster: None)
    return watch.Attempts("stopline", cluster)


def test_a_state_that_cannot_be_read_is_given_up_after_some_tries_for_the_next_older_one(
    cluster: Cluster, attempts: watch.Attempts
) -> None:
    submitted(cluster, FIRST)
    older = left(cluster, f"checkpoints/{FIRST}/chk-8", 100)
    newest = left(cluster, f"checkpoints/{FIRST}/chk-9", 200)
    submitted(cluster, SECOND, proven=False, resumed_from=newest)
    left(cluster, f"checkpoints/{SECOND}/chk-1", 300)  # complete, and made of what nobody has read

    said = [attempts.saw(failing(DAMAGED, at)) for at in (1, 1, 2, 3)]

    assert said[:3] == [None] * 3
    assert said[3] == f"state {newest} could not be used in 3 tries ({DAMAGED}), going on from {older}"
    assert journal.newest_state("stopline", cluster) == older


def test_a_checkpoint_completed_before_the_state_was_read_is_not_what_comes_next(cluster: Cluster) -> None:
    submitted(cluster, FIRST)
    read = left(cluster, f"checkpoints/{FIRST}/chk-9", 100)
    submitted(cluster, SECOND, proven=False, resumed_from=read)
    left(cluster, f"checkpoints/{SECOND}/chk-1", 200)

    assert journal.newest_state("stopline", cluster) == read


def test_nothing_earlier_is_removed_before_messages_were_read_and_a_checkpoint_followed(
    cluster: Cluster, attempts: watch.Attempts
) -> None:
    submitted(cluster, FIRST)
    old = left(cluster, f"checkpoints/{FIRST}/chk-9", 100)
    submitted(cluster, SECOND, proven=False, resumed_from=old)
    left(cluster, f"checkpoints/{SECOND}/chk-1", 200)

    idle = WELL._replace(messages=0, checkpoint_age_s=0.0)
    for stands in (idle, WELL._replace(checkpoint_age_s=9.0), WELL._replace(checkpoint_age_s=5.0)):
        attempts.saw(stands)
        assert old.exists()
    attempts.saw(WELL._replace(checkpoint_age_s=-60.0))  # a minute later

    assert not old.exists()
    assert journal.read("stopline", cluster).submissions == [journal.Submitted(SECOND, str(old), True)]


@pytest.mark.parametrize(
    "cause",
    [
        "schemas.errors.BrokerError: nobody listens",
        "ValueError: something of a payment",
        "java.net.ConnectException: Connection refused",
        "org.apache.flink.util.FlinkException: TaskExecutor lost",
    ],
)
def test_what_an_older_state_would_not_mend_gives_none_up(
    cluster: Cluster, attempts: watch.Attempts, cause: str
) -> None:
    submitted(cluster, FIRST)
    left(cluster, f"checkpoints/{FIRST}/chk-8", 100)
    newest = left(cluster, f"checkpoints/{FIRST}/chk-9", 200)
    submitted(cluster, SECOND, proven=False, resumed_from=newest)

    assert [attempts.saw(failing(cause, at)) for at in range(1, 9)] == [None] * 8
    assert journal.newest_state("stopline", cluster) == newest


def test_the_last_state_is_never_given_up_and_the_way_on_is_said(
    cluster: Cluster, attempts: watch.Attempts
) -> None:
    submitted(cluster, FIRST)
    only = left(cluster, f"checkpoints/{FIRST}/chk-9", 100)
    submitted(cluster, SECOND, proven=False, resumed_from=only)

    said = [attempts.saw(failing(DAMAGED, at)) for at in range(1, 4)]

    assert "no other is left; restore one, or begin without: --fresh" in (said[2] or "")
    assert journal.newest_state("stopline", cluster) == only


def test_a_state_that_flink_refuses_at_submission_is_tried_thrice_and_then_the_next_older_one(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(cluster, FIRST)
    older = left(cluster, f"checkpoints/{FIRST}/chk-8", 100)
    newest = left(cluster, f"checkpoints/{FIRST}/chk-9", 200)
    tried: list[Path | None] = []
    monkeypatch.setattr(jobs, "live", lambda name, cluster: None)

    def start() -> Submission:
        tried.append(journal.newest_state("stopline", cluster))
        if tried[-1] == newest:
            raise jobs.RefusedError("Caused by: java.io.EOFException", newest)
        return Submission(Job(SECOND, "stopline", "CREATED", 0), tried[-1])

    said, began = watch.started("stopline", start, cluster)

    assert tried == [newest, newest, newest, older]
    assert str(newest) in str(said) and "EOFException" in str(said)
    assert isinstance(began, Submission) and began.resumed_from == older


# Ends that were asked for


@pytest.mark.parametrize("status", ["CANCELED", "FINISHED", None])
def test_a_job_that_was_asked_to_end_is_not_started_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, status: str | None
) -> None:
    submitted(cluster, FIRST)
    if status is None:  # the JobManager was restarted since, and no longer knows the job
        journal.end("stopline", cluster)
    listed = [] if status is None else [Job(FIRST, "stopline", status, 0)]
    monkeypatch.setattr(processes, "status", lambda cluster: dict.fromkeys(PROCESSES, 1))
    monkeypatch.setattr(jobs, "jobs", lambda cluster: listed)

    followed = [*watch.follow("stopline", lambda: pytest.fail("started"), cluster, every_s=0)]

    assert len(followed) == 1
    assert str(followed[0]).startswith("job 'stopline' was asked to end and is not started again")


def test_a_job_that_its_watcher_cancelled_to_start_another_is_not_taken_for_one_that_was_asked_to_end(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(cluster, FIRST)
    monkeypatch.setattr(jobs, "jobs", lambda cluster: [Job(FIRST, "stopline", "CANCELED", 0)])
    monkeypatch.setattr(jobs, "ask", lambda *_, **__: {})
    assert jobs.ended("stopline", cluster)

    jobs.cancel(Job(FIRST, "stopline", "RUNNING", 0), cluster, for_good=False)

    assert not jobs.ended("stopline", cluster)


def test_a_cluster_that_was_stopped_is_not_started_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cluster.home / "run").mkdir()
    (cluster.home / "run" / "stopped").touch()
    monkeypatch.setattr(processes, "up", lambda cluster: pytest.fail("started"))

    followed = [*watch.follow("stopline", lambda: pytest.fail("started"), cluster, every_s=0)]

    assert followed == ["the cluster was stopped and is not started again; the next run goes on from there"]


def test_a_savepoint_that_ends_the_job_is_where_the_next_run_begins(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(cluster, FIRST, proven=False, resumed_from=cluster.home / "chk-1")
    written = left(cluster, "savepoints/savepoint-aaaaaa-1", 100)
    left(cluster, f"checkpoints/{FIRST}/chk-9", 200)
    answers = iter(
        [{"request-id": "t"}, {"status": {"id": "COMPLETED"}, "operation": {"location": f"file:{written}"}}]
    )
    monkeypatch.setattr(jobs, "ask", lambda *_: next(answers))

    assert jobs.savepoint(Job(FIRST, "stopline", "RUNNING", 0), cluster, stop=True) == written

    assert journal.read("stopline", cluster).ended
    assert journal.newest_state("stopline", cluster) == written
    submitted(cluster, SECOND)
    assert not journal.read("stopline", cluster).ended


# What state is state of


OF = Identity(cluster_id="A", shards=2, currency="CNY", jurisdiction="CN")


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ({"cluster_id": "B"}, "is of the brokers with cluster id A, --kafka_brokers names those of B"),
        ({"shards": 4}, "has ledgers of 2 shards, now 4 are asked for; give --ledger_shards 2, or begin"),
        ({"currency": "GBP"}, "counts values in CNY, the policy in GBP"),
        ({"jurisdiction": "UK"}, "is of a job under the law of CN, the policy is of UK"),
        ({"rows": {"payers": 0}}, "holds rows 'payers' of number \\d, this release knows 0"),
    ],
)
def test_state_of_something_else_is_refused_before_anything_is_submitted(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, now: dict[str, object], told: str
) -> None:
    journal.submitted("stopline", cluster, FIRST, None, OF.encoded)
    left(cluster, f"checkpoints/{FIRST}/chk-9", 100)
    monkeypatch.setattr(jobs, "live", lambda name, cluster: None)
    if "rows" in now:
        known = evolve.newest() | {"payers": 0}
        monkeypatch.setattr(evolve, "newest", lambda: known)
    other = msgspec.structs.replace(OF, **now)

    with pytest.raises(StateError, match=f"^the state of job 'stopline', .*chk-9, {told}") as refused:
        jobs.submit("stopline", lambda _: pytest.fail("built"), cluster=cluster, of=other)

    assert str(refused.value).endswith("begin without state: --fresh")


def test_the_state_of_the_same_thing_and_of_a_job_that_said_nothing_are_taken(cluster: Cluster) -> None:
    OF.check(OF.encoded, "state")
    OF.check(b"null", "state")
    OF.check(msgspec.structs.replace(OF, rows={"gone": 0}).encoded, "state")


def test_workers_of_another_release_are_told_from_those_of_this_one(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not processes.runs_this_release(cluster)
    (cluster.home / "run").mkdir()
    processes._release_file(cluster).write_text(release.stamp())
    assert processes.runs_this_release(cluster)

    monkeypatch.setattr(release, "stamp", lambda: "another")
    assert not processes.runs_this_release(cluster)
