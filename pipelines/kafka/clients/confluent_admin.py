"""Topics and offsets through confluent-kafka."""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import confluent_kafka as ck
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec
from confluent_kafka.admin import NewTopic as CkNewTopic

from pipelines.kafka import port
from pipelines.kafka.admission import kept_out
from pipelines.kafka.clients.confluent import client_config, consumer_config, made
from pipelines.kafka.port import (
    FETCH_WAIT_MS,
    ChoosingError,
    KafkaSettings,
    NewTopic,
    Partition,
    TopicState,
    await_leaders,
    patient,
)
from pipelines.kafka.refusals import CHOOSING, of_connection
from schemas.errors import BrokerError

STABLE, WRITTEN = ck.IsolationLevel.READ_COMMITTED, ck.IsolationLevel.READ_UNCOMMITTED


def topic_id(written: str) -> str:
    """Return a topic's id as Kafka writes it, from base64 as librdkafka does; empty if it is nought.

    >>> topic_id("AaIp5cJIckC/C1Ei42rSMQ"), topic_id("AAAAAAAAAAAAAAAAAAAAAA")
    ('AaIp5cJIckC_C1Ei42rSMQ', '')
    """
    return written.replace("+", "-").replace("/", "_").rstrip("=") if written.strip("A=") else ""


