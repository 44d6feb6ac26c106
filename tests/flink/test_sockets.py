"""Nothing that a command starts can be reached from another machine."""

import os
import socket
from pathlib import Path

import pytest

from pipelines.flink import cluster
from pipelines.flink.cluster import Cluster, FlinkError
from pipelines.kafka.local.apache import ApacheKafka
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.listening import listeners, off_loopback


def test_a_socket_on_all_addresses_is_seen_and_one_on_loopback_is_not() -> None:
    with socket.create_server(("0.0.0.0", 0)) as open_, socket.create_server(("127.0.0.1", 0)) as closed:
        ports = {each.port for each in off_loopback([os.getpid()])}

        assert open_.getsockname()[1] in ports
        assert closed.getsockname()[1] not in ports
        assert closed.getsockname()[1] in {each.port for each in listeners([os.getpid()])}


def test_an_embedded_broker_listens_on_loopback_only() -> None:
    with EmbeddedBroker() as broker:
        found = listeners([os.getpid()])

        assert broker.address in {f"127.0.0.1:{each.port}" for each in found}
        assert off_loopback([os.getpid()]) == []


def test_a_cluster_that_others_could_reach_is_stopped_and_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[Cluster] = []
    monkeypatch.setattr(cluster, "status", lambda one: {"jobserver": os.getpid(), "workers": None})
    monkeypatch.setattr(cluster, "down", stopped.append)
    one = Cluster(home=tmp_path)

    with socket.create_server(("0.0.0.0", 0)) as open_:
        port = open_.getsockname()[1]
        with pytest.raises(FlinkError, match=rf"reached from other machines \(jobserver on 0.0.0.0:{port}\)"):
            cluster.require_loopback(one)

    assert stopped == [one]


@pytest.mark.java
@pytest.mark.slow
def test_apache_kafka_listens_on_loopback_only() -> None:
    with ApacheKafka() as broker:
        assert broker.address in {f"127.0.0.1:{each.port}" for each in listeners([os.getpid()])}
        assert off_loopback([os.getpid()]) == []


@pytest.mark.java
@pytest.mark.slow
def test_a_flink_cluster_listens_on_loopback_only(running: Cluster) -> None:
    pids = [pid for pid in cluster.status(running).values() if pid is not None]

    assert {running.job_port, running.rest_port, running.worker_port} <= {e.port for e in listeners(pids)}
    assert off_loopback(pids) == []
