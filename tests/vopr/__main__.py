"""`python -m tests.vopr --seed N`, `--seeds COUNT` or `--events COUNT`: run pure engines through bad weather.

The legal engine (`law`), the ladder of warnings (`ladder`), the casework job (`casework`); `--of` takes one.
"""

import argparse
import itertools
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping

from tests.vopr.ladder import LadderReport, climb
from tests.vopr.office import OfficeReport, simulate_office
from tests.vopr.run import Report, simulate

AnyReport = Report | LadderReport | OfficeReport

ENGINES: Mapping[str, Callable[[int], AnyReport]] = {
    "law": simulate, "ladder": climb, "casework": simulate_office,
}  # fmt: skip


def main() -> int:
    """Run the seeds asked for; exit code 1 if an invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.vopr", description=__doc__)
    parser.add_argument("--of", choices=ENGINES, help="one engine (default all)")
    parser.add_argument("--seed", type=int, help="run this one seed and say what happened in it")
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds to run (default 100)")
    parser.add_argument("--first", type=int, default=0, help="first of the seeds (default 0)")
    parser.add_argument("--events", type=int, help="run seeds of the ladder until it took so many commands")
    options = parser.parse_args()
    if options.events is not None:
        return run("ladder", options, itertools.count(options.first))
    seeds = (
        [options.seed] if options.seed is not None else range(options.first, options.first + options.seeds)
    )
    names = [options.of] if options.of else list(ENGINES)
    return max(run(name, options, seeds) for name in names)


def run(name: str, options: argparse.Namespace, seeds: "range | list[int] | itertools.count[int]") -> int:
    """Run seeds of one engine; 1 if an invariant was violated."""
    one = options.seed is not None
    started, violations, count, events, seen = time.perf_counter(), 0, 0, 0, Counter[str]()
    for seed in seeds:
        report = ENGINES[name](seed)
        count, seen = count + 1, seen + report.seen
        events += getattr(report, "events", 0)
        if report.violation is not None:
            violations += 1
            complain(name, report, in_full=one)
        if options.events is not None and events >= options.events:
            break
    if one or options.events is not None:
        print("\n".join(f"{count:6d}  {what}" for what, count in sorted(seen.items())))
    seconds = time.perf_counter() - started
    took = f" events={events}" if events else ""
    print(f"{name}: seeds={count}{took} violations={violations} seconds={seconds:.1f}")
    return 1 if violations else 0


def complain(name: str, report: AnyReport, *, in_full: bool) -> None:
    """Say what a seed broke and how to see it again."""
    print(f"seed {report.seed} ({getattr(report, 'country', name)}): {report.violation}", file=sys.stderr)
    if in_full and report.violation is not None and report.violation.__cause__ is not None:
        traceback.print_exception(report.violation.__cause__)
    print(f"  replay: python -m tests.vopr --of {name} --seed {report.seed}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
