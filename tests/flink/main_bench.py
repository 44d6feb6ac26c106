"""Measure the main job on the local cluster: speed from a backlog, then how soon alerts arrive at a rate.

    python -m tests.flink.main_bench --backlog 2000000 --rate 20000 --seconds 60

Latency runs from the Kafka timestamp of a payment to its alert in the hands of a consumer. Generator,
broker, Flink, its workers and the consumer share the machine.
"""

import argparse
import json
import time
from contextlib import closing

from pipelines.flink import jobs, watch
from pipelines.flink.jobs import Tuning
from pipelines.kafka.port import KafkaSettings
from tests.bench import figures, load
from tests.bench.alerts import AlertClock
from tests.bench.child import Child
from tests.flink.offered import offered

NAME = "main-bench"

#: A backlog that takes longer is not being read.
STUCK_S = 300.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.flink.main_bench", description=__doc__)
    parser.add_argument("--backlog", type=int, default=2_000_000)
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--option", action="append", default=[], help="of the job or of Beam")
    for name, value in vars(Tuning()).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    tuning = Tuning(**{name: getattr(asked, name) for name in vars(Tuning())})
    world, pace = load.World(accounts=asked.accounts), load.Pace(asked.rate, asked.seconds)
    backlog, more = asked.backlog, asked.option
    with offered(NAME, world, pace, backlog=backlog, tuning=tuning, more=more) as (job, feeder, kafka):
        drain(job, backlog)
        steady(job, feeder, kafka)


def drain(job: jobs.Job, backlog: int) -> None:
    """Print how fast the middle half of the backlog is read."""
    seen: list[tuple[float, watch.Progress]] = []
    deadline = time.monotonic() + STUCK_S
    while not seen or (seen[-1][1].messages or 0) < backlog:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the backlog was not read in {STUCK_S:.0f} s; ask `stopline flink status`")
        time.sleep(1.0)  # as often as `stopline run` looks
        seen.append((time.monotonic(), watch.progress(job)))
    middle = [(at, p.messages or 0) for at, p in seen if 0.25 * backlog <= (p.messages or 0) <= 0.9 * backlog]
    (start, first), *_, (end, last) = middle
    sizes = {p.checkpoint_bytes for _, p in seen if p.checkpoint_bytes}
    print(
        f"backlog: {(last - first) / (end - start):,.0f} payments/s over {end - start:.0f} s; checkpoints of "
        f"{min(sizes, default=0) / 1e6:.1f} to {max(sizes, default=0) / 1e6:.1f} MB",
        flush=True,
    )


def steady(job: jobs.Job, feeder: Child, settings: KafkaSettings, warm_s: float = 10.0) -> None:
    """Print how long alerts take while payments come at a rate."""
    with closing(AlertClock(settings)) as alerts:
        feeder.send("begin")
        warm_at: float | None = time.monotonic() + warm_s
        while not feeder.has_news():
            alerts.poll()
            if warm_at is not None and time.monotonic() > warm_at:
                alerts.restart()
                warm_at = None
            time.sleep(0.002)
        sent = feeder.receive()
        print(
            f"{sent.messages / sent.seconds:,.0f}/s for {sent.seconds:.0f} s: {len(alerts.delays_ms):,} "
            f"alerts, {figures.quantiles(alerts.delays_ms)} ms; {json.dumps(watch.progress(job)._asdict())}",
            flush=True,
        )


if __name__ == "__main__":
    main()
