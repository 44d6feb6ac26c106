"""A real cluster: a job killed in mid-stream goes on from its checkpoint."""

import os
import socket
from pathlib import Path

import pytest

from pipelines.flink import cluster
from pipelines.flink.cluster import Cluster, FlinkError
from pipelines.kafka.local.brokers import free_port
from tests.chaos import rounds
from tests.chaos.faults import Fault, schedule
from tests.chaos.subjects import StandIn


@pytest.mark.java
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_job_whose_taskmanager_is_killed_in_mid_stream_ends_like_one_nobody_disturbed(
    running: Cluster,
) -> None:
    subject = StandIn(30_000, 1, seed=1)

    whole = rounds.run("whole", subject, 2000, [], running)
    hurt = rounds.run("hurt", subject, 2000, [Fault(7.0, "kill", "taskmanager")], running)

    assert whole.lost == hurt.lost == 0
    assert whole.tables
    assert rounds.differing(whole.tables, hurt.tables) == 0
    assert whole.alerts == hurt.alerts != set()
    assert hurt.events == [hurt.events[0]]
    assert "taskmanager gone" in hurt.events[0]


def test_a_process_of_somebody_else_under_a_remembered_id_is_neither_seen_nor_stopped(tmp_path: Path) -> None:
    one = Cluster(home=tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "taskmanager.pid").write_text("1")

    assert cluster.status(one)["taskmanager"] is None
    cluster.down(one)


def test_a_running_cluster_keeps_its_state_backend_and_says_how_to_change_it(tmp_path: Path) -> None:
    one = Cluster(home=tmp_path)
    cluster._write_configuration(one, "rocksdb")
    me = os.getpid()
    (tmp_path / "run" / "taskmanager.pid").write_text(f"{me} {cluster._born(me)}")

    with pytest.raises(FlinkError, match=r"runs with rocksdb.*stopline flink down"):
        cluster.up(one, state_backend="hashmap")


def test_what_a_cluster_keeps_is_for_its_user_only(tmp_path: Path) -> None:
    cluster._write_configuration(Cluster(home=tmp_path), "hashmap")

    assert tmp_path.stat().st_mode & 0o077 == 0


def test_a_cluster_does_not_start_on_a_port_that_somebody_else_listens_on(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]

        with pytest.raises(FlinkError, match=f"port {taken}, which the jobserver needs, is taken"):
            cluster.up(Cluster(tmp_path, rest_port=free_port(), job_port=taken, worker_port=free_port()))


def test_equal_seeds_draw_equal_faults_and_all_fall_into_the_feed() -> None:
    drawn = [schedule(seed, 30.0) for seed in range(50)]

    assert drawn == [schedule(seed, 30.0) for seed in range(50)]
    assert all(0 < fault.at_s < 30 for faults in drawn for fault in faults)
    assert {fault.target for faults in drawn for fault in faults} >= {
        "worker",
        "taskmanager",
        "jobmanager",
        "all",
    }
