"""`python -m tests.fuzz --n 100000`: break inputs of all that reads; what is not explained is a find."""

import argparse
import hashlib
import logging
import sys
import time
import traceback
from pathlib import Path

from tests.fuzz.offices import everything
from tests.fuzz.targets import Target, inputs

FOUND = Path(__file__).with_name("found")

#: Inputs drawn at a time.
LOT = 2000


def fuzz(name: str, target: Target, count: int, seed: int) -> tuple[int, int, dict[str, bytes]]:
    """Feed a target; return how many inputs were accepted, how many explained, and finds by their place."""
    accepted = explained = 0
    finds: dict[str, bytes] = {}
    for lot, start in enumerate(range(0, count, LOT)):
        for value in inputs(target, min(LOT, count - start), f"{name}/{seed}/{lot}"):
            try:
                if target.feed(value):
                    accepted += 1
                else:
                    explained += 1
            except Exception as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                finds.setdefault(
                    f"{type(error).__name__} {Path(last.filename).name}:{last.lineno}: {error}"[:300], value
                )
    return accepted, explained, finds


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
    chosen = {
        name: each for name, each in everything().items() if not given.only or name in given.only.split(",")
    }
    share = sum(each.share for each in chosen.values())
    for name, target in chosen.items():
        began = time.monotonic()
        accepted, explained, finds = fuzz(
            name, target, max(1, int(given.n * target.share / share)), given.seed
        )
        took = time.monotonic() - began
        print(
            f"{name:16} {accepted:8} accepted {explained:8} explained {len(finds):3} finds {took:6.1f} s",
            flush=True,
        )
        for what, value in finds.items():
            failed = 1
            kept = FOUND / name / hashlib.sha256(value).hexdigest()[:12]
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(value)
            print(f"    {what}\n    kept as {kept.relative_to(Path.cwd())}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
