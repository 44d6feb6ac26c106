"""Reading through librdkafka: partitions over one connection."""

from collections.abc import Mapping

import confluent_kafka as ck
import numpy as np

from pipelines.kafka import port
from pipelines.kafka.admission import Admission
from pipelines.kafka.clients import librdkafka
from pipelines.kafka.clients.confluent import consumer_config
from pipelines.kafka.clients.events import in_structured_mode
from pipelines.kafka.port import LATEST_US, Chunk, KafkaSettings, OffsetOutOfRangeError, Partition
from pipelines.kafka.waiting import fetch_wait_ms
from schemas.errors import BrokerError

#: What a client fetches ahead: enough for 600k messages/s here, small enough for dozens of clients.
PREFETCH_KB = 16_384

#: Outages and elections; librdkafka reconnects by itself and the reader just waits.
TRANSIENT = frozenset(
    {
        ck.KafkaError._TRANSPORT,
        ck.KafkaError._ALL_BROKERS_DOWN,
        ck.KafkaError._RESOLVE,
        ck.KafkaError._TIMED_OUT,
        ck.KafkaError.REQUEST_TIMED_OUT,
        ck.KafkaError.NOT_LEADER_FOR_PARTITION,
        ck.KafkaError.LEADER_NOT_AVAILABLE,
        ck.KafkaError.NETWORK_EXCEPTION,
        ck.KafkaError._AUTHENTICATION,  # final after some tries: `Admission`
        ck.KafkaError._SSL,
    }
)
OUT_OF_RANGE = frozenset({ck.KafkaError.OFFSET_OUT_OF_RANGE, ck.KafkaError._AUTO_OFFSET_RESET})


class Reader(port.ChunkReader):
    """`ChunkReader` over librdkafka."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._positions: dict[Partition, int] = {}
        self._failure: BrokerError | None = None
        self._admission = Admission(settings)
        self._client = self._opened()

    def _opened(self) -> librdkafka.Consumer:
        return librdkafka.Consumer(
            {
                **consumer_config(self._settings),
                "fetch.wait.max.ms": fetch_wait_ms(self._settings),
                "fetch.queue.backoff.ms": 5,  # its default, 1 s, stalls readers that empty the queue
                "fetch.error.backoff.ms": 50,
                "queued.min.messages": 50_000,
                "queued.max.messages.kbytes": PREFETCH_KB,
            }
        )

    def assign(self, places: Mapping[Partition, int]) -> None:
        """See `ChunkReader.assign`."""
        self._client.assign(places)
        self._positions = dict(places)
        self._failure = None

    def poll(self, max_rows: int) -> list[Chunk]:
        """See `ChunkReader.poll`."""
        if self._failure is not None:
            raise self._failure
        reads, events = self._client.poll(max_rows)
        for event in events:
            self._failure = self._failure or self._heard(event)
        if reads:
            self._admission.granted()
            return [self._chunk(each) for each in reads]
        if self._failure is not None:
            raise self._failure
        if self._admission.renew():
            self._client.close()
            self._client = self._opened()
            self.assign(self._positions)
        return []

    def _chunk(self, read: librdkafka.Read) -> Chunk:
        topic, partition = read.at
        self._positions[read.at] = int(read.offsets[-1]) + 1
        partitions = np.full(len(read.values), partition, np.int32)
        times = np.minimum(read.timestamps_ms, LATEST_US // 1000) * 1000
        values = in_structured_mode(topic, read.values, read.headers)
        return Chunk(topic, values, partitions, read.offsets, times, traces=read.traces)

    def _heard(self, event: librdkafka.Event) -> BrokerError | None:
        """Note the end of a log, wait out outages, return the rest as an error."""
        code, text, at, offset = event
        topic, partition = at
        if code == ck.KafkaError._PARTITION_EOF:
            self._admission.granted()
            self._positions[at] = max(self._positions.get(at, 0), offset)
        elif code in OUT_OF_RANGE:
            place = self._positions.get(at, offset)
            return OffsetOutOfRangeError(f"{topic}[{partition}] no longer holds offset {place}: {text}")
        elif code not in TRANSIENT:
            what = f"{topic}[{partition}]@{self._positions.get(at, offset)}" if topic else self._named()
            return BrokerError(f"reading {what} failed: {text}")
        return None

    def _named(self) -> str:
        return ", ".join(f"{topic}[{number}]@{offset}" for (topic, number), offset in self._positions.items())

    def tell(self, pipe: int) -> bool:
        """See `ChunkReader.tell`."""
        self._client.tell(pipe)
        return True

    def positions(self) -> Mapping[Partition, int]:
        """See `ChunkReader.positions`."""
        return self._positions

    def end_offset(self, at: Partition) -> int | None:
        """See `ChunkReader.end_offset`."""
        return self._client.end_offset(*at)

    def close(self) -> None:
        """See `ChunkReader.close`."""
        self._client.close()
