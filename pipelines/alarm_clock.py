"""Alarms by message, for the in-process runner: at the due time a tick goes to a topic that the job reads.

That runner keeps no watermark between the begin and the end of time: it fires every event-time timer at
once, again and again (Beam 2.77, `fn_runner._build_watermark_updates`), so that each pass would cost as
much as there are terms running. A message has its place in the log and is replayed like any other. On other
runners a timer of Beam wakes (`set_timer`).
"""

import heapq
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from apache_beam.utils.timestamp import Timestamp

from pipelines.kafka.port import KafkaSettings, open_producer
from pipelines.process import PROCESS
from pipelines.received import wall_clock_us
from schemas.errors import StoplineError

_LOGGER = logging.getLogger(__name__)

#: Timers keep milliseconds: one set a millisecond later never fires before its time.
_TIMER_ROUNDING_US = 1_000

#: How often the list is looked at.
LOOK_S = 0.25


#: From a token and a jurisdiction to the message that lets time pass there.
TickMessage = Callable[[str, str], bytes]


class AlarmClock:
    """Next due time of every account or party of this process; one thread sends the ticks."""

    def __init__(
        self,
        settings: KafkaSettings,
        topic: str,
        message: TickMessage,
        now: Callable[[], int] = wall_clock_us,
    ) -> None:
        self._settings, self._now = settings, now
        self._topic, self._message = topic, message
        self._lock = threading.Lock()
        self._next: dict[str, tuple[int, str]] = {}
        self._agenda: list[tuple[int, str]] = []

    def set(self, token: str, jurisdiction: str, due_us: int | None) -> None:
        """Wake one at `due_us` (microseconds UTC) instead of any earlier wish; None for never."""
        with self._lock:
            if due_us is None:
                self._next.pop(token, None)
            elif self._next.get(token) != (due_us, jurisdiction):
                self._next[token] = (due_us, jurisdiction)
                heapq.heappush(self._agenda, (due_us, token))

    def due(self, now_us: int) -> list[tuple[str, str]]:
        """Take those whose time has come: tokens and jurisdictions."""
        found = []
        with self._lock:
            while self._agenda and self._agenda[0][0] <= now_us:
                due_us, token = heapq.heappop(self._agenda)
                known = self._next.get(token)
                if known is not None and known[0] == due_us:
                    found.append((token, known[1]))
                    del self._next[token]
        return found

    def run(self) -> None:
        """Send ticks for ever; the body of the daemon thread."""
        waiting: list[tuple[str, str]] = []
        while True:
            now_us = self._now()
            waiting += self.due(now_us)
            if waiting:
                try:
                    producer = open_producer(self._settings)
                    for token, jurisdiction in waiting:
                        value = self._message(token, jurisdiction)
                        producer.send(self._topic, token.encode(), value, (), now_us)
                    producer.flush()
                    waiting = []
                except StoplineError as error:
                    _LOGGER.warning("ticks were not sent and will be sent again: %s", error)
            time.sleep(LOOK_S)


def alarm_clock(
    settings: KafkaSettings, topic: str, message: TickMessage, now: Callable[[], int]
) -> AlarmClock:
    """Return the process's alarm clock for a topic of these brokers; starts its thread on first use.

    `now` is the clock of the job, microseconds UTC.
    """
    return PROCESS.running(
        "alarm clock", (settings, topic), lambda: AlarmClock(settings, topic, message, now)
    )


def set_timer(timer: Any, at_us: int | None) -> None:
    """Let a timer of Beam fire not before `at_us` (microseconds UTC); None for never."""
    if at_us is None:
        timer.clear()
    else:
        timer.set(Timestamp(micros=at_us + _TIMER_ROUNDING_US))
