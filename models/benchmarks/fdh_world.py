"""The card world of the Fraud Detection Handbook, written from its published description.

Customers and terminals stand on a 100 x 100 map, a customer pays at terminals within reach, and three fraud
scenarios are laid over the payments. World 0 is the published data set, bit for bit, including its ids;
another world number draws other customers, terminals, payments and frauds by the same rules.

Source: Le Borgne, Siblini, Lebichot, Bontempi, "Reproducible Machine Learning for Credit Card Fraud
Detection", chapter 3, "Transaction data simulator".
"""

import random
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

CUSTOMERS = 5_000
TERMINALS = 10_000
DAYS = 183
REACH = 5.0
DAY_SECONDS = 86_400
LARGE_AMOUNT = 220.0
TERMINAL_DAYS = 28
CARD_DAYS = 14
START = np.datetime64("2018-04-01", "s")

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Payments:
    """Card payments in order of time, one array entry per payment; `second` counts from 2018-04-01."""

    second: IntArray
    customer: IntArray
    terminal: IntArray
    amount: FloatArray
    fraud: IntArray
    scenario: IntArray

    @property
    def day(self) -> IntArray:
        """Day number from 2018-04-01."""
        return self.second // DAY_SECONDS

    def __len__(self) -> int:
        return len(self.second)

    def __getitem__(self, rows: Any) -> "Payments":
        return Payments(*(getattr(self, field.name)[rows] for field in fields(self)))


def day_number(date: str) -> int:
    """Day number of an ISO date.

    >>> day_number("2018-08-08")
    129
    """
    return int((np.datetime64(date, "D") - START.astype("datetime64[D]")).astype(int))


def generate(days: int = DAYS, world: int = 0) -> Payments:
    """Generate `days` days of payments with their frauds (about 15 s for the full 183 days)."""
    payments = _legitimate(days, world)
    _large_amounts(payments)
    for day in range(days - 1):
        _compromised_terminals(payments, day, world)
    for day in range(days - 1):
        _leaked_cards(payments, day, world)
    return payments


def read(path: Path) -> Payments:
    """Read a published table; rows come back in the order of their transaction ids."""
    table = pd.read_parquet(path).sort_values("TRANSACTION_ID")
    columns = ("TX_TIME_SECONDS", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_FRAUD", "TX_FRAUD_SCENARIO")
    return Payments(*(table[column].to_numpy() for column in columns))


def _seed(world: int, number: int) -> int:
    return world * 1_000_003 + number


def _legitimate(days: int, world: int) -> Payments:
    x, y, mean, frequency = _customers(world).T
    terminals = np.random.RandomState(_seed(world, 1)).uniform(0, 100, size=(TERMINALS, 2))
    rows: list[tuple[int, int, int, float]] = []
    for customer in range(CUSTOMERS):
        distance = np.sqrt(((terminals - (x[customer], y[customer])) ** 2).sum(axis=1))
        reachable = np.flatnonzero(distance < REACH).tolist()
        if reachable:
            rows += _customer_payments(customer, mean[customer], frequency[customer], reachable, days, world)
    second, customer_id, terminal, amount = (np.array(column) for column in zip(*rows, strict=True))
    # Ties keep the published order because numpy sorts datetimes with the same introsort as in 2021;
    # for plain integers it now uses a vectorised sort that orders ties differently.
    order = second.astype("datetime64[s]").argsort(kind="quicksort")
    nothing = np.zeros(len(order), np.int64)
    return Payments(
        second[order], customer_id[order], terminal[order], amount[order], nothing, nothing.copy()
    )


def _customers(world: int) -> FloatArray:
    """x, y, mean amount and payments per day of each customer: float64[CUSTOMERS, 4]."""
    draw = np.random.RandomState(_seed(world, 0))
    low, high = np.array([0, 0, 5, 0]), np.array([100, 100, 100, 4])
    return draw.uniform(low, high, size=(CUSTOMERS, 4))


def _customer_payments(  # noqa: PLR0917
    customer: int, mean: float, frequency: float, reachable: list[int], days: int, world: int
) -> list[tuple[int, int, int, float]]:
    choose = random.Random(_seed(world, customer))
    draw = np.random.RandomState(_seed(world, customer) % 2**32)
    rows = []
    for day in range(days):
        for _ in range(draw.poisson(frequency)):
            second = int(draw.normal(DAY_SECONDS / 2, 20_000))
            if 0 < second < DAY_SECONDS:
                amount = draw.normal(mean, mean / 2)
                if amount < 0:
                    amount = draw.uniform(0, mean * 2)
                rows.append(
                    (day * DAY_SECONDS + second, customer, choose.choice(reachable), np.round(amount, 2))
                )
    return rows


def _large_amounts(payments: Payments) -> None:
    _mark(payments, payments.amount > LARGE_AMOUNT, scenario=1)


def _compromised_terminals(payments: Payments, day: int, world: int) -> None:
    terminals = _sample(TERMINALS, 2, _seed(world, day))
    _mark(payments, _window(payments, day, TERMINAL_DAYS, payments.terminal, terminals), scenario=2)


def _leaked_cards(payments: Payments, day: int, world: int) -> None:
    customers = _sample(CUSTOMERS, 3, _seed(world, day))
    rows = _window(payments, day, CARD_DAYS, payments.customer, customers).tolist()
    stolen = random.Random(_seed(world, day)).sample(rows, k=len(rows) // 3)
    payments.amount[stolen] *= 5
    _mark(payments, stolen, scenario=3)


def _sample(population: int, size: int, seed: int) -> IntArray:
    """Pick what pandas' Series.sample(n=size, random_state=seed) picks."""
    picked: IntArray = np.random.RandomState(seed % 2**32).choice(population, size=size, replace=False)
    return picked


def _window(payments: Payments, day: int, days: int, entity: IntArray, members: IntArray) -> IntArray:
    """Rows of `members` in the `days` days from `day`."""
    first, last = np.searchsorted(payments.second, [day * DAY_SECONDS, (day + days) * DAY_SECONDS])
    rows: IntArray = first + np.flatnonzero(np.isin(entity[first:last], members))
    return rows


def _mark(payments: Payments, rows: Any, *, scenario: int) -> None:
    payments.fraud[rows] = 1
    payments.scenario[rows] = scenario
