"""The shape of the main job: its labels are part of what an update must keep."""

import re
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.metrics import MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor

from pipelines.in_process.runner import in_process
from pipelines.jobs.main import build, write
from pipelines.jobs.options import JobSettings, in_process_options
from schemas.errors import ConfigError
from tests.hotpath.conftest import Stream, chunk_of


class Labels(PipelineVisitor):
    def __init__(self) -> None:
        self.found: list[str] = []

    def enter_composite_transform(self, node: AppliedPTransform) -> None:
        self._note(node)

    def visit_transform(self, node: AppliedPTransform) -> None:
        self._note(node)

    def _note(self, node: AppliedPTransform) -> None:
        if node.full_label and "/" not in node.full_label:
            self.found.append(node.full_label)


def test_labels_are_those_of_the_running_jobs(job: JobSettings) -> None:
    """A changed label breaks updates in place: change it here only together with the changelog."""
    pipeline = beam.Pipeline(runner=in_process())
    write(build(pipeline | "Read" >> beam.Create([chunk_of([])]), job), job)
    labels = Labels()
    pipeline.visit(labels)

    assert labels.found == [
        "Read", "Decode", "Payers", "Accounts", "Dissuade",
        "Send alerts", "Send warnings", "Send traces", "Send dead_letters",
        "Send alarms",
    ]  # fmt: skip


def test_the_latency_of_decisions_is_a_gauge_of_the_job(job: JobSettings, stream: Stream) -> None:
    pipeline = beam.Pipeline(runner=in_process())
    write(build(pipeline | "Read" >> beam.Create([chunk_of(stream.values[:500])]), job), job)
    result = pipeline.run()
    result.wait_until_finish()

    p50, p99 = (
        result.metrics().query(MetricsFilter().with_name(name))["gauges"][0].committed
        for name in ("p50_ms", "p99_ms")
    )
    assert 0 < p50.value <= p99.value


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "no model bundle is named; train one with `stopline train`"),
        (["--ledger_shards", "0"], "--ledger_shards must be 1 to 1024, got 0"),
        (["--decision_log_share", "1.5"], "--decision_log_share must be 0 to 1, got 1.5"),
        (["--kafka_brokers", ""], "kafka brokers must be host:port"),
        (["--kafka_start", "yesterday"], "--kafka_start must be committed, earliest, latest or microseconds"),
        (["--kafka_security", "sasl"], "--kafka_security takes KEY=VALUE or @FILE, got 'sasl'"),
        (["--policy_file", "none.yaml"], "none.yaml cannot be read"),
        (["--kafka_brokers", "nonsense"], "--kafka_brokers takes host:port[,host:port], got 'nonsense'"),
        (["--ledger_warmup_h", "nan"], "--ledger_warmup_h must be 0 hours or more, got nan"),
        (["--ledger_warmup_from", "disk"], "--ledger_warmup_from must be topics or log, got 'disk'"),
        (["--ledger_warmup_from", "log"], "log needs a --decision_log that keeps the payments"),
        (["--decision_log", __file__], "test_graph.py is a file; name a folder"),
    ],
)
def test_an_option_that_cannot_be_used_is_named_with_the_way_out(words: list[str], complaint: str) -> None:
    given = ["--kafka_brokers", "127.0.0.1:1", *(["--model_bundle", "b"] if words else []), *words]

    with pytest.raises(ConfigError, match=re.escape(complaint)):
        JobSettings.of(PipelineOptions(given))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--nonsense", "3"], "neither the job nor Beam has an option --nonsense; see its --help"),
        (["--kafka-broker=h:1"], "an option --kafka-broker=h:1; did you mean --kafka_brokers?"),
        (["more"], "neither the job nor Beam has an option more;"),
    ],
)
def test_an_option_that_nobody_knows_is_refused(words: list[str], complaint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(complaint)):
        in_process_options(["--kafka_group", "g", *words])


def test_options_of_beam_are_known() -> None:
    options = in_process_options(["--direct_num_workers", "2", "--kafka_brokers", "h:1"])

    assert options.get_all_options()["direct_num_workers"] == 2


def test_options_become_settings_once() -> None:
    given = ["--kafka_brokers", "b:1", "--model_bundle", "b", "--kafka_start", "17", "--ledger_shards", "8"]
    settings = JobSettings.of(PipelineOptions(given))

    assert (settings.start, settings.shards, settings.decision_log) == (17, 8, None)
    assert isinstance(settings.models, Path)
    assert settings.models.is_absolute()
    assert settings.kafka.brokers == "b:1"
