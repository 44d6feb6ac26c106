"""A consumer that can be asked to take messages before anybody reads them."""

from collections import deque
from collections.abc import Callable

from pipelines.kafka.port import Chunk, ChunkConsumer


class Ahead(ChunkConsumer):
    """A consumer, and the chunks that were taken from it ahead of its readers."""

    def __init__(self, consumer: ChunkConsumer) -> None:
        self._consumer = consumer
        self._chunks: deque[tuple[int, Chunk]] = deque()

    def look_ahead(self, max_rows: int, chunks: int, begin: Callable[[Chunk], Chunk]) -> None:
        """Take up to `chunks` chunks, each as `begin` returns it, while `max_rows` messages wait for each."""
        while len(self._chunks) < chunks:
            end = self._consumer.end_offset()
            if end is None or end - self._consumer.position() < max_rows:
                return
            at = self._consumer.position()
            if (chunk := self._consumer.poll(max_rows)) is None:
                return
            self._chunks.append((at, begin(chunk)))

    def poll(self, max_rows: int) -> Chunk | None:
        """See `ChunkConsumer.poll`."""
        return self._chunks.popleft()[1] if self._chunks else self._consumer.poll(max_rows)

    def tell(self, pipe: int) -> bool:
        """See `ChunkConsumer.tell`."""
        return self._consumer.tell(pipe)

    def position(self) -> int:
        """See `ChunkConsumer.position`."""
        return self._chunks[0][0] if self._chunks else self._consumer.position()

    def end_offset(self) -> int | None:
        """See `ChunkConsumer.end_offset`."""
        return self._consumer.end_offset()

    def seek(self, offset: int) -> None:
        """See `ChunkConsumer.seek`."""
        self._chunks.clear()
        self._consumer.seek(offset)

    def close(self) -> None:
        """See `ChunkConsumer.close`."""
        self._consumer.close()
