"""Ledgers: what is known of every paying party and of every account, kept in a few hundred bytes each.

A ledger is a fold: `observe` takes a block of facts in order of event time, returns what was known
*before* each (a view), and adds them. The stream and training use the same fold, so a feature means the
same in both. Every column is commutative (decayed sums, extremes, newest times), so the rows end the same
to rounding in whatever order facts arrive.

Decayed sums: S(t) = sum of v_i exp(-(t - t_i) / tau), kept at the row's newest time, for the four time
constants `HORIZONS_S`. Newest time per bucket: facts are hashed by counterparty into a few buckets that
remember their latest time; the share of buckets active in a window estimates how many distinct
counterparties there were (linear counting: Whang et al., ACM TODS 15(2), 1990).
"""

import numpy as np
from numpy.typing import NDArray

from models.ledgers.table import NEVER, Rows, Table
from schemas.rows.compiled import compiled, fetch

#: Time constants of the decayed sums, seconds: an hour, a day, a week, a month.
HORIZONS_S = np.array([3600.0, 86400.0, 604800.0, 2592000.0])
DAY_US = 86_400_000_000
PARTY_BUCKETS, ACCOUNT_BUCKETS = 32, 16

#: The row of the fact so many places on is fetched; rows lie anywhere, and most of the time was waiting.
_AHEAD = 8

#: One payment, seen by its payer.
PARTY_FACT = np.dtype([("key", "u8", 2), ("at_us", "i8"), ("value", "f8"), ("counterparty", "u8")])

#: One leg of a payment, seen by one account. `risky`: the payer's device showed a victim's signals or the
#: payee was new to the payer.
ACCOUNT_FACT = np.dtype(
    [
        ("key", "u8", 2),
        ("at_us", "i8"),
        ("value", "f8"),
        ("counterparty", "u8"),
        ("credit", "u1"),
        ("risky", "u1"),
    ],
    align=True,
)

#: What the measures of an account forbid from a journal version on: at least `limit_minor` must stay until
#: `until_us`; `NOTHING_LEAVES` forbids every debit.
ENFORCEMENT = np.dtype([("key", "u8", 2), ("version", "i8"), ("limit_minor", "i8"), ("until_us", "i8")])
NOTHING_LEAVES = np.iinfo(np.int64).max

PARTY_ROW = np.dtype(
    [
        ("key", "u8", 2),
        ("first_us", "i8"),
        ("last_us", "i8"),
        ("count", "f8", 4),
        ("value", "f8", 4),
        ("largest", "f8"),
        ("newest_us", "i8", PARTY_BUCKETS),
    ]
)
ACCOUNT_ROW = np.dtype(
    [
        ("key", "u8", 2),
        ("first_us", "i8"),
        ("last_us", "i8"),
        ("last_in_us", "i8"),
        ("last_out_us", "i8"),
        ("in_count", "f8", 4),
        ("in_value", "f8", 4),
        ("out_count", "f8", 4),
        ("out_value", "f8", 4),
        ("risky_value", "f8", 4),
        ("largest_in", "f8"),
        ("payers_us", "i8", ACCOUNT_BUCKETS),
        ("payees_us", "i8", ACCOUNT_BUCKETS),
        ("enforced_version", "i8"),
        ("enforced_minor", "i8"),
        ("enforced_until_us", "i8"),
    ]
)

#: What was known of the payer just before a payment. Ages in seconds, nan where there is none.
PARTY_VIEW = np.dtype(
    [
        ("age_s", "f8"),
        ("gap_s", "f8"),
        ("count", "f8", 4),
        ("value", "f8", 4),
        ("largest", "f8"),
        ("payee_gap_s", "f8"),
        ("payees_1d", "f8"),
    ]
)

#: What was known of an account just before a leg. `counterparty_gap_s`: since the last leg the same way
#: with this counterparty (or one of its bucket).
ACCOUNT_VIEW = np.dtype(
    [
        ("age_s", "f8"),
        ("in_gap_s", "f8"),
        ("out_gap_s", "f8"),
        ("in_count", "f8", 4),
        ("in_value", "f8", 4),
        ("out_count", "f8", 4),
        ("out_value", "f8", 4),
        ("risky_value", "f8", 4),
        ("largest_in", "f8"),
        ("counterparty_gap_s", "f8"),
        ("payers_1d", "f8"),
        ("payers_7d", "f8"),
        ("payees_1d", "f8"),
        ("enforced_minor", "i8"),
    ]
)


def observe_parties(table: Table, facts: Rows) -> Rows:
    """Add PARTY_FACT[n], in order of event time; return what was known before each, PARTY_VIEW[n]."""
    views = np.empty(len(facts), PARTY_VIEW)
    places = table.locate(facts["key"])
    _observe_parties(table.rows, places, facts, views, HORIZONS_S)
    return views


def observe_accounts(table: Table, facts: Rows) -> Rows:
    """Add ACCOUNT_FACT[n], in order of event time; return what was known before each, ACCOUNT_VIEW[n]."""
    views = np.empty(len(facts), ACCOUNT_VIEW)
    places = table.locate(facts["key"])
    _observe_accounts(table.rows, places, facts, views, HORIZONS_S)
    return views


def enforce(table: Table, facts: Rows) -> Rows:
    """Note ENFORCEMENT[n]; the newest version of an account holds. Returns no views."""
    places = table.locate(facts["key"])
    _enforce(table.rows, places, facts)
    return facts[:0]


