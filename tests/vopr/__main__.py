"""`python -m tests.vopr --seed N` or `--seeds COUNT`: run the legal engine through bad weather."""

import argparse
import sys
import time
import traceback
from collections import Counter

from tests.vopr.run import Report, simulate


def main() -> int:
    """Run the seeds asked for; exit code 1 if an invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.vopr", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one seed and say what happened in it")
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds to run (default 100)")
    parser.add_argument("--first", type=int, default=0, help="first of the seeds (default 0)")
    options = parser.parse_args()
    one = options.seed is not None
    seeds = [options.seed] if one else range(options.first, options.first + options.seeds)
    started, violations, seen = time.perf_counter(), 0, Counter[str]()
    for seed in seeds:
        report = simulate(seed)
        seen += report.seen
        if report.violation is not None:
            violations += 1
            complain(report, in_full=one)
    if one:
        print("\n".join(f"{count:6d}  {what}" for what, count in sorted(seen.items())))
    seconds = time.perf_counter() - started
    print(f"seeds={len(seeds)} violations={violations} seconds={seconds:.1f}")
    return 1 if violations else 0


def complain(report: Report, *, in_full: bool) -> None:
    """Say what a seed broke and how to see it again."""
    print(f"seed {report.seed} ({report.country}): {report.violation}", file=sys.stderr)
    if in_full and report.violation is not None and report.violation.__cause__ is not None:
        traceback.print_exception(report.violation.__cause__)
    print(f"  replay: python -m tests.vopr --seed {report.seed}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
