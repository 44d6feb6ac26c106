"""What a stream can believe of a card and a terminal: whether it is in a thief's hands now.

Bayes' rule with the scenarios of the book (chapter 3): a terminal is taken over for 28 days, in which every
payment is a fraud of an ordinary amount; a card leaks for 14 days, in which a third of its payments are
frauds of five times the usual amount. Past rows only; a label counts from `delay` days after its row.
"""

import numpy as np

from models.benchmarks.fdh_world import CARD_DAYS, CUSTOMERS, DAY_SECONDS, TERMINAL_DAYS, TERMINALS, Payments
from models.benchmarks.lookback import FloatArray, History

CARD_STARTS = 3 / CUSTOMERS
TERMINAL_STARTS = 2 / TERMINALS
STOLEN_SHARE = 1 / 3
STOLEN_FACTOR = 5
# A fraud that its amount explains to less than this points to the terminal.
EXPLAINED = 0.1


def amount_over_usual(payments: Payments) -> FloatArray:
    """Divide by the customer's usual amount: the mean with large amounts cut at twice the geometric mean.

    The cut keeps a stolen card's payments from becoming its habit. nan at a customer's first payment.
    """
    customer = History(payments.customer, payments.second)
    past = customer.count()
    seen = np.where(past > 0, past, np.nan)
    centre = np.exp(customer.total(np.log(np.maximum(payments.amount, 0.01))) / seen)
    usual = customer.total(np.fmin(payments.amount, 2 * centre)) / seen
    return payments.amount / np.maximum(usual, 0.01)


def stolen_card(payments: Payments, ratio: FloatArray, *, delay: int) -> FloatArray:
    """Probability that the payment is a fraud with a leaked card; `ratio` is its amount over the usual."""
    day = payments.day
    by_day = History(payments.customer, day)
    spread = 0.5 * np.sqrt(1 + 1 / np.maximum(by_day.count(), 1))
    likelihood = _density(ratio / STOLEN_FACTOR, spread) / STOLEN_FACTOR / _density(ratio, spread)
    likelihood = np.nan_to_num(likelihood, nan=1.0)
    # Evidence of each payment for a leak at work: from its amount, later from its label (a day late).
    unlabelled = np.log(1 - STOLEN_SHARE + STOLEN_SHARE * likelihood)
    good = np.where(payments.fraud == 0, np.log(1 - STOLEN_SHARE), unlabelled)
    odds = np.zeros(len(payments))
    for days in range(1, CARD_DAYS + 1):
        evidence = by_day.total(unlabelled, window=min(days, delay + 1))
        if days > delay + 1:
            evidence += by_day.total(good, window=days - delay - 1, delay=delay + 1)
        odds += CARD_STARTS * np.exp(np.minimum(evidence, 30))
    stolen = odds * STOLEN_SHARE * likelihood
    return stolen / (stolen + 1 + odds * (1 - STOLEN_SHARE))


def taken_terminal(payments: Payments, explained: FloatArray, *, delay: int) -> tuple[FloatArray, FloatArray]:
    """Probability that the terminal is in a take-over that labels have shown, and days unseen, 28 at most.

    A good payment ends a take-over. So one shown began after the last good day before its first fraud and at
    most 28 days before its last, each day as likely; it is over 28 days later. `explained` is the probability
    that a fraud there has another cause; it weighs against the few days on which one may have begun.
    """
    hidden = delay * DAY_SECONDS
    fraud, day = payments.fraud == 1, payments.day
    terminal = History(payments.terminal, payments.second)
    goods = terminal.total(~fraud, with_self=True).astype(np.int64)
    since_good = History(payments.terminal * (int(goods.max()) + 1) + goods, payments.second)
    pointed = fraud & (explained < EXPLAINED)

    first = _day(terminal.last(since_good.first(pointed), delay=hidden))
    last = _day(terminal.latest(payments.second, pointed, delay=hidden))
    last_good = np.nan_to_num(
        _day(terminal.latest(payments.second, ~fraud, delay=hidden)), nan=-TERMINAL_DAYS
    )
    # Frauds of more than 28 days come from two take-overs; then `first` is when the later one began at most.
    first = np.where(last - first >= TERMINAL_DAYS, np.fmin(first + TERMINAL_DAYS, last), first)
    earliest = np.maximum(last_good, last - TERMINAL_DAYS) + 1
    starts = np.maximum(first - earliest + 1, 1)
    still = np.clip((first - np.maximum(earliest, day - TERMINAL_DAYS + 1) + 1) / starts, 0, 1)
    other = terminal.last(since_good.total(np.log(explained) * fraud, with_self=True), delay=hidden)
    shown = TERMINAL_STARTS * starts
    return (
        np.nan_to_num(still * shown / (shown + np.exp(other))),
        np.fmin(day - last_good, TERMINAL_DAYS),
    )


def _density(ratio: FloatArray, spread: FloatArray) -> FloatArray:
    """Density of a good amount over its mean: normal; what falls below zero is spread evenly over (0, 2)."""
    normal = np.exp(-(((ratio - 1) / spread) ** 2) / 2) / (spread * np.sqrt(2 * np.pi))
    density: FloatArray = normal + 0.0114 * (ratio < 2) + 1e-9
    return density


def _day(second: FloatArray) -> FloatArray:
    return np.floor(second / DAY_SECONDS)
