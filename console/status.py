"""How a running job does, printed once a second."""

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from pipelines.telemetry import TELEMETRY, Latency, quantiles

StatusFormat = Literal["line", "json", "none"]

#: Says how a job does: decisions a second, counts, and latency.
Line = Callable[[float, Mapping[str, int], Latency], str]

STATUS_S = 1.0

#: Counts that are told even while they are 0: messages read and refused, payments decided, and what became of
#: them. Those refused are also told by reason, `refused_CODE`.
ALWAYS = dict.fromkeys(
    (
        "read",
        "refused",
        "decided",
        "alerts",
        "warnings",
        "without_legal_ground",
        "braked",
        "late",
        "forgotten",
    ),
    0,
)

#: Where nothing happens the line comes again only after this.
REST_S = 60.0


@contextmanager
def reporting(status: StatusFormat, line: Line | None = None) -> Iterator[None]:
    """Print a status every second while the block runs; a line rests while nothing happens."""
    line = line or status_line
    done = threading.Event()

    def report() -> None:
        before, since, earlier = 0, time.monotonic(), TELEMETRY.histogram()
        shown: dict[str, int] = {}
        shown_at = -REST_S
        while not done.wait(STATUS_S):
            counts, histogram = TELEMETRY.counts(), TELEMETRY.histogram()
            latency, earlier = quantiles(histogram - earlier), histogram
            now, decided = time.monotonic(), counts.get("decided", 0)
            rate = (decided - before) / (now - since)
            before, since = decided, now
            fields = {"events_per_s": round(rate), **ALWAYS, **counts, **latency._asdict()}
            if status == "json":
                print(json.dumps(fields, default=str).replace("NaN", "null"), flush=True)
            elif counts and (counts != shown or now >= shown_at + REST_S):
                shown, shown_at = counts, now
                say(status, line(rate, counts, latency))

    if status != "none":
        threading.Thread(target=report, name="status", daemon=True).start()
    try:
        yield
    finally:
        done.set()


def legal_line(rate: float, counts: Mapping[str, int], _: Latency) -> str:
    """Say in one line how the legal job does.

    >>> legal_line(2.0, {"orders_read": 3, "entries": 2, "refused": 1, "refused_UNSIGNED": 1}, None)
    '3 orders, 0 account messages, 2 journal entries  REFUSED 1 (UNSIGNED 1)'
    """
    orders, accounts = (counts.get(f"{name}_read", 0) for name in ("orders", "accounts"))
    said = f"{orders:,} orders, {accounts:,} account messages, {counts.get('entries', 0):,} journal entries"
    return "  ".join((said, *_troubles(counts)))


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
    return "  ".join((*parts, *_troubles(counts)))


def _troubles(counts: Mapping[str, int]) -> list[str]:
    parts = []
    if refused := counts.get("refused"):
        codes = {
            name.removeprefix("refused_"): n for name, n in counts.items() if name.startswith("refused_")
        }
        told = ", ".join(f"{name} {n:,}" for name, n in sorted(codes.items(), key=lambda each: -each[1]))
        parts.append(f"REFUSED {refused:,} ({told})")
    if without := counts.get("without_legal_ground"):
        parts.append(f"NO LEGAL GROUND {without:,}")
    if late := counts.get("late"):
        parts.append(f"{late:,} late")
    if forgotten := counts.get("forgotten"):
        parts.append(f"{forgotten:,} forgotten")
    if braked := counts.get("braked"):
        parts.append(f"BRAKED {braked:,}")
    if silent := counts.get("clue_feed_silent"):
        parts.append(f"CLUES FELL SILENT {silent:,}")
    if ended := counts.get("clue_subscription_ended"):
        parts.append(f"CLUE SUBSCRIPTIONS ENDED {ended:,}")
    if lacks := [name.removeprefix("lacks_") for name in counts if name.startswith("lacks_")]:
        parts.append(f"WITHOUT {', '.join(sorted(lacks))}")
    if lost := counts.get("decision_log_rows_lost"):
        parts.append(f"NOT LOGGED {lost:,}")
    return parts


def say(status: StatusFormat, text: str) -> None:
    """Print a sentence, where people read."""
    if status == "line":
        print(text, flush=True)