@compiled
def _seconds(now_us: int, then_us: int) -> float:
    """Seconds from `then` to `now`, at least 0; nan if `then` never was."""
    return np.nan if then_us == NEVER else max(now_us - then_us, 0) / 1e6


@compiled
def _decay(now_us: int, then_us: int, horizons_s: NDArray[np.float64], factors: NDArray[np.float64]) -> None:
    elapsed_s = 0.0 if then_us == NEVER else (now_us - then_us) / 1e6
    for h in range(4):
        factors[h] = np.exp(-elapsed_s / horizons_s[h]) if elapsed_s > 0 else 1.0


@compiled
def _distinct(newest_us: NDArray[np.int64], since_us: int) -> np.float64:
    """Estimate the counterparties since `since_us` from the share of active buckets."""
    active = 0
    for bucket in range(len(newest_us)):
        active += newest_us[bucket] >= since_us
    size = len(newest_us)
    return np.float64(-size * np.log1p(-min(active, size - 0.5) / size))


@compiled
def _observe_parties(
    rows: Rows, places: NDArray[np.int64], facts: Rows, views: Rows, horizons_s: NDArray[np.float64]
) -> None:
    fade, late = np.empty(4), np.empty(4)
    for each in range(len(facts)):
        if each + _AHEAD < len(facts):
            fetch(rows, places[each + _AHEAD])
        fact, row, view = facts[each], rows[places[each]], views[each]
        at_us = fact.at_us
        bucket = np.int64(fact.counterparty % np.uint64(PARTY_BUCKETS))
        _decay(at_us, row.last_us, horizons_s, fade)
        view.age_s = _seconds(at_us, row.first_us)
        view.gap_s = _seconds(at_us, row.last_us)
        view.largest = row.largest
        view.payee_gap_s = _seconds(at_us, row.newest_us[bucket])
        view.payees_1d = _distinct(row.newest_us, at_us - DAY_US)
        _decay(row.last_us, at_us, horizons_s, late)
        for h in range(4):
            view.count[h] = row.count[h] * fade[h]
            view.value[h] = row.value[h] * fade[h]
            weight = 1.0 if row.last_us == NEVER else late[h]
            row.count[h] = view.count[h] + weight
            row.value[h] = view.value[h] + weight * fact.value
        row.largest = max(row.largest, fact.value)
        row.first_us = at_us if row.first_us == NEVER else min(row.first_us, at_us)
        row.last_us = max(row.last_us, at_us)
        row.newest_us[bucket] = max(row.newest_us[bucket], at_us)


@compiled
def _observe_accounts(
    rows: Rows, places: NDArray[np.int64], facts: Rows, views: Rows, horizons_s: NDArray[np.float64]
) -> None:
    fade, late = np.empty(4), np.empty(4)
    for each in range(len(facts)):
        if each + _AHEAD < len(facts):
            fetch(rows, places[each + _AHEAD])
        fact, row, view = facts[each], rows[places[each]], views[each]
        at_us = fact.at_us
        bucket = np.int64(fact.counterparty % np.uint64(ACCOUNT_BUCKETS))
        _decay(at_us, row.last_us, horizons_s, fade)
        _decay(row.last_us, at_us, horizons_s, late)
        view.age_s = _seconds(at_us, row.first_us)
        view.in_gap_s = _seconds(at_us, row.last_in_us)
        view.out_gap_s = _seconds(at_us, row.last_out_us)
        view.largest_in = row.largest_in
        view.payers_1d = _distinct(row.payers_us, at_us - DAY_US)
        view.payers_7d = _distinct(row.payers_us, at_us - 7 * DAY_US)
        view.payees_1d = _distinct(row.payees_us, at_us - DAY_US)
        newest_us = row.payers_us[bucket] if fact.credit else row.payees_us[bucket]
        view.counterparty_gap_s = _seconds(at_us, newest_us)
        view.enforced_minor = row.enforced_minor if at_us < row.enforced_until_us else 0
        for h in range(4):
            weight = 1.0 if row.last_us == NEVER else late[h]
            view.in_count[h] = row.in_count[h] * fade[h]
            view.in_value[h] = row.in_value[h] * fade[h]
            view.out_count[h] = row.out_count[h] * fade[h]
            view.out_value[h] = row.out_value[h] * fade[h]
            view.risky_value[h] = row.risky_value[h] * fade[h]
            row.in_count[h] = view.in_count[h] + weight * fact.credit
            row.in_value[h] = view.in_value[h] + weight * fact.credit * fact.value
            row.out_count[h] = view.out_count[h] + weight * (1 - fact.credit)
            row.out_value[h] = view.out_value[h] + weight * (1 - fact.credit) * fact.value
            row.risky_value[h] = view.risky_value[h] + weight * fact.credit * fact.risky * fact.value
        row.first_us = at_us if row.first_us == NEVER else min(row.first_us, at_us)
        row.last_us = max(row.last_us, at_us)
        if fact.credit:
            row.last_in_us = max(row.last_in_us, at_us)
            row.largest_in = max(row.largest_in, fact.value)
            row.payers_us[bucket] = max(row.payers_us[bucket], at_us)
        else:
            row.last_out_us = max(row.last_out_us, at_us)
            row.payees_us[bucket] = max(row.payees_us[bucket], at_us)


@compiled
def _enforce(rows: Rows, places: NDArray[np.int64], facts: Rows) -> None:
    for each in range(len(facts)):
        fact, row = facts[each], rows[places[each]]
        if fact.version >= row.enforced_version:
            row.enforced_version = fact.version
            row.enforced_minor = fact.limit_minor
            row.enforced_until_us = fact.until_us
