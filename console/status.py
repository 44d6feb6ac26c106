"""How a running job does, printed once a second."""

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, NamedTuple

from pipelines.telemetry import TELEMETRY, Latency, quantiles, troubles

StatusFormat = Literal["line", "json", "none"]

#: Says how a job does: decisions a second, counts, and latency.
Line = Callable[[float, Mapping[str, int], Latency], str]

STATUS_S = 1.0

#: Told of every job even while they are 0. What is refused is also told by reason, `refused_CODE`.
ALWAYS = ("read", "refused", "late", "forgotten")

#: Where nothing happens the line comes again only after this.
REST_S = 60.0


class Status(NamedTuple):
    """What a job tells of itself: counts that are told even while they are 0, and its line."""

    always: tuple[str, ...]
    line: Line


@contextmanager
def reporting(form: StatusFormat, status: Status) -> Iterator[None]:
    """Print a status every second while the block runs, and how it stood when it ends.

    A line rests while nothing happens.
    """
    done = threading.Event()

    def report() -> None:
        before, since, earlier = 0, time.monotonic(), TELEMETRY.histogram()
        shown = ""
        shown_at, ends = -REST_S, False
        while not ends:
            ends = done.wait(STATUS_S)
            counts, histogram = TELEMETRY.counts(), TELEMETRY.histogram()
            latency, earlier = quantiles(histogram - earlier), histogram
            now, decided = time.monotonic(), counts.get("decided", 0)
            rate = (decided - before) / (now - since)
            before, since = decided, now
            if form == "json":
                always = dict.fromkeys((*ALWAYS, *status.always), 0)
                fields = {"events_per_s": round(rate), **always, **counts, **latency._asdict()}
                print(json.dumps(fields, default=str).replace("NaN", "null"), flush=True)
            elif counts:
                line = status.line(rate, counts, latency)
                if line != shown or now >= shown_at + REST_S:
                    shown, shown_at = line, now
                    say(form, line)

    reporter = threading.Thread(target=report, name="status", daemon=True)
    if form != "none":
        reporter.start()
    try:
        yield
    finally:
        done.set()
        if form != "none":
            reporter.join(STATUS_S)


def work_line(done: Mapping[str, str]) -> Line:
    """Return a line of what was read by topic, of the counts `done` in their words, and of what went wrong.

    >>> counts = {"read": 3, "orders_read": 3, "entries": 2, "refused": 1, "refused_UNSIGNED": 1}
    >>> work_line({"entries": "journal entries"})(2.0, counts, Latency(math.nan, math.nan, math.nan))
    'read orders 3  2 journal entries  REFUSED 1 (UNSIGNED 1)'
    """

    def line(_: float, counts: Mapping[str, int], __: Latency) -> str:
        read = {name.removesuffix("_read"): n for name, n in counts.items() if name.endswith("_read") and n}
        told = ", ".join(f"{name} {n:,}" for name, n in read.items()) or "nothing yet"
        acted = (f"{counts.get(name, 0):,} {words}" for name, words in done.items())
        return "  ".join((f"read {told}", *acted, *troubles(counts)))

    return line


def status_line(rate: float, counts: Mapping[str, int], latency: Latency) -> str:
    """Say in one line how the job does; a second without a decision has no latency.

    >>> status_line(0.0, {"refused": 2, "refused_INVALID": 2}, Latency(math.nan, math.nan, math.nan))[-23:]
    '  REFUSED 2 (INVALID 2)'

    >>> status_line(0.0, {"decided": 1_200, "braked": 3}, Latency(math.nan, math.nan, math.nan))
    '        0 payments/s         1,200 decided         0 alerts         0 warnings  BRAKED 3'
    """
    parts = [
        f"{rate:>9,.0f} payments/s",
        f"{counts.get('decided', 0):>12,} decided",
        f"{counts.get('alerts', 0):>8,} alerts",
        f"{counts.get('warnings', 0):>8,} warnings",
    ]
    if not math.isnan(latency.p50_ms):
        parts += [f"p50 {latency.p50_ms:,.0f} ms", f"p99 {latency.p99_ms:,.0f} ms"]
    others = {name: n for name, n in counts.items() if name.endswith("_read") and name != "payments_read"}
    if told := ", ".join(f"{name.removesuffix('_read')} {n:,}" for name, n in others.items() if n):
        parts.append(f"also read {told}")
    return "  ".join((*parts, *troubles(counts)))


def _working(**done: str) -> Status:
    return Status(tuple(done), work_line(done))


#: What each job tells.
MAIN = Status(("decided", "alerts", "warnings", "without_legal_ground", "braked"), status_line)
LEGAL = _working(entries="journal entries")
CASEWORK = _working(changes="changes", told="told to reporters")
VICTIMS = _working(contacts="journal entries", tries="tries to make")
OFFICES = _working(entries="journal entries", changes="changes of cases", tries="tries to make", sent="sent")
CALLS = _working(asked="asked", calls_unreadable="unreadable")
SENDER = _working(sent="sent", unreachable="not reached", failed="failed", uncertain="uncertain")


def say(status: StatusFormat, text: str) -> None:
    """Print a sentence, where people read."""
    if status == "line":
        print(text, flush=True)
