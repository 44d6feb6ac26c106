"""The native rival: a small program in Rust with our features and trees, and a weaker promise.

`tests/bench/rival` is built with cargo at the first run; on a machine without it nothing is compared.
"""

import json
import math
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from models import features
from models.ledgers import suspicion as card
from models.ledgers.history import history
from pipelines.hot import serving
from pipelines.policy import DELAY, Policy
from pipelines.telemetry import Latency
from tests.bench.baseline import unlike
from tests.bench.job import Sample, cpu_s, rss_mb
from tests.payments import transfers

TOOLS = ("cargo", "cc")
SOURCE, BUILT = Path(__file__).parent / "rival", Path("var/rival")
PROGRAM = BUILT / "release" / "rival"

_UNKNOWN = Latency(math.nan, math.nan, math.nan)
_SCALES = (
    "AMOUNT", "ROUNDNESS", "CHANNEL", "BALANCE_SHARE", "PAYEE_AGE_H", "PAYEE_CHECK", "NEW_DEVICE_H",
    "LIMIT_RAISED_H",
)  # fmt: skip


def hindered() -> str | None:
    """Build the rival, if that was not done; say what is in the way."""
    if lacks := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"{' and '.join(lacks)} not found: no native rival beside ours"
    at = ["--manifest-path", SOURCE / "Cargo.toml", "--target-dir", BUILT]
    done = subprocess.run(
        ["cargo", "build", "--release", *at],
        env=os.environ | {"RUSTFLAGS": "-C target-cpu=native"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return f"cargo cannot build the native rival: {done.stderr[-500:]}" if done.returncode else None


def drained(brokers: str, ends: Mapping[int, int], bundle: Path, rules: Policy, total: int) -> list[Sample]:
    """Run the rival until it has decided `total` messages behind the `ends` of the history."""
    samples: list[Sample] = []
    with _setup(brokers, ends, bundle, rules) as setup:
        program = subprocess.Popen([PROGRAM, setup], stdout=subprocess.PIPE, text=True)
        try:
            assert program.stdout is not None
            for line in program.stdout:
                told = json.loads(line)
                spent = cpu_s(program.pid)
                samples.append(
                    Sample(
                        time.monotonic(), told["observed"], told["decided"], told, spent, spent,
                        rss_mb(program.pid), _UNKNOWN,
                    )
                )  # fmt: skip
                if told["decided"] >= total:
                    return samples
        finally:
            program.kill()
            program.wait()
    raise RuntimeError(f"the native rival ended with {program.returncode}")


def difference(messages: Sequence[bytes], bundle: Path, rules: Policy) -> float:
    """Return the largest relative difference between its features and scores and ours."""
    live = serving.in_use(bundle, rules).live
    with _setup("", {}, bundle, rules) as setup:
        done = subprocess.run(
            [PROGRAM, setup, "check"], input=b"\n".join(messages), capture_output=True, check=True
        )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    rows = transfers(messages)
    ours = history(rows, rules.value(rows))
    found = []
    for place, (leg, legs) in enumerate((("DEBIT", ours.debit), ("CREDIT", ours.credit))):
        X = features.matrix(live.model(leg).features, legs)
        theirs = np.array([each[place][0] for each in told], float)
        scores = np.array([each[place][1] for each in told], float)
        found += [unlike(theirs, X), unlike(scores[:, None], live.scored(leg, X).score[:, None])]
    return max(found)


@contextmanager
def _setup(brokers: str, ends: Mapping[int, int], bundle: Path, rules: Policy) -> Iterator[str]:
    """Write what the program is told into a file."""
    least = serving.in_use(bundle, rules).live.least
    told = {
        "brokers": brokers,
        "ends": [ends[partition] for partition in sorted(ends)],
        "bundle": str(bundle.absolute()),
        "least": {leg.lower(): float(points[DELAY - 1]) for leg, points in least.items()},
        "rates": {currency.decode(): rate for currency, rate in rules.currencies.items()},
        "card": {name.lower(): getattr(card, name)._asdict() for name in _SCALES}
        | {"intercept": card.INTERCEPT, "remote": card.REMOTE, "screen": card.SCREEN, "call": card.CALL},
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps(told))
        file.flush()
        yield file.name
