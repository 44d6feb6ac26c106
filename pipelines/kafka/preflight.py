"""Check the broker before a pipeline is submitted, in words an operator can act on."""

import socket
from collections.abc import Collection, Iterable
from contextlib import closing, suppress

from pipelines.kafka.port import KafkaSettings, NewTopic, admin_command, open_admin
from schemas.errors import BrokerError
from schemas.topics import TOPIC_CONFIG

#: How long one address may take to let us in.
LISTENER_TIMEOUT_S = 5.0


def problems(
    settings: KafkaSettings, topics: Collection[NewTopic], *, create_topics: bool = False
) -> list[str]:
    """Return what keeps a pipeline on `topics` from starting, each once, with the command that mends it.

    An empty list means that the broker answers and every topic has exactly the partitions asked for.
    With `create_topics` missing topics are created first, settings such as compaction included.

    Raises:
        BrokerError: nobody listens there.

    """
    require_listener(settings)
    try:
        with closing(open_admin(settings)) as admin:
            if create_topics:
                existing = admin.partition_counts()
                admin.create_topics([topic for topic in topics if topic.name not in existing])
            counts = admin.partition_counts()
    except BrokerError as error:
        return [f"{error}; check address, TLS and SASL settings (--kafka_security)"]
    alike: dict[tuple[int, int], list[NewTopic]] = {}
    for topic in topics:
        alike.setdefault((counts.get(topic.name, 0), topic.partitions), []).append(topic)
    return [
        found + (f" (likewise: {', '.join(topic.name for topic in others)})" if others else "")
        for (partitions, _), (first, *others) in alike.items()
        if (found := _problem(settings, first, partitions))
    ]


def require_topics(
    settings: KafkaSettings, topics: Collection[NewTopic], *, create_topics: bool = False
) -> None:
    """Refuse what `problems` finds.

    Raises:
        BrokerError: the broker or a topic is not as needed; says the command that mends it.

    """
    if found := problems(settings, topics, create_topics=create_topics):
        raise BrokerError("; ".join(found))


def new_topics(names: Iterable[str], partitions: int) -> list[NewTopic]:
    """Return topics as a deployment creates them."""
    return [NewTopic(name, partitions, config=TOPIC_CONFIG.get(name, {})) for name in names]


def require_listener(settings: KafkaSettings) -> None:
    """Ask at once whether anybody listens at one of the addresses; the clients try for longer.

    Raises:
        BrokerError: nobody does.

    """
    for address in settings.brokers.split(","):
        host, _, port = address.rpartition(":")
        with suppress(OSError), closing(socket.create_connection((host, int(port)), LISTENER_TIMEOUT_S)):
            return
    raise BrokerError(
        f"nobody listens at {settings.brokers}; start a local broker with `stopline broker up`, or give the "
        "address of one"
    )


def _problem(settings: KafkaSettings, topic: NewTopic, partitions: int) -> str | None:
    command = admin_command(settings)
    if partitions == topic.partitions:
        return None
    if partitions == 0:
        return (
            f"topic {topic.name!r} does not exist; start with --create-topics or run: "
            f"{command} topics create -t {topic.name} --num-partitions {topic.partitions} "
            f"--replication-factor {topic.replication}"
        )
    if partitions < topic.partitions:
        return (
            f"topic {topic.name!r} has {partitions} partitions, {topic.partitions} expected; run: "
            f"{command} partitions create -p {topic.name}:{topic.partitions} (or restart the embedded broker)"
        )
    return (
        f"topic {topic.name!r} has {partitions} partitions, {topic.partitions} expected, "
        f"and Kafka removes none; start with --partitions {partitions}, or drop it with its messages: "
        f"{command} topics delete -t {topic.name}"
    )
