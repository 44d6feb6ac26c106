"""Check the broker before a pipeline is submitted, in words an operator can act on."""

import resource
import socket
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing, suppress

from pipelines.kafka.admission import kept_out
from pipelines.kafka.port import (
    Admin,
    KafkaSettings,
    NewTopic,
    Partition,
    TopicState,
    admin_command,
    open_admin,
)
from pipelines.kafka.waiting import EMBEDDED
from schemas.errors import BrokerError, ConfigError
from schemas.topics import TOPIC_CONFIG

#: How long one address may take to let us in.
LISTENER_TIMEOUT_S = 5.0


#: Open files of a job besides its consumers, and of each partition's consumer: 8 with librdkafka, 4 with
#: kafka-python, counted against one broker; connections to more brokers come on top.
DESCRIPTORS, DESCRIPTORS_A_CONSUMER = 500, 12


def problems(
    settings: KafkaSettings, topics: Collection[NewTopic], *, create_topics: bool = False
) -> list[str]:
    """Return what keeps a pipeline on `topics` from starting, each once, with the command that mends it.

    An empty list means that the broker answers and every topic is there with the settings asked for; it may
    have any number of partitions. With `create_topics` missing topics are created first, settings included.

    Raises:
        BrokerError: nobody listens there.

    """
    return _looked_at(settings, topics, create_topics=create_topics)[0]


def require_topics(
    settings: KafkaSettings, topics: Collection[NewTopic], *, create_topics: bool = False
) -> None:
    """Refuse what `problems` finds.

    Raises:
        BrokerError: the broker or a topic is not as needed; says the command that mends it.
        ConfigError: this process may open too few files for them.

    """
    found, there = _looked_at(settings, topics, create_topics=create_topics)
    if found:
        raise BrokerError("; ".join(found))
    require_descriptors(sum(state.partitions for state in there.values()))


def append_time(settings: KafkaSettings, names: Collection[str]) -> frozenset[str]:
    """Return those topics whose record times are the broker's of receipt; elsewhere the sender sets them.

    Raises:
        BrokerError: the broker does not tell.

    """
    with closing(open_admin(settings)) as admin:
        if admin.cluster_id() == EMBEDDED:
            return frozenset()
        there = admin.describe(names)
        return frozenset(
            name
            for name in there
            if admin.topic_config(name).get("message.timestamp.type") == "LogAppendTime"
        )


def require_start(admin: Admin, group: str, places: Sequence[Partition]) -> None:
    """Refuse to begin with what a topic has held for long, unless somebody says so.

    Raises:
        ConfigError: the group never committed, and there is something to read.

    """
    if admin.committed(group, places):
        return
    first, end = admin.beginning_offsets(places), admin.end_offsets(places)
    if waiting := sum(end[at] - first[at] for at in places):
        names = " and ".join(sorted({topic for topic, _ in places}))
        raise ConfigError(
            f"group {group!r} has never committed, and {names} holds {waiting:,} messages, which it would "
            "decide and act on; give --kafka_start earliest for all of them, latest for new ones only, or "
            "with --kafka_group the group that ran before"
        )


def require_descriptors(partitions: int) -> None:
    """Let this process and those it starts open as many files as the consumers of so many partitions take.

    Raises:
        ConfigError: the system does not allow it; says how many are needed.

    """
    wanted = DESCRIPTORS + partitions * DESCRIPTORS_A_CONSUMER
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise ConfigError(
            f"{partitions} partitions take about {wanted:,} open files, and this process may have {hard:,}; "
            f"raise it with `ulimit -n {wanted}` or LimitNOFILE={wanted} of its systemd unit"
        )
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


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


def _looked_at(
    settings: KafkaSettings, topics: Collection[NewTopic], *, create_topics: bool
) -> tuple[list[str], dict[str, TopicState]]:
    """Return what `problems` tells, and the topics that are there."""
    require_listener(settings)
    if found := kept_out(settings):
        return [found], {}
    try:
        with closing(open_admin(settings)) as admin:
            names = [topic.name for topic in topics]
            if create_topics:
                there = admin.describe(names)
                admin.create_topics([topic for topic in topics if topic.name not in there])
            there = admin.describe(names)
            configs = {
                topic.name: admin.topic_config(topic.name)
                for topic in topics
                if topic.name in there and topic.config
            }
    except BrokerError as error:
        return [f"{error}; check address, TLS and SASL settings (--kafka_security)"], {}
    missing = [topic for topic in topics if topic.name not in there]
    unset = [
        (topic.name, key, configs[topic.name][key], value)
        for topic in topics
        if topic.name in configs
        for key, value in topic.config.items()
        if configs[topic.name].get(key, value) != value
    ]
    return _absent(settings, missing) + [_unset(settings, *each) for each in unset], there


def _absent(settings: KafkaSettings, topics: list[NewTopic]) -> list[str]:
    if not topics:
        return []
    first, *others = topics
    likewise = f" (likewise: {', '.join(topic.name for topic in others)})" if others else ""
    return [
        f"topic {first.name!r} does not exist; start with --create-topics or run: {admin_command(settings)} "
        f"topics create -t {first.name} --num-partitions {first.partitions} "
        f"--replication-factor {first.replication}{likewise}"
    ]


def _unset(settings: KafkaSettings, topic: str, key: str, is_: str, wanted: str) -> str:
    return (
        f"topic {topic!r} has {key}={is_}, {wanted} expected; run: {admin_command(settings)} "
        f"configs alter -r topic -n {topic} -c {key}={wanted}"
    )
