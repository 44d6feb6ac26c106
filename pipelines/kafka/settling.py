"""What became of records that were sent: refused for good, or lost; counted alike for both clients."""

import threading
import time
from collections import Counter

from pipelines.kafka.admission import OVERHEARD, kept_out
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.refusals import FINAL, Refused, Why, lost_text, reason_of
from schemas.errors import SinkError


class KeptOutError(SinkError):
    """Records were lost because the brokers do not let us in, as after a password was changed."""


class Settling:
    """The sends of one producer since it last settled; heard of from any thread."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._sent = 0
        self._refused: list[Refused] = []
        self._lost: Counter[str] = Counter()
        self._reason = ""

    def number(self) -> int:
        """Return the number of the next send."""
        number, self._sent = self._sent, self._sent + 1
        return number

    def failed(self, number: int, topic: str, code: int, said: str, why: Why | None = None) -> None:
        """Note that a send failed with a code of Kafka; `why` if it is known to be refused for good."""
        with self._lock:
            if (why := why or FINAL.get(code)) is not None:
                self._refused.append(Refused(number, topic, why, said))
            else:
                self._lost[topic] += 1
                self._reason = reason_of(code, topic, said)

    def result(self, unknown: int = 0) -> list[Refused]:
        """Return what was refused for good, and begin anew; `unknown` sends were never answered.

        Raises:
            SinkError: some were lost; a `KeptOutError` where the brokers do not let us in.

        """
        with self._lock:
            lost, reason, refused = dict(self._lost), self._reason, sorted(self._refused)
            began, self._began = self._began, time.monotonic()
            self._lost.clear()
            self._refused, self._sent, self._reason = [], 0, ""
        if lost or unknown:
            out = kept_out(self._settings)
            if out or OVERHEARD.since(began):
                out = out or "the brokers take other secrets than this connection began with"
                raise KeptOutError(lost_text(lost, unknown, out))
            raise SinkError(lost_text(lost, unknown, reason))
        return refused
