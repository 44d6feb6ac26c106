"""The main job on the local cluster, reading a broker of our own that a feeder writes to."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from apache_beam.options.pipeline_options import PipelineOptions

from models import SHIPPED
from pipelines.flink import cluster, jobs
from pipelines.flink.jobs import Tuning
from pipelines.jobs.main import on_flink
from pipelines.jobs.options import JobSettings
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings
from tests.bench import load
from tests.bench.child import Child
from tests.bench.job import options_of


class Offered(NamedTuple):
    """A job that runs, and the feeder that offers payments at a pace once it is sent anything."""

    job: jobs.Job
    feeder: Child
    kafka: KafkaSettings


@contextmanager
def offered(
    name: str,
    world: load.World,
    pace: load.Pace,
    *,
    backlog: int = 0,
    tuning: Tuning | None = None,
    more: Sequence[str] = (),
) -> Iterator[Offered]:
    """Send a backlog, start the job, and cancel it at the end; `more` are options of the job or of Beam.

    A worker of a cancelled job may still write its decision log for a moment.
    """
    with EmbeddedBroker() as broker, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as log:
        load.create_topics(broker.address)
        options = options_of(broker.address, SHIPPED, Path(log), *more)
        settings = JobSettings.of(PipelineOptions(list(options), streaming=True))
        with Child(load.offer, broker.address, world, backlog, pace) as feeder:
            feeder.receive()
            cluster.up()
            graph = partial(on_flink, settings)
            job = jobs.submit(name, graph, tuning=tuning or Tuning(), options=options, fresh=True).job
            try:
                yield Offered(job, feeder, KafkaSettings(broker.address))
            finally:
                jobs.cancel(job)
