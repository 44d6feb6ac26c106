"""Watch the checkpoints of the main job on the local cluster: minutes of load, then minutes without any.

    python -m tests.flink.endurance --rate 2000 --minutes 10 --idle_minutes 30

Prints, every half minute, what has been read and how large the newest checkpoint is. The set of accounts is
fixed, so sizes should settle under load and not change afterwards.
"""

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

from apache_beam.options.pipeline_options import PipelineOptions

from console.demo import SHIPPED_BUNDLE
from console.flink import main_graph
from pipelines.flink import cluster, jobs, watch
from pipelines.kafka.brokers import EmbeddedBroker
from pipelines.options import JobSettings
from tests.bench import load
from tests.bench.child import Child
from tests.bench.job import options_of

NAME = "endurance"
EVERY_S = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.flink.endurance", description=__doc__)
    parser.add_argument("--rate", type=int, default=2_000)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--idle_minutes", type=float, default=30.0)
    parser.add_argument("--accounts", type=int, default=20_000)
    asked = parser.parse_args()
    world, pace = load.World(accounts=asked.accounts), load.Pace(asked.rate, 60 * asked.minutes)
    with EmbeddedBroker() as broker, tempfile.TemporaryDirectory() as log:
        load.create_topics(broker.address)
        options = options_of(broker.address, SHIPPED_BUNDLE, Path(log))
        settings = JobSettings.of(PipelineOptions(list(options), streaming=True))
        with Child(load.offer, broker.address, world, 0, pace) as feeder:
            feeder.receive()
            cluster.up()
            job = jobs.submit(NAME, partial(main_graph, settings), options=options, fresh=True).job
            try:
                feeder.send("begin")
                show(job, "load", asked.minutes)
                feeder.receive()
                show(job, "idle", asked.idle_minutes)
            finally:
                jobs.cancel(job)


def show(job: jobs.Job, phase: str, minutes: float) -> None:
    """Print where the job stands until the time is up."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < 60 * minutes:
        time.sleep(EVERY_S - passed % EVERY_S)
        now = watch.progress(job)
        print(
            f"{phase} {time.monotonic() - began:5.0f} s: {now.messages or 0:>9,} read, newest checkpoint "
            f"{now.checkpoint_bytes or 0:>11,} bytes in {now.checkpoint_ms or 0:,.0f} ms",
            flush=True,
        )


if __name__ == "__main__":
    main()
