"""Watch the checkpoints of the main job on the local cluster: minutes of load, then minutes without any.

    python -m tests.flink.endurance --rate 2000 --minutes 10 --idle_minutes 30

Prints, every half minute, what has been read and how large the newest checkpoint is. The set of accounts is
fixed, so sizes should settle under load and not change afterwards.
"""

import argparse
import time

from pipelines.flink import jobs, watch
from tests.bench import load
from tests.flink.offered import offered

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
    with offered(NAME, world, pace) as (job, feeder, _):
        feeder.send("begin")
        show(job, "load", asked.minutes)
        feeder.receive()
        show(job, "idle", asked.idle_minutes)


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
