"""`python -m tests.fuzz --n 100000`: break inputs of all that reads; what is not explained is a find."""

import argparse
import hashlib
import logging
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import groupby
from pathlib import Path

from tests.fuzz.feeding import Outcome, every_target, fed_lot, lots

FOUND = Path(__file__).with_name("found")


def _all(found: list[Outcome]) -> Outcome:
    finds = {what: value for each in found for what, value in each.finds.items()}
    accepted, explained = sum(each.accepted for each in found), sum(each.explained for each in found)
    return Outcome(accepted, explained, finds, sum(each.seconds for each in found))


def main() -> int:
    """Fuzz what is named, say what came of it, keep the inputs of finds; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100_000, help="inputs in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="names, with commas between")
    parser.add_argument(
        "--jobs", action="store_true", help="through the running jobs instead; --only names some"
    )
    parser.add_argument(
        "--commands", action="store_true", help="odd values of every option instead; --only names commands"
    )
    parser.add_argument("--broker", choices=("kafka", "embedded"), default="kafka", help="with --jobs")
    parser.add_argument("--client", default="auto", help="with --jobs: client library of the jobs")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    only = [name for name in given.only.split(",") if name]
    if given.commands:
        from tests.fuzz.words import tried

        finds = 0
        for said in tried(only):
            finds += 1
            print(said, flush=True)
        print(f"{finds} finds in commands", flush=True)
        return finds > 0
    if given.jobs:
        from tests.fuzz.jobs import through_the_jobs

        return through_the_jobs(min(given.n, 20_000), given.seed, only, given.broker, given.client)
    failed = 0
    chosen = {name: each for name, each in every_target().items() if not only or name in only}
    share = sum(each.share for each in chosen.values())
    parts = [
        lot
        for name, target in chosen.items()
        for lot in lots(name, max(1, int(given.n * target.share / share)), given.seed)
    ]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.processes, mp_context=spawn) as pool:
        for name, of_target in groupby(pool.map(fed_lot, parts), lambda each: each[0]):
            failed |= _said(name, _all([outcome for _, outcome in of_target]))
    return failed


def _said(name: str, found: Outcome) -> int:
    print(
        f"{name:16} {found.accepted:8} accepted {found.explained:8} explained {len(found.finds):3} finds "
        f"{found.seconds:6.1f} s",
        flush=True,
    )
    for what, value in found.finds.items():
        kept = FOUND / name / hashlib.sha256(value).hexdigest()[:12]
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(value)
        print(f"    {what}\n    kept as {kept.relative_to(Path.cwd())}", flush=True)
    return int(bool(found.finds))


if __name__ == "__main__":
    sys.exit(main())
