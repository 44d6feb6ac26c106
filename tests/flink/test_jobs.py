"""Jobs without a cluster: which state a job goes on from, and what is done when it is gone."""

import os
from pathlib import Path

import pytest

from pipelines.flink import cluster as processes
from pipelines.flink import jobs, watch
from pipelines.flink.cluster import PROCESSES, Cluster, FlinkError
from pipelines.flink.jobs import Job, Submission, Tuning
from pipelines.flink.watch import Progress

FIRST, SECOND = "a" * 32, "b" * 32
WELL = Progress("RUNNING", 10, 0, 20, 50, 1.0, 100, 5, None)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    (tmp_path / "jobs").mkdir()
    return Cluster(home=tmp_path)


def submitted(cluster: Cluster, *ids: str) -> None:
    (cluster.home / "jobs" / "stopline.ids").write_text("".join(f"{each}\n" for each in ids))


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

    assert jobs.newest_state("stopline", cluster) == newest


def test_a_savepoint_newer_than_every_checkpoint_is_where_it_goes_on(cluster: Cluster) -> None:
    submitted(cluster, FIRST)
    left(cluster, f"checkpoints/{FIRST}/chk-9", 100)
    savepoint = left(cluster, "savepoints/savepoint-aaaaaa-0123456789ab", 200)

    assert jobs.newest_state("stopline", cluster) == savepoint


def test_the_first_submission_has_no_state(cluster: Cluster) -> None:
    assert jobs.newest_state("stopline", cluster) is None


def test_the_state_chosen_by_restore_comes_before_the_newest(cluster: Cluster) -> None:
    submitted(cluster, FIRST)
    older = left(cluster, f"checkpoints/{FIRST}/chk-1", 100)
    left(cluster, f"checkpoints/{FIRST}/chk-2", 200)

    jobs.restore("stopline", older, cluster)

    assert jobs.newest_state("stopline", cluster) == older


def test_a_state_that_is_not_complete_cannot_be_chosen(cluster: Cluster) -> None:
    torn = left(cluster, f"checkpoints/{FIRST}/chk-1", 100, complete=False)

    with pytest.raises(FlinkError, match="not a complete checkpoint"):
        jobs.restore("stopline", torn, cluster)


def test_checkpoints_of_earlier_submissions_stay_until_the_last_has_its_own(cluster: Cluster) -> None:
    submitted(cluster, FIRST, SECOND)
    old = left(cluster, f"checkpoints/{FIRST}/chk-9", 100)

    jobs.prune("stopline", cluster)
    assert old.exists()

    left(cluster, f"checkpoints/{SECOND}/chk-1", 200)
    jobs.prune("stopline", cluster)
    assert not old.exists()
    assert jobs.newest_state("stopline", cluster) is not None


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
