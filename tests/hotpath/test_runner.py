"""The in-process runner keeps counters of endless pipelines and nothing that grows with their bundles."""

import threading

import apache_beam as beam
import pytest
from apache_beam.internal import pickler
from apache_beam.io import unbounded_source
from apache_beam.metrics import Metrics
from apache_beam.metrics.metric import MetricsFilter
from apache_beam.metrics.monitoring_infos import extract_counter_value
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.runners.worker.statesampler import StateSampler, get_current_tracker
from apache_beam.utils.counters import CounterFactory

from pipelines.in_process.runner import in_process
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.reading.source import ChunkSource


class CountFn(beam.DoFn):
    _seen = Metrics.counter("test", "seen")

    def process(self, element: int) -> None:
        self._seen.inc(element)


def test_counters_add_up_over_bundles() -> None:
    pipeline = beam.Pipeline(runner=in_process())
    _ = pipeline | beam.Create([1, 2, 3]) | beam.Reshuffle() | beam.ParDo(CountFn())
    result = pipeline.run()

    (seen,) = result.metrics().query(MetricsFilter().with_name("seen"))["counters"]
    assert seen.committed == 6


def test_the_reports_of_many_bundles_become_one_list_of_counters() -> None:
    pipeline = beam.Pipeline(runner=in_process())
    _ = pipeline | beam.Create([1]) | beam.ParDo(CountFn())
    report = [info for infos in pipeline.run()._monitoring_infos_by_stage.values() for info in infos]

    kept: list[object] = []
    for _ in range(1_000):
        kept = fn_runner.consolidate_monitoring_infos([*report, *kept])

    (counter,) = kept
    assert extract_counter_value(counter) == 1_000


def test_no_thread_notes_which_step_of_a_bundle_is_at_work() -> None:
    in_process()
    sampler, before = StateSampler("test", CounterFactory()), threading.active_count()

    sampler.start()
    assert threading.active_count() == before
    assert get_current_tracker() is sampler
    sampler.stop_if_still_running()
    sampler.stop_if_still_running()
    assert get_current_tracker() is None


def test_a_source_is_packed_and_unpacked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    in_process()
    coder = unbounded_source._PROVIDER.restriction_coder()
    source = ChunkSource(KafkaSettings("nowhere:1"), tuple(("payments", number) for number in range(50)))
    begun = unbounded_source._UnboundedSourceRestriction(source=source)
    first = coder.decode(coder.encode(begun))

    def packs(*_: object) -> bytes:
        raise AssertionError("a source is packed again")

    monkeypatch.setattr(pickler, "dumps", packs)
    monkeypatch.setattr(pickler, "loads", packs)
    monkeypatch.setattr("bz2.decompress", packs)
    monkeypatch.setattr("bz2.compress", packs)
    again = coder.decode(coder.encode(first))

    assert again.source == source
