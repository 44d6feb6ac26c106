"""The figures in Prometheus' words."""

import re
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

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
    "desk_audit_lines_total": "Lines of the audit chain.",
    "desk_ready": "Whether the desk has read all that its topics held.",
    "desk_actions": "Actions of people, by kind.",
    "sla_breaches": "Open cases over their service time.",
    "measure_term_remaining_seconds": "Seconds until the next term of a measure ends, the least by kind.",
    "dead_letters": "Refused messages, by reason.",
}

PREFIX = "stopline_"


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
                family = families[name] = make(PREFIX + name, HELP[name], labels=[label] if label else [])
            family.add_metric([text] if label else [], value)
        yield from families.values()


def exposition(figures: Mapping[str, float]) -> tuple[bytes, str]:
    """Return the figures as Prometheus reads them, and the media type."""
    registry = CollectorRegistry()
    registry.register(_Figures(figures))
    return generate_latest(registry), CONTENT_TYPE_LATEST
