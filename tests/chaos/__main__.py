"""Kill and pause a running job, and compare what came out with a run nobody disturbed.

python -m tests.chaos --rounds 3 --partitions 1
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

from pipelines.flink import cluster
from tests.chaos import rounds
from tests.chaos.faults import Fault, schedule

REPORT = Path("bench/chaos.json")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long a round feeds the job")
    parser.add_argument("--rate", type=int, default=4000, help="payments a second")
    parser.add_argument("--only", help="rounds that do just this instead, e.g. kill:all,pause:worker")
    parser.add_argument("--rescale", action="store_true", help="one more round restored at parallelism 1")
    parser.add_argument("--report", type=Path, default=REPORT)
    asked = parser.parse_args()

    feed = rounds.Feed(asked.seconds, asked.rate, asked.partitions, asked.seed)
    on = cluster.DEFAULT
    cluster.up(on)
    try:
        report = _play(asked, feed, on)
    finally:
        cluster.down(on)
    asked.report.parent.mkdir(parents=True, exist_ok=True)
    asked.report.write_text(json.dumps(report, indent=1) + "\n")
    print({key: value for key, value in report.items() if key != "details"}, "->", asked.report)
    return 1 if report["lost"] or report["different"] else 0


def _play(asked: argparse.Namespace, feed: rounds.Feed, on: cluster.Cluster) -> dict[str, object]:
    whole = rounds.run(f"reference-{int(time.time())}", feed, [], on)
    print(
        f"undisturbed: lost {whole.lost}, {len(whole.ledger):,} accounts, {len(whole.alerts)} alerts",
        flush=True,
    )
    if whole.lost or not (whole.ledger and whole.alerts):
        sys.exit("the undisturbed run is no measure: it lost payments or left no tables or alerts")
    details = []
    plan = (
        _only(asked)
        if asked.only
        else [schedule(asked.seed * 1000 + n, asked.seconds) for n in range(asked.rounds)]
    )
    for number, faults in enumerate([*plan, *([[]] if asked.rescale else [])]):
        rescale = number == len(plan)
        seed = asked.seed * 1000 + number
        seen = rounds.run(
            f"chaos-{seed}-{int(time.time())}",
            feed,
            faults,
            on,
            rescale_at=feed.seconds / 2 if rescale else None,
        )
        accounts = whole.ledger.keys() | seen.ledger.keys()
        details.append(
            {
                "seed": seed, "lost": seen.lost, "duplicates": seen.duplicates,
                "ledger_different": sum(whole.ledger.get(each) != seen.ledger.get(each) for each in accounts),
                "alerts_different": len(whole.alerts ^ seen.alerts),
                "faults": seen.faults, "events": seen.events,
            }
        )  # fmt: skip
        print(json.dumps(details[-1]), flush=True)
    recoveries = [fault["recovery_s"] for each in details for fault in each["faults"]]
    return {
        "rounds": len(details),
        "partitions": feed.partitions,
        "payments": len(details) * int(feed.seconds * feed.rate),
        "lost": sum(each["lost"] for each in details),
        "different": sum(each["ledger_different"] + each["alerts_different"] for each in details),
        "duplicates": sum(each["duplicates"] for each in details),
        "recovery_s_p95": float(np.percentile(recoveries, 95)) if recoveries else None,
        "details": details,
    }


def _only(asked: argparse.Namespace) -> list[list[Fault]]:
    deeds = [each.partition(":") for each in asked.only.split(",")]
    return [
        [Fault(asked.seconds / 2, deed, target, 5.0 if deed == "pause" else 0.0)] for deed, _, target in deeds
    ]


if __name__ == "__main__":
    sys.exit(main())
