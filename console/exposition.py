"""Figures in Prometheus' words: of the desk, and of a job that runs."""

import re
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from pipelines.telemetry import bounds_ms

_LABELLED = re.compile(r'(\w+)(?:\{(\w+)="([^"]*)"\})?')

#: What a figure is, by its name; the units stand in the names.
HELP = {
    "desk_open_cases": "Cases that a person owes something.",
    "desk_late_cases": "Open cases whose service time is used up.",
    "desk_second_decisions_waiting": "Cases that wait for a second person.",
    "desk_open_appeals": "Cases with an appeal that nobody has decided.",
    "desk_escalated_cases": "Open cases that were escalated or reported.",
    "desk_lag_messages": "Messages the desk has yet to read since its start.",
    "desk_read_messages_total": "Messages the desk has read.",
    "desk_unreadable_messages": "Messages the desk could not read.",
    "desk_carried_messages_total": "Messages sent for decided actions.",
    "desk_refused_messages_total": "Messages of decided actions that no broker will ever take.",
    "desk_audit_lines_total": "Lines of the audit chain.",
    "desk_ready": "Whether the desk has read all that its topics held.",
    "desk_actions": "Actions of people, by kind.",
    "sla_breaches": "What waits for a person and is over its time, by kind.",
    "wrongful_minutes_total": "Minutes that entries and listings were in force wrongly, in all, by kind.",
    "measure_term_remaining_seconds": "Seconds until the next term of a measure ends, the least by kind.",
    "dead_letters": "Refused messages, by reason.",
    "desk_records_waiting": "Reports, suspicions, entries and notices that wait for a person, by page.",
    "registry_version_age_seconds": "Seconds since a listing was last entered.",
    "job_up": "Whether the job reads its topics, by job.",
    "messages_read_total": "Messages the job has read, by topic.",
    "messages_refused_total": "Messages the job has refused, by reason.",
    "topic_refused_total": "Messages the job has refused, by topic.",
    "fields_lacking": "Fields that payments came without, by field.",
    "payments_decided_total": "Payments decided.",
    "alerts_total": "Alerts sent.",
    "warnings_total": "Warnings sent.",
    "warnings_too_late_total": "Warnings that came too late to be sent.",
    "clues_late_total": "Clues and payments that came over ten minutes after newer ones of their ledger.",
    "job_events_total": "What else the job counts, by its name on the status line.",
    "decision_latency_seconds": "From the time of a payment's message to its decision.",
}

#: Counts of a job whose name is not that of its figure.
_COUNTS = {
    "decided": "payments_decided_total", "alerts": "alerts_total", "warnings": "warnings_total",
    "late": "clues_late_total", "warnings_too_late": "warnings_too_late_total",
}  # fmt: skip

#: Counts that stand for a group: end or beginning of the name -> figure and label.
_ENDS = {"_read": ("messages_read_total", "topic"), "_refused": ("topic_refused_total", "topic")}
_BEGINS = {"refused_": ("messages_refused_total", "code"), "lacks_": ("fields_lacking", "field")}

#: Upper bounds of latency buckets, seconds.
BUCKETS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)

PREFIX = "stopline_"


def of_job(job: str, counts: Mapping[str, int], *, up: bool) -> dict[str, float]:
    """Return the figures of a job from what its status counts: one place feeds all.

    >>> for each in of_job("run", {"read": 3, "payments_read": 3, "parked": 2}, up=True).items():
    ...     print(*each)
    job_up{job="run"} 1
    messages_read_total{topic="payments"} 3
    job_events_total{what="parked"} 2
    """
    found: dict[str, float] = {f'job_up{{job="{job}"}}': int(up)}
    for name, count in counts.items():
        if name not in ("read", "refused"):
            found[_figure(name)] = count
    return found


def _figure(name: str) -> str:
    if name in _COUNTS:
        return _COUNTS[name]
    for end, (figure, label) in _ENDS.items():
        if name.endswith(end):
            return f'{figure}{{{label}="{name.removesuffix(end)}"}}'
    for begin, (figure, label) in _BEGINS.items():
        if name.startswith(begin):
            return f'{figure}{{{label}="{name.removeprefix(begin)}"}}'
    return f'job_events_total{{what="{name}"}}'


class _Figures:
    def __init__(self, figures: Mapping[str, float]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for named, value in self._figures.items():
            name, label, text = (_LABELLED.fullmatch(named) or _LABELLED.match(named)).groups()  # type: ignore[union-attr]
            family = families.get(name)
            if family is None:
                make = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
                family = families[name] = make(
                    PREFIX + name.removesuffix("_total"), HELP[name], labels=[label] if label else []
                )
            family.add_metric([text] if label else [], value)
        yield from families.values()


class _Latency:
    def __init__(self, histogram: NDArray[np.int64]) -> None:
        self._histogram = histogram

    def collect(self) -> Iterator[Metric]:
        """Give the histogram in wider buckets; the sum takes each sample at the end of its narrow one."""
        name, ends = "decision_latency_seconds", bounds_ms() / 1_000
        family = HistogramMetricFamily(PREFIX + name, HELP[name])
        counted = [(str(end), float(self._histogram[ends <= end * 1.0001].sum())) for end in BUCKETS_S]
        whole = ("+Inf", float(self._histogram.sum()))
        family.add_metric([], [*counted, whole], float((self._histogram * ends).sum()))
        yield family


def exposition(figures: Mapping[str, float], histogram: NDArray[np.int64] | None = None) -> tuple[bytes, str]:
    """Return figures, and the latency of a job, as Prometheus reads them, and the media type."""
    registry = CollectorRegistry()
    collectors: Iterable[_Figures | _Latency] = (
        _Figures(figures), *([_Latency(histogram)] if histogram is not None else []),
    )  # fmt: skip
    for each in collectors:
        registry.register(each)
    return generate_latest(registry), CONTENT_TYPE_LATEST
