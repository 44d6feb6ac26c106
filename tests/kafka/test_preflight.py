"""Preflight: every problem names what is missing and a command that really mends it."""

import shlex
import socket
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace

import pytest

from pipelines.kafka import port
from pipelines.kafka.local.apache import ApacheKafka
from pipelines.kafka.local.brokers import EmbeddedBroker, free_port
from pipelines.kafka.port import KafkaSettings, NewTopic, admin_command, open_admin, open_producer
from pipelines.kafka.preflight import (
    append_time,
    problems,
    require_descriptors,
    require_listener,
    require_start,
    require_topics,
)
from schemas.errors import BrokerError, ConfigError


def run(message: str, after: str) -> None:
    """Run the command that `message` names after the word `after`."""
    command = message.partition(after)[2].partition(" (or ")[0]
    assert command.startswith("python -m kafka.admin ")
    subprocess.run([sys.executable, *shlex.split(command)[1:]], check=True, capture_output=True)


def test_nothing_is_wrong_when_every_topic_is_as_expected(local: KafkaSettings) -> None:
    topics = [
        NewTopic("preflight_fine", 2),
        NewTopic("preflight_compact", 1, config={"cleanup.policy": "compact"}),
    ]

    assert len(problems(local, topics)) == 1
    assert problems(local, topics, create_topics=True) == []
    assert problems(local, topics) == []


def test_a_missing_topic_comes_with_the_command_that_creates_it(local: KafkaSettings) -> None:
    topics = [NewTopic("preflight_missing", 3)]

    (problem,) = problems(local, topics)
    assert problem.startswith("topic 'preflight_missing' does not exist; start with --create-topics or run: ")
    run(problem, "or run: ")

    assert problems(local, topics) == []


def test_topics_in_the_same_trouble_are_told_together(local: KafkaSettings) -> None:
    (problem,) = problems(local, [NewTopic(f"preflight_{name}", 3) for name in ("first", "second", "third")])

    assert problem.startswith("topic 'preflight_first' does not exist; ")
    assert problem.endswith(" (likewise: preflight_second, preflight_third)")


def test_a_topic_may_have_as_many_partitions_as_it_likes(local: KafkaSettings) -> None:
    problems(local, [NewTopic("preflight_wide", 4), NewTopic("preflight_narrow", 1)], create_topics=True)

    assert problems(local, [NewTopic("preflight_wide", 2), NewTopic("preflight_narrow", 2)]) == []


@pytest.mark.java
@pytest.mark.parametrize("client", ["confluent", "kafka-python"])
@pytest.mark.parametrize(
    ("key", "wanted"), [("message.timestamp.type", "LogAppendTime"), ("retention.ms", "-1")]
)
def test_a_topic_with_other_settings_comes_with_the_command_that_mends_it(
    apache: ApacheKafka, client: str, key: str, wanted: str
) -> None:
    settings, name = KafkaSettings(apache.address, client=client), f"preflight_{key}_{client}"  # type: ignore[arg-type]
    problems(settings, [NewTopic(name, 1, config={"retention.ms": "1000"})], create_topics=True)
    topics = [NewTopic(name, 1, config={key: wanted})]

    (problem,) = problems(settings, topics)
    assert problem.startswith(f"topic {name!r} has {key}=")
    run(problem, "; run: ")

    assert problems(settings, topics) == []


@pytest.mark.java
def test_record_times_are_the_brokers_only_where_its_topic_says_so(apache: ApacheKafka) -> None:
    settings, named = KafkaSettings(apache.address), {"message.timestamp.type": "LogAppendTime"}
    topics = [NewTopic("times_ours", 1), NewTopic("times_theirs", 1, config=named)]
    assert problems(settings, topics, create_topics=True) == []

    assert append_time(settings, ("times_ours", "times_theirs", "times_absent")) == {"times_theirs"}


def test_the_embedded_broker_vouches_for_no_record_time() -> None:
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        named = {"message.timestamp.type": "LogAppendTime"}
        assert problems(settings, [NewTopic("times", 1, config=named)], create_topics=True) == []

        assert append_time(settings, ("times",)) == frozenset()


def test_a_broker_that_is_not_there_is_told_at_once() -> None:
    settings = KafkaSettings(f"127.0.0.1:{free_port()},127.0.0.1:{free_port()}")
    began = time.monotonic()

    with pytest.raises(BrokerError) as refused:
        problems(settings, [NewTopic("a", 1), NewTopic("b", 1)])

    assert str(refused.value).startswith(f"nobody listens at {settings.brokers}; start a local broker")
    assert time.monotonic() < began + port.REQUEST_TIMEOUT_S


def test_what_listens_but_is_no_broker_is_the_only_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port, "REQUEST_TIMEOUT_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        (problem,) = problems(KafkaSettings(address, client="confluent"), [NewTopic("a", 1)])

    assert address in problem
    assert problem.endswith("; check address, TLS and SASL settings (--kafka_security)")


def test_one_of_several_brokers_that_listens_is_enough(local: KafkaSettings) -> None:
    brokers = f"127.0.0.1:{free_port()},{local.brokers}"

    require_listener(replace(local, brokers=brokers))


def test_commands_carry_the_security_settings_but_not_the_password() -> None:
    security = {
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.username": "ops",
        "sasl.password": "geheim",
    }

    command = admin_command(KafkaSettings("b1:9092,b2:9092", security=security))

    assert command == (
        "python -m kafka.admin -b b1:9092 -b b2:9092 -S SASL_SSL -M SCRAM-SHA-256 -U ops -P $PASSWORD"
    )


def test_creating_topics_leaves_existing_messages_alone(local: KafkaSettings) -> None:
    topics = [NewTopic("preflight_kept", 1)]
    problems(local, topics, create_topics=True)
    problems(local, topics, create_topics=True)

    with closing(open_admin(local)) as admin:
        assert admin.partition_counts()["preflight_kept"] == 1


@pytest.mark.parametrize("client", ["confluent", "kafka-python"])
def test_a_group_that_never_committed_says_how_much_it_would_decide_and_wants_a_start(
    local: KafkaSettings, client: str
) -> None:
    settings = replace(local, client=client, group=f"new-{client}")  # type: ignore[arg-type]
    name = f"preflight_history_{client}"
    with closing(open_admin(settings)) as admin:
        admin.create_topics([NewTopic(name, 2)])
        places = [(name, 0), (name, 1)]
        require_start(admin, settings.group, places)  # nothing is there yet
        producer = open_producer(settings)
        for number in range(3):
            producer.send(name, b"k", b"v", (), 1, partition=number % 2)
        producer.flush()

        with pytest.raises(ConfigError, match=f"'new-{client}' has never committed, and {name} holds 3 mess"):
            require_start(admin, settings.group, places)
        admin.commit(settings.group, {(name, 0): 1})
        require_start(admin, settings.group, places)


def test_a_process_may_open_the_files_its_partitions_take_or_is_told_how_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    allowed: list[tuple[int, int]] = []
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr("resource.setrlimit", lambda _, limits: allowed.append(limits))

    require_descriptors(4)
    require_descriptors(200)

    assert allowed == [(2900, 4096)]
    with pytest.raises(ConfigError, match=r"600 partitions take about 7,700 open files.*4,096.*-n 7700"):
        require_descriptors(600)


def test_every_job_asks_for_the_files_that_its_topics_take(
    local: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (256, 600))

    with pytest.raises(ConfigError, match="12 partitions take about 644 open files"):
        require_topics(local, [NewTopic("preflight_twelve", 12)], create_topics=True)
