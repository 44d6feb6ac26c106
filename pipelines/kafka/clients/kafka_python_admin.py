"""Topics and offsets through kafka-python."""

import base64
import time
import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
from kafka.errors import LeaderNotAvailableError, TopicAlreadyExistsError, for_code
from kafka.protocol.consumer.offsets import IsolationLevel
from kafka.structs import OffsetAndMetadata

from pipelines.kafka import port
from pipelines.kafka.clients.kafka_python import asking, client_config, consumer
from pipelines.kafka.port import (
    FETCH_WAIT_MS,
    KafkaSettings,
    NewTopic,
    Partition,
    TopicState,
    await_leaders,
    patient,
)
from pipelines.kafka.refusals import NO_TOPIC
from schemas.errors import BrokerError


def _topic_id(written: str) -> str:
    """Return a topic's id as Kafka writes it, from hexadecimal; empty if it is nought."""
    given = uuid.UUID(written)
    return base64.urlsafe_b64encode(given.bytes).decode().rstrip("=") if given.int else ""


class Admin(port.Admin):
    """`Admin` over kafka-python."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        with asking(settings, "connecting"):
            self._client = KafkaAdminClient(**client_config(settings))

    def create_topics(self, topics: Collection[NewTopic]) -> None:
        """See `Admin.create_topics`."""
        for topic in topics:
            wanted = {
                "num_partitions": topic.partitions,
                "replication_factor": topic.replication,
                "configs": dict(topic.config),
            }
            with asking(self._settings, f"creating topic {topic.name}"), suppress(TopicAlreadyExistsError):
                self._client.create_topics({topic.name: wanted})
        if topics:
            await_leaders(self, topics)

    def cluster_id(self) -> str:
        """See `Admin.cluster_id`."""
        with asking(self._settings, "describing the cluster"):
            return str(self._client.describe_cluster()["cluster_id"])

    @patient
    def describe(self, topics: Collection[str]) -> dict[str, TopicState]:
        """See `Admin.describe`."""
        if not topics:
            return {}
        with asking(self._settings, "describing topics"):
            found = self._client.describe_topics(list(topics))
            for topic in found:
                if topic["error_code"] and topic["error_code"] not in NO_TOPIC:
                    raise for_code(topic["error_code"])()
                if any(partition["leader_id"] < 0 for partition in topic["partitions"]):
                    raise LeaderNotAvailableError()
        return {
            topic["name"]: TopicState(_topic_id(topic["topic_id"]), len(topic["partitions"]))
            for topic in found
            if not topic["error_code"]
        }

    def partition_counts(self) -> dict[str, int]:
        """See `Admin.partition_counts`."""
        with asking(self._settings, "listing topics"):
            return {topic["name"]: len(topic["partitions"]) for topic in self._client.describe_topics()}

    def topic_config(self, topic: str) -> dict[str, str]:
        """See `Admin.topic_config`."""
        with asking(self._settings, f"describing topic {topic}"):
            found = self._client.describe_configs(
                [ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all"
            )
        return {name: entry["value"] for name, entry in found["topic"][topic].items()}

    def beginning_offsets(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """See `Admin.beginning_offsets`."""
        return {at: found.offset for at, found in self._list(partitions, OffsetSpec.EARLIEST).items()}

    def end_offsets(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """See `Admin.end_offsets`; confirmed by a fetch, as `confluent_admin.Admin.end_offsets` explains."""
        written = self._list(partitions, OffsetSpec.LATEST, IsolationLevel.READ_UNCOMMITTED)
        stable = {at: found.offset for at, found in self._list(partitions, OffsetSpec.LATEST).items()}
        settled = {at: offset for at, offset in stable.items() if offset == written[at].offset}
        return stable | self._fetched_ends(settled)

    def _fetched_ends(self, stable: Mapping[Partition, int]) -> dict[Partition, int]:
        listed = {TopicPartition(*at): offset for at, offset in stable.items()}
        ends: dict[Partition, int] = {}
        if not listed:
            return ends
        reader = consumer(self._settings, fetch_max_wait_ms=FETCH_WAIT_MS)
        try:
            reader.assign(list(listed))
            for at, offset in listed.items():
                reader.seek(at, offset)
            deadline = time.monotonic() + port.REQUEST_TIMEOUT_S
            while missing := set(listed) - set(ends):
                if time.monotonic() > deadline:
                    raise BrokerError(
                        f"{sorted(missing)[0]} was not served by the broker at {self._settings.brokers}"
                    )
                with asking(self._settings, "listing offsets"):
                    reader.poll(50)
                ends |= {tuple(at): end for at in missing if (end := reader.highwater(at)) is not None}
            return ends
        finally:
            reader.close(autocommit=False)

    def offsets_for_times(self, partitions: Collection[Partition], timestamp_us: int) -> dict[Partition, int]:
        """See `Admin.offsets_for_times`."""
        found = self._list(partitions, timestamp_us // 1000)
        ends = self.end_offsets([at for at, result in found.items() if result.timestamp < 0])
        return {at: ends.get(at, result.offset) for at, result in found.items()}

    @patient
    def _list(
        self,
        partitions: Collection[Partition],
        spec: Any,
        isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
    ) -> dict[Partition, Any]:
        if not partitions:
            return {}
        with asking(self._settings, "listing offsets"):
            found = self._client.list_partition_offsets(
                {TopicPartition(*at): spec for at in partitions}, isolation_level=isolation
            )
        return {tuple(at): result for at, result in found.items()}

    def committed(self, group: str, partitions: Collection[Partition]) -> dict[Partition, int]:
        """See `Admin.committed`."""
        return {at: found.offset for at, found in self._committed(group, partitions).items()}

    def committed_ids(self, group: str, partitions: Collection[Partition]) -> dict[Partition, str]:
        """See `Admin.committed_ids`."""
        found = self._committed(group, partitions)
        return {at: result.metadata for at, result in found.items() if result.metadata}

    @patient
    def _committed(self, group: str, partitions: Collection[Partition]) -> dict[Partition, Any]:
        with asking(self._settings, "reading committed offsets"):
            found = self._client.list_group_offsets({group: [TopicPartition(*at) for at in partitions]})[
                group
            ]
        return {tuple(at): result for at, result in found.items() if result.offset >= 0}

    @patient
    def commit(
        self, group: str, offsets: Mapping[Partition, int], topic_ids: Mapping[str, str] | None = None
    ) -> None:
        """See `Admin.commit`."""
        ids = topic_ids or {}
        with asking(self._settings, "committing offsets"):
            settled = self._client.alter_group_offsets(
                group,
                {
                    TopicPartition(*at): OffsetAndMetadata(offset, ids.get(at[0], ""), -1)
                    for at, offset in offsets.items()
                },
            )
        for at, error in settled.items():
            if error.errno:
                with asking(self._settings, f"committing {at.topic}[{at.partition}]@{offsets[tuple(at)]}"):
                    raise error

    def close(self) -> None:
        """See `Admin.close`."""
        self._client.close()
