"""The in-process runner, without the defaults that would cost most of its time and all of its memory."""

from collections.abc import Iterable
from typing import Any

from apache_beam.metrics.monitoring_infos import USER_COUNTER_URN, consolidate
from apache_beam.runners.portability.fn_api_runner import FnApiRunner, fn_runner, worker_handlers

from pipelines.in_process import long_lived


def in_process() -> FnApiRunner:
    """Return Beam's in-process runner, fit to run for ever.

    The runner's state is a dict in this process already. Caching it again weighs every value read by
    walking all loaded modules, 5 ms each (half the time of the whole job, measured with cProfile).

    The runner keeps what every bundle reports until the pipeline ends, 1.5 MB a second, because Beam 2.77
    adds the reports up by generators that are only run then. Here each stage's counters are added up at
    once and nothing else is kept.
    """
    worker_handlers.STATE_CACHE_SIZE_MB = 0
    fn_runner.consolidate_monitoring_infos = _counters
    long_lived.settle()
    return FnApiRunner()


def _counters(reports: Iterable[Any]) -> list[Any]:
    return list(consolidate(report for report in reports if report.urn == USER_COUNTER_URN))
