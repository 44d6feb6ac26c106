"""What ledgers cost as accounts grow: time a payment, memory an account, and the longest stop.

    python -m tests.bench.growth                          10,000 to 1,000,000 accounts, a minute
    python -m tests.bench.growth --accounts 10000000      as many as a country has, minutes and gigabytes

Every account pays and is paid once, then payments between accounts drawn at random are timed: ledgers alone,
without a job around them (`python -m tests.bench --accounts N` is the job's figure).
"""

import argparse
import gc
import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.ledgers.accounts import ACCOUNT_FACT, ACCOUNTS
from models.ledgers.ledger import Ledger
from models.ledgers.parties import PARTY_FACT, PAYERS
from models.ledgers.table import Table
from pipelines.policy import MemoryPolicy
from tests.bench.job import rss_mb

#: Payments of a call, as of a bundle under load, and calls that are timed.
BATCH, TIMED = 2_000, 200

NOW_US = 1_790_000_000_000_000

Words = NDArray[np.uint64]


class Cost(NamedTuple):
    """What so many accounts cost.

    Attributes:
        accounts: each a payer with one account.
        payment_us: processor time of a payment's three facts, microseconds.
        octets: resident memory an account.
        stop_ms: processor time of the longest call while they came to be, milliseconds.

    """

    accounts: int
    payment_us: float
    octets: float
    stop_ms: float


def main() -> None:
    """Measure each number of accounts and print what it costs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--accounts", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    measured(2 * BATCH)
    print(f"{'accounts':>12}{'us a payment':>15}{'octets':>10}{'longest stop':>16}")
    for count in parser.parse_args().accounts:
        cost = measured(count)
        print(f"{cost.accounts:12,}{cost.payment_us:15.2f}{cost.octets:10.0f}{cost.stop_ms:13.1f} ms")


def measured(accounts: int) -> Cost:
    """Fill ledgers with so many accounts, then time payments between them."""
    gc.collect()
    before_mb = rss_mb()
    tables = [(kind, Table.empty(kind.row)) for kind in (PAYERS, ACCOUNTS)]
    for _, table in tables:
        table.most = max(MemoryPolicy().rows, accounts)
    drawn, stop_s, at = np.random.default_rng(1), 0.0, 0
    for first in range(0, accounts, BATCH):
        numbers = np.arange(first, min(first + BATCH, accounts))
        _, longest_s = paid(tables, numbers, numbers, at := at + 1)
        stop_s = max(stop_s, longest_s)
    octets = (rss_mb() - before_mb) * 1e6 / accounts
    spent_s = 0.0
    for _ in range(TIMED):
        payers, payees = drawn.integers(0, accounts, (2, BATCH))
        spent_s += paid(tables, payers, payees, at := at + 1)[0]
    return Cost(accounts, spent_s / (TIMED * BATCH) * 1e6, octets, stop_s * 1e3)


def paid(
    tables: list[tuple[Ledger, Table]], payers: NDArray[np.int64], payees: NDArray[np.int64], at: int
) -> tuple[float, float]:
    """Add payments; returns seconds of the processor, and those of the longest call."""
    count, at_us = len(payers), NOW_US + at * 1_000_000 + np.arange(len(payers))
    of_payer, of_accounts = np.zeros(count, PARTY_FACT), np.zeros(2 * count, ACCOUNT_FACT)
    of_payer["key"], of_payer["counterparty"] = keys(payers, 1), keys(payees, 2)[:, 1]
    of_payer["at_us"], of_payer["value"], of_payer["suspicion"] = at_us, 5_000.0, 0.01
    of_accounts["at_us"], of_accounts["value"] = np.repeat(at_us, 2), 5_000.0
    of_accounts["credit"][1::2] = 1
    for start, own, other in ((0, payers, payees), (1, payees, payers)):
        of_accounts["key"][start::2] = keys(own, 2)
        of_accounts["counterparty"][start::2] = keys(other, 2)[:, 1]
    spent_s = longest_s = 0.0
    for (kind, table), facts in zip(tables, (of_payer, of_accounts), strict=True):
        began = time.thread_time()
        kind.fold(table, [facts])
        took_s = time.thread_time() - began
        spent_s, longest_s = spent_s + took_s, max(longest_s, took_s)
    return spent_s, longest_s


def keys(numbers: NDArray[np.int64], kind: int) -> Words:
    """Return a token for each number, uint64[n, 2]; those of another kind are others."""
    found = np.empty((len(numbers), 2), np.uint64)
    found[:, 0] = kind
    found[:, 1] = (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    return found


if __name__ == "__main__":
    main()