class Admin(port.Admin):
    """`Admin` over librdkafka."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._client = made(AdminClient, {**client_config(settings), "log.connection.close": True})

    def create_topics(self, topics: Collection[NewTopic]) -> None:
        """See `Admin.create_topics`."""
        wanted = [
            CkNewTopic(topic.name, topic.partitions, topic.replication, config=dict(topic.config))
            for topic in topics
        ]
        if not wanted:
            return
        for name, future in self._client.create_topics(
            wanted, request_timeout=port.REQUEST_TIMEOUT_S
        ).items():
            with self._asking(f"creating topic {name}", but_not=ck.KafkaError.TOPIC_ALREADY_EXISTS):
                future.result()
        await_leaders(self, topics)

    def cluster_id(self) -> str:
        """See `Admin.cluster_id`."""
        with self._asking("describing the cluster"):
            found = self._client.describe_cluster(request_timeout=port.REQUEST_TIMEOUT_S)
            return str(found.result().cluster_id)

    @patient
    def describe(self, topics: Collection[str]) -> dict[str, TopicState]:
        """See `Admin.describe`."""
        found: dict[str, TopicState] = {}
        if not topics:
            return found
        wanted = ck.TopicCollection(list(topics))
        for name, future in self._client.describe_topics(
            wanted, request_timeout=port.REQUEST_TIMEOUT_S
        ).items():
            with self._asking(f"describing topic {name}", but_not=ck.KafkaError.UNKNOWN_TOPIC_OR_PART):
                topic = future.result()
                if any(partition.leader is None for partition in topic.partitions):
                    raise ChoosingError(f"topic {name} has a partition without a leader")
                found[name] = TopicState(topic_id(str(topic.topic_id)), len(topic.partitions))
        return found

    def partition_counts(self) -> dict[str, int]:
        """See `Admin.partition_counts`.

        A client's first listing waits 250 ms for a connection that it does not ask for, as others do.
        """
        with self._asking("listing topics"):
            self._client.describe_cluster(request_timeout=port.REQUEST_TIMEOUT_S).result()
            topics = self._client.list_topics(timeout=port.REQUEST_TIMEOUT_S).topics
        return {name: len(topic.partitions) for name, topic in topics.items() if topic.partitions}

    def topic_config(self, topic: str) -> dict[str, str]:
        """See `Admin.topic_config`."""
        with self._asking(f"describing topic {topic}"):
            (answer,) = self._client.describe_configs(
                [ConfigResource(ConfigResource.Type.TOPIC, topic)], request_timeout=port.REQUEST_TIMEOUT_S
            ).values()
            return {name: entry.value for name, entry in answer.result().items()}

    def beginning_offsets(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """See `Admin.beginning_offsets`."""
        return {at: found.offset for at, found in self._list(partitions, OffsetSpec.earliest()).items()}

    def end_offsets(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """See `Admin.end_offsets`.

        The embedded broker lists the start of the last batch, not its end; the high watermark that comes
        with a fetch from there is right on every broker, as long as no transaction is open.
        """
        written = self._list(partitions, OffsetSpec.latest(), WRITTEN)
        stable = {at: found.offset for at, found in self._list(partitions, OffsetSpec.latest()).items()}
        settled = {at: offset for at, offset in stable.items() if offset == written[at].offset}
        return stable | self._fetched_ends(settled)

    def _fetched_ends(self, listed: Mapping[Partition, int]) -> dict[Partition, int]:
        ends: dict[Partition, int] = {}
        if not listed:
            return ends
        consumer = made(ck.Consumer, {**consumer_config(self._settings), "fetch.wait.max.ms": FETCH_WAIT_MS})
        try:
            consumer.assign(
                [TopicPartition(topic, number, offset) for (topic, number), offset in listed.items()]
            )
            deadline = time.monotonic() + port.REQUEST_TIMEOUT_S
            while missing := set(listed) - set(ends):
                if time.monotonic() > deadline:
                    raise BrokerError(
                        f"{sorted(missing)[0]} was not served by the broker at {self._settings.brokers}"
                    )
                for message in consumer.consume(10_000, timeout=0.05):
                    at = TopicPartition(message.topic(), message.partition())
                    if (
                        error := message.error()
                    ) is not None and error.code() == ck.KafkaError._PARTITION_EOF:
                        ends.setdefault((at.topic, at.partition), message.offset())
                    elif error is None:
                        ends[at.topic, at.partition] = consumer.get_watermark_offsets(at, cached=True)[1]
            return ends
        finally:
            consumer.close()

    def offsets_for_times(self, partitions: Collection[Partition], timestamp_us: int) -> dict[Partition, int]:
        """See `Admin.offsets_for_times`."""
        found = self._list(partitions, OffsetSpec.for_timestamp(timestamp_us // 1000))
        ends = self.end_offsets([at for at, result in found.items() if result.timestamp < 0])
        return {at: ends.get(at, result.offset) for at, result in found.items()}

    @patient
    def _list(
        self, partitions: Collection[Partition], spec: OffsetSpec, isolation: Any = STABLE
    ) -> dict[Partition, Any]:
        if not partitions:
            return {}
        request = {TopicPartition(topic, number): spec for topic, number in partitions}
        with self._asking("listing offsets"):
            futures = self._client.list_offsets(
                request, isolation_level=isolation, request_timeout=port.REQUEST_TIMEOUT_S
            )
            return {(at.topic, at.partition): future.result() for at, future in futures.items()}

    def committed(self, group: str, partitions: Collection[Partition]) -> dict[Partition, int]:
        """See `Admin.committed`."""
        return {(at.topic, at.partition): at.offset for at in self._committed(group, partitions)}

    def committed_ids(self, group: str, partitions: Collection[Partition]) -> dict[Partition, str]:
        """See `Admin.committed_ids`."""
        found = self._committed(group, partitions)
        return {(at.topic, at.partition): at.metadata for at in found if at.metadata}

    @patient
    def _committed(self, group: str, partitions: Collection[Partition]) -> list[TopicPartition]:
        """Ask as a consumer: librdkafka's admin client crashes while the group's coordinator is loading."""
        if not partitions:
            return []
        consumer = made(ck.Consumer, {**consumer_config(self._settings), "group.id": group})
        try:
            with self._asking("reading committed offsets"):
                wanted = [TopicPartition(*at) for at in partitions]
                found = consumer.committed(wanted, timeout=port.REQUEST_TIMEOUT_S)
        finally:
            consumer.close()
        return [at for at in found if at.offset >= 0]

    @patient
    def commit(
        self, group: str, offsets: Mapping[Partition, int], topic_ids: Mapping[str, str] | None = None
    ) -> None:
        """See `Admin.commit`."""
        ids = topic_ids or {}
        where = [
            TopicPartition(topic, number, offset, metadata=ids.get(topic, ""))
            for (topic, number), offset in offsets.items()
        ]
        request = ck.ConsumerGroupTopicPartitions(group, where)
        with self._asking("committing offsets"):
            answer = self._client.alter_consumer_group_offsets(
                [request], request_timeout=port.REQUEST_TIMEOUT_S
            )
            settled = answer[group].result().topic_partitions
        for at in settled:
            if at.error is not None:
                raise self._refusal(f"committing {at.topic}[{at.partition}]@{at.offset}", at.error)

    def close(self) -> None:
        """See `Admin.close`; librdkafka frees the handle with the object."""

    @contextmanager
    def _asking(self, doing: str, but_not: int | None = None) -> Iterator[None]:
        try:
            yield
        except ck.KafkaException as refused:
            code = refused.args[0].code()
            if code != but_not:
                if of_connection(code) and (reason := kept_out(self._settings)):
                    raise BrokerError(f"{doing} at {self._settings.brokers} failed: {reason}") from refused
                raise self._refusal(doing, refused.args[0]) from refused

    def _refusal(self, doing: str, error: Any) -> BrokerError:
        kind = ChoosingError if error.code() in CHOOSING else BrokerError
        return kind(f"{doing} at {self._settings.brokers} failed: {error.str()}")
