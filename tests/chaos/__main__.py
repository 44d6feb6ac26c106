"""Kill, pause, poison and damage a running job, and compare what came out with a run nobody disturbed.

python -m tests.chaos --rounds 3 --partitions 1
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from models import SHIPPED
from pipelines.flink import cluster
from pipelines.kafka.local.apache import ApacheKafka
from pipelines.kafka.local.brokers import EmbeddedBroker
from tests.chaos import rounds
from tests.chaos.faults import Fault, Target, schedule
from tests.chaos.subjects import MainJob, StandIn, Subject

REPORT = Path("bench/chaos.json")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long a round feeds the job")
    parser.add_argument("--rate", type=int, default=4000, help="payments a second")
    parser.add_argument("--only", help="rounds that do just this instead, e.g. kill:all,pause:worker,nothing")
    parser.add_argument("--rescale", action="store_true", help="one more round restored at parallelism 1")
    parser.add_argument(
        "--apache",
        action="store_true",
        help="Apache Kafka, whose restart loses nothing, instead of the embedded",
    )
    parser.add_argument("--standin", action="store_true", help="the stand-in graph, which needs no model")
    parser.add_argument("--model_bundle", type=Path, default=SHIPPED)
    parser.add_argument("--report", type=Path, default=REPORT)
    asked = parser.parse_args()

    count = int(asked.seconds * asked.rate)
    if asked.standin:
        subject: Subject = StandIn(count, asked.partitions, asked.seed)
    else:
        subject = MainJob(count, asked.partitions, asked.seed, asked.model_bundle)
    on = cluster.DEFAULT
    cluster.up(on)
    try:
        report = _play(asked, subject, on)
    finally:
        cluster.down(on)
    asked.report.parent.mkdir(parents=True, exist_ok=True)
    asked.report.write_text(json.dumps(report, indent=1) + "\n")
    print({key: value for key, value in report.items() if key != "details"}, "->", asked.report)
    return 1 if report["lost"] or report["different"] or report["unexplained"] else 0


def _play(asked: argparse.Namespace, subject: Subject, on: cluster.Cluster) -> dict[str, Any]:
    began = int(time.time())
    broker = ApacheKafka if asked.apache else EmbeddedBroker
    whole = rounds.run(f"reference-{began}", subject, asked.rate, [], on, broker=broker)
    print(
        f"undisturbed: lost {whole.lost}, {len(whole.tables):,} table entries, {len(whole.alerts):,} alerts",
        flush=True,
    )
    if whole.lost or not (whole.tables and whole.alerts):
        sys.exit("the undisturbed run is no measure: it lost payments or left no tables or alerts")
    plan = _only(asked) if asked.only else _drawn(asked)
    details = []
    for number, faults in enumerate([*plan, *([[]] if asked.rescale else [])]):
        rescale_at = asked.seconds / 2 if number == len(plan) else None
        name = f"chaos-{asked.seed}-{number}-{began}"
        seen = rounds.run(name, subject, asked.rate, faults, on, rescale_at=rescale_at, broker=broker)
        poisoned = any(fault.deed == "poison" for fault in faults)
        details.append(
            {
                "round": number, "lost": seen.lost, "duplicates": seen.duplicates,
                "unexplained": (len(subject.junk()) if poisoned else 0) - seen.letters,
                "tables_different": rounds.differing(whole.tables, seen.tables),
                "alerts_different": len(whole.alerts ^ seen.alerts),
                "faults": seen.faults, "events": seen.events,
            }
        )  # fmt: skip
        print(json.dumps(details[-1]), flush=True)
    recoveries = [fault["recovery_s"] for each in details for fault in each["faults"]]
    alerts_different = sum(each["alerts_different"] for each in details)
    return {
        "rounds": len(details),
        "partitions": subject.partitions,
        "payments": len(details) * len(subject.values()),
        "lost": sum(each["lost"] for each in details),
        "different": sum(each["tables_different"] for each in details)
        + (alerts_different if subject.partitions == 1 else 0),
        "alerts_different_by_arrival": 0 if subject.partitions == 1 else alerts_different,
        "unexplained": sum(abs(each["unexplained"]) for each in details),
        "duplicates": sum(each["duplicates"] for each in details),
        "recovery_s_p95": float(np.percentile(recoveries, 95)) if recoveries else None,
        "details": details,
    }


def _drawn(asked: argparse.Namespace) -> list[list[Fault]]:
    broker: Target = "restart" if asked.apache else "hold"
    numbers = range(asked.rounds)
    return [schedule(asked.seed * 1000 + number, asked.seconds, broker=broker) for number in numbers]


def _only(asked: argparse.Namespace) -> list[list[Fault]]:
    deeds = [each.partition(":") for each in asked.only.split(",")]
    return [
        [Fault(asked.seconds / 2, deed, target, 5.0 if deed in {"pause", "broker"} else 0.0)]
        if target
        else []
        for deed, _, target in deeds
    ]


if __name__ == "__main__":
    sys.exit(main())
