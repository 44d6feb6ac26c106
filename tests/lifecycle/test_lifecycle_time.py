"""Time in the lifecycle job: timers on a test stream, believed only when the clock agrees."""

from collections.abc import Callable
from pathlib import Path

import apache_beam as beam
import msgspec
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import TaggedOutput
from apache_beam.testing import test_pipeline, test_stream
from apache_beam.utils.timestamp import Timestamp
from msgspec.structs import replace

from measures.authority.keys import KeyEntry
from measures.law.calendar import from_iso
from pipelines.jobs.lifecycle import build
from pipelines.kafka.port import Chunk, KafkaSettings
from pipelines.kafka.sink import OutRecord
from pipelines.lifecycle.settings import LifecycleSettings
from pipelines.lifecycle.steps import OpenFn
from pipelines.received import no_clock
from schemas import topics
from schemas.dead_letter import DeadLetter
from schemas.journal import EnforcementChanged, JournalEntry, MeasureChanged
from schemas.units import DAY_US
from tests.lifecycle.conftest import chunk, facts, paid_in, signed
from tests.measures.kit import HOUR, MINUTE, T0, make_order

Step = tuple[int, Chunk | None]
Keys = tuple[KeyEntry, ...]


def far_ahead() -> int:
    return T0 + 10_000 * HOUR


def journal_of(keys: Keys, clock: Callable[[], int], steps: list[Step], folder: Path) -> list[JournalEntry]:
    """Run steps of (watermark before, chunk) and give the journal in order of time."""
    file = folder / "journal"
    stream = test_stream.TestStream(coder=beam.coders.registry.get_coder(Chunk))
    for at_us, given in steps:
        stream = stream.advance_watermark_to(Timestamp(micros=at_us))
        if given is not None:
            stream = stream.add_elements([beam.window.TimestampedValue(given, Timestamp(micros=at_us))])
    stream = stream.advance_watermark_to_infinity()
    settings = LifecycleSettings(KafkaSettings("none:1"), keys, clock=clock)
    options = PipelineOptions(["--streaming"])
    with test_pipeline.TestPipeline(runner="BundleBasedDirectRunner", options=options) as pipeline:
        journal = build(pipeline | stream, settings).journal
        _ = journal | beam.ParDo(AppendFn(str(file)))
    entries = [msgspec.json.decode(line, type=JournalEntry) for line in file.read_bytes().splitlines()]
    return sorted(entries, key=lambda entry: (entry.at_us, entry.version))


class AppendFn(beam.DoFn):
    """Write each record's value to a file, a line each."""

    def __init__(self, file: str) -> None:
        self._file = file

    def process(self, record: OutRecord) -> None:
        with Path(self._file).open("ab") as out:
            out.write(record.value + b"\n")


def states(journal: list[JournalEntry]) -> list[tuple[str, str, int]]:
    return [
        (event.measure.order_no, event.measure.state.value, (event.at_us - T0) // MINUTE)
        for entry in journal
        for event in entry.events
        if isinstance(event, MeasureChanged) and event.was != event.measure.state
    ]


OPENING = [
    (T0 - HOUR, chunk(topics.ACCOUNTS, (facts(), T0 - HOUR), (paid_in(), T0))),
    (T0, chunk(topics.ORDERS, (signed(make_order("S1")), T0 + MINUTE))),
]


def test_a_stop_lapses_by_itself_48_hours_after_its_receipt(
    keys: tuple[KeyEntry, ...], tmp_path: Path
) -> None:
    journal = journal_of(keys, far_ahead, [*OPENING, (T0 + 49 * HOUR, None)], tmp_path)
    assert states(journal) == [("S1", "ACTIVE", 1), ("S1", "EXPIRED", 48 * 60 + 1)]
    told = [event for entry in journal for event in entry.events if isinstance(event, EnforcementChanged)]
    assert [(event.receive_only, event.measure_ids != ()) for event in told] == [(True, True), (False, False)]


def test_a_timer_the_clock_does_not_confirm_ends_nothing(keys: Keys, tmp_path: Path) -> None:
    """The watermark says two days passed, no message and no clock says so: the runner fired early."""
    again = chunk(topics.ORDERS, (signed(make_order("S1", message_serial="m-2")), T0 + 2 * MINUTE), offset=1)
    steps = [*OPENING, (T0 + 49 * HOUR, None), (T0 + 50 * HOUR, again)]
    journal = journal_of(keys, no_clock, steps, tmp_path)
    assert states(journal) == [("S1", "ACTIVE", 1)]


def test_the_freeze_takes_over_and_each_later_end_comes_in_its_turn(
    keys: tuple[KeyEntry, ...], tmp_path: Path
) -> None:
    freeze = make_order("F1", "FREEZE", issued_at_us=T0 + HOUR)
    steps = [
        *OPENING,
        (T0 + HOUR, chunk(topics.ORDERS, (signed(freeze), T0 + 2 * HOUR), offset=1)),
        (T0 + 100 * 24 * HOUR, None),
    ]
    journal = journal_of(keys, far_ahead, steps, tmp_path)
    assert states(journal) == [
        ("S1", "ACTIVE", 1),
        ("F1", "ACTIVE", 120),
        ("S1", "CONVERTED", 120),
        ("F1", "RELEASED", 120 + 92 * 24 * 60),
    ]


def test_no_option_of_ours_collides_with_beams() -> None:
    PipelineOptions([]).get_all_options()


ENDED_US, SENT_US = from_iso("2026-01-01T00:00:00+00:00"), from_iso("2026-06-01T00:00:00+00:00")


def opened(keys: Keys, record_us: int, clock_us: int, append_time: frozenset[str] = frozenset()) -> list[str]:
    """The register key of what came through, or the code of the letter."""
    ended = tuple(
        replace(key, good_from="2025-01-01T00:00:00Z", good_until="2026-01-01T00:00:00Z") for key in keys
    )
    settings = LifecycleSettings(
        KafkaSettings("none:1"), ended, clock=lambda: clock_us, append_time=append_time
    )
    opening = OpenFn(settings)
    opening.setup()
    found = list(opening.process(chunk(topics.ORDERS, (signed(make_order("S1")), record_us))))
    return [
        msgspec.json.decode(each.value.value, type=DeadLetter).error_code
        if isinstance(each, TaggedOutput)
        else "OPENED"
        for each in found
    ]


def test_a_retired_key_opens_nothing_whatever_the_record_time_says(keys: Keys) -> None:
    assert opened(keys, ENDED_US - 30 * DAY_US, SENT_US) == ["UNSIGNED"]
    assert opened(keys, SENT_US, SENT_US) == ["UNSIGNED"]


def test_an_order_of_before_its_key_ended_is_caught_up_with_where_the_broker_keeps_the_time(
    keys: Keys,
) -> None:
    told = frozenset({topics.ORDERS})
    assert opened(keys, ENDED_US - 30 * DAY_US, SENT_US, told) == ["OPENED"]
    assert opened(keys, SENT_US, SENT_US, told) == ["UNSIGNED"]


def test_minutes_between_the_clocks_of_broker_and_job_refuse_no_order(keys: Keys) -> None:
    assert opened(keys, ENDED_US - MINUTE, ENDED_US + MINUTE) == ["OPENED"]
    assert opened(keys, ENDED_US - 6 * MINUTE, ENDED_US + MINUTE) == ["UNSIGNED"]


def test_a_replay_judges_keys_by_the_times_of_the_records(keys: Keys) -> None:
    assert opened(keys, ENDED_US - 30 * DAY_US, no_clock()) == ["OPENED"]
