"""How a running process is doing: counts and decision latency, for status lines and benchmarks.

Process-wide and wall-clock, and no decision reads it. Beam's metrics tell it to other processes (`metrics`).
"""

import logging
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.dead_letter import DeadLetter

#: Latency buckets: a hundred to each factor of ten, from 0.1 ms to 1,000 s, so a reading is within 2.4 %.
_PER_DECADE, _DECADES, _LEAST_MS = 100, 7, 0.1

#: Of so many kinds of refusals of a topic the first is said.
KINDS_SAID = 20

#: What a refusal names of a message.
_FIELD = re.compile(r"`[^`]*`")

_LOGGER = logging.getLogger(__name__)

#: What the first of a kind is said with, once a process.
FIRST: Mapping[str, str] = {
    "without_legal_ground": "the model would hold a payment, and the law of its day gives no ground; check "
    "the policy's jurisdiction and the payments' times",
    "of_others": "the model would hold a payment of which no account to act on is kept here; whose are kept "
    "says --institution",
    "late": "a payment came over ten minutes after newer ones of its party or account; it is decided, "
    "and what was asked in between did not know it",
    "forgotten": "a ledger is full and forgets those seen longest ago; raise `memory` in the policy",
}


#: How counts are said that an operator should look into, in this order.
TROUBLES: Mapping[str, str] = {
    "without_legal_ground": "NO LEGAL GROUND {:,}",
    "late": "{:,} late",
    "forgotten": "{:,} forgotten",
    "braked": "BRAKED {:,}",
    "clue_feed_silent": "CLUES FELL SILENT {:,}",
    "clue_subscription_ended": "CLUE SUBSCRIPTIONS ENDED {:,}",
    "clue_subscription_expires": "CLUE SUBSCRIPTIONS EXPIRE {:,}",
    "clues_late": "{:,} clues late",
    "registry_stale": "REGISTRY OUT OF DATE {:,}",
    "registry_unreadable": "REGISTRY UNREADABLE {:,}",
    "decision_log_rows_lost": "NOT LOGGED {:,}",
    "parked": "PARKED {:,}",
}


#: How an operator that is asked (`pipelines.network`) does, in this order.
NETWORK: Mapping[str, str] = {
    "network_answered": "{:,} answered",
    "network_late": "{:,} LATE",
    "network_wrong": "{:,} WRONG",
    "network_down": "{:,} DOWN",
    "network_not_asked": "{:,} left unasked",
}


class Latency(NamedTuple):
    """Quantiles in milliseconds, from the Kafka timestamp to the decision; nan without samples."""

    p50_ms: float
    p99_ms: float
    p999_ms: float


def quantiles(histogram: NDArray[np.int64]) -> Latency:
    """Return the quantiles of `Telemetry.histogram`, or of the difference of two."""
    cumulative = np.cumsum(histogram)
    if not cumulative[-1]:
        return Latency(np.nan, np.nan, np.nan)
    places = np.searchsorted(cumulative, np.array([0.5, 0.99, 0.999]) * cumulative[-1])
    return Latency(*(_LEAST_MS * 10 ** ((places + 1) / _PER_DECADE)).tolist())


def bounds_ms() -> NDArray[np.float64]:
    """Return the upper end of each bucket of `Telemetry.histogram`, milliseconds."""
    return np.asarray(_LEAST_MS * 10 ** (np.arange(1, _PER_DECADE * _DECADES + 1) / _PER_DECADE))


class Telemetry:
    """Counts and a latency histogram since the start.

    `beaten` is when a source last looked for messages, by `time.monotonic`; -inf before the first look.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._histogram = np.zeros(_PER_DECADE * _DECADES, np.int64)
        self._said: dict[str, set[tuple[str, str]]] = {}
        self.beaten = -math.inf

    def beat(self) -> None:
        """Note that a source looks for messages now."""
        self.beaten = time.monotonic()

    def count(self, name: str, by: int) -> None:
        """Add `by` to a count; the first of a kind of `FIRST` is said at once."""
        with self._lock:
            first = by > 0 and not self._counts[name]
            self._counts[name] += by
        if first and name in FIRST:
            _LOGGER.warning("first of %s: %s", name.replace("_", " "), FIRST[name])

    def read(self, topic: str, messages: int) -> None:
        """Count messages read of a topic."""
        self.count("read", messages)
        self.count(f"{topic}_read", messages)

    def refused(self, letter: DeadLetter) -> None:
        """Count a dead letter, of all, its topic and its code.

        The first of a kind (topic, code, field) is said with its hint; so many kinds of a topic at most.
        """
        for name in ("refused", f"{letter.topic}_refused", f"refused_{letter.error_code}"):
            self.count(name, 1)
        if self._is_first(letter):
            _LOGGER.warning(
                "first refused as %s: %s[%d]@%d, %s. %s Read it with: stopline dead-letters show %s",
                letter.error_code, letter.topic, letter.partition, letter.offset, letter.message, letter.hint,
                letter.dead_letter_id,
            )  # fmt: skip

    def _is_first(self, letter: DeadLetter) -> bool:
        field = "".join(_FIELD.findall(letter.message))
        kind = letter.error_code, re.sub(r"\d+", "", field)
        with self._lock:
            said = self._said.setdefault(letter.topic, set())
            if kind in said or len(said) >= KINDS_SAID:
                return False
            said.add(kind)
            return True

    def decided(self, received_us: NDArray[np.int64]) -> None:
        """Note that payments received at these times (microseconds UTC) are decided now."""
        elapsed_ms = np.maximum((time.time_ns() // 1000 - received_us) / 1000, _LEAST_MS)
        bucket = np.minimum(np.log10(elapsed_ms / _LEAST_MS) * _PER_DECADE, len(self._histogram) - 1)
        counts = np.bincount(bucket.astype(np.int64), minlength=len(self._histogram))
        with self._lock:
            self._counts["decided"] += len(received_us)
            self._histogram += counts

    def counts(self) -> dict[str, int]:
        """Return the counts since the start."""
        with self._lock:
            return dict(self._counts)

    def histogram(self) -> NDArray[np.int64]:
        """Return how many decisions took how long, int64[buckets]; two of them differ by a period's."""
        with self._lock:
            return self._histogram.copy()


def troubles(counts: Mapping[str, int]) -> list[str]:
    """Say what an operator should look into, each kind in a few words.

    >>> troubles({"refused": 3, "refused_INVALID": 1, "refused_PAST": 2, "late": 4, "decided": 9})
    ['REFUSED 3 (PAST 2, INVALID 1)', '4 late']
    """
    parts = []
    if refused := counts.get("refused"):
        codes = {
            name.removeprefix("refused_"): n for name, n in counts.items() if name.startswith("refused_")
        }
        told = ", ".join(f"{name} {n:,}" for name, n in sorted(codes.items(), key=lambda each: -each[1]))
        parts.append(f"REFUSED {refused:,} ({told})")
    parts += [said.format(n) for name, said in TROUBLES.items() if (n := counts.get(name))]
    if any(counts.get(name) for name in NETWORK):
        told = ", ".join(said.format(n) for name, said in NETWORK.items() if (n := counts.get(name)))
        parts.append(f"operator asked {counts.get('network_asked', 0):,} times ({told})")
    if lacks := [name.removeprefix("lacks_") for name in counts if name.startswith("lacks_")]:
        parts.append(f"WITHOUT {', '.join(sorted(lacks))}")
    return parts


TELEMETRY = Telemetry()
