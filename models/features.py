"""Features of a payment leg: one pure function per column, the same in the stream and in training.

A function is named after its column and maps a `Leg` to a number; nan is "not known". The two legs ask
different questions, so each has its own columns, grouped by the reason they stand for: the credit leg asks
whether this payee is a mule and this payer a victim now, the debit leg whether suspicious money is leaving.
`matrix` compiles the columns of a leg into one loop.
"""

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.rows.compiled import compiled, inlined
from schemas.rows.transfers import CALL_IN_PROGRESS, REMOTE_CONTROL, SCREEN_SHARE

FloatArray = NDArray[np.float64]
Rows = NDArray[np.void]

HOUR_S, DAY_S = 3600.0, 86400.0

#: Ages count up to here: beyond, they tell how long the ledger runs rather than anything of the account.
AGE_DAYS_MAX = 3.0
_HOUR, _DAY, _WEEK, _MONTH = range(4)


class Legs(NamedTuple):
    """n legs of one kind.

    Attributes:
        transfer: TRANSFER[n] (`schemas.rows.transfers`).
        value: amounts in the job's reference currency, minor units, float64[n].
        payer: PARTY_VIEW[n] of the paying party (`models.ledgers.ledger`).
        account: ACCOUNT_VIEW[n] of the leg's own account: the payee's on credit legs, else the payer's.

    """

    transfer: Rows
    value: FloatArray
    payer: Rows
    account: Rows

    def rows(self, which: slice | NDArray[np.bool_] | NDArray[np.intp]) -> "Legs":
        """Return some of the legs."""
        return Legs(self.transfer[which], self.value[which], self.payer[which], self.account[which])


class Leg(NamedTuple):
    """One of `Legs`; columns of its rows are attributes."""

    transfer: Any
    value: float
    payer: Any
    account: Any


Feature = Callable[[Leg], float]


@inlined
def _ratio(part: float, whole: float) -> float:
    """Divide; what has decayed to almost nothing divides to inf, which trees take."""
    return part / whole if whole > 0 else np.nan


@inlined
def _since_h(leg: Leg, then_us: int) -> float:
    return np.nan if then_us < 0 else (leg.transfer.at_us - then_us) / (HOUR_S * 1e6)


@inlined
def _signal(leg: Leg, bit: int) -> float:
    return 1.0 if leg.transfer.signals & bit else 0.0


def amount(leg: Leg) -> float:
    """log10 of the amount, minor units of the reference currency."""
    return math.log10(max(leg.value, 1.0))


def roundness(leg: Leg) -> float:
    """How round the amount is: trailing decimal zeros of its major units, 0 to 4."""
    minor = leg.transfer.amount_minor
    zeros = 0
    for unit in (1_000, 10_000, 100_000, 1_000_000):
        zeros += minor % unit == 0
    return float(zeros)


def hour_of_day(leg: Leg) -> float:
    """Hour of the day, UTC, with fraction."""
    return float(leg.transfer.at_us / (HOUR_S * 1e6) % 24)


def channel(leg: Leg) -> float:
    """Channel code (`schemas.payment.CHANNELS`)."""
    return float(leg.transfer.channel)


def purpose(leg: Leg) -> float:
    """Purpose code (`schemas.payment.PURPOSES`)."""
    return float(leg.transfer.purpose)


def age_band(leg: Leg) -> float:
    """Age band of the payer, oldest last; nan if unknown."""
    return np.nan if leg.transfer.age_band == 0 else float(leg.transfer.age_band)


def amount_to_largest(leg: Leg) -> float:
    """Amount divided by the largest the payer sent before."""
    return _ratio(leg.value, leg.payer.largest)


def amount_to_usual(leg: Leg) -> float:
    """Amount divided by the payer's mean amount of the month."""
    return _ratio(leg.value * leg.payer.count[_MONTH], leg.payer.value[_MONTH])


def balance_share(leg: Leg) -> float:
    """Share of the payer's balance that this payment takes."""
    after = float(leg.transfer.balance_after_minor)
    paid = float(leg.transfer.amount_minor)
    return np.nan if after < 0 else paid / (paid + after)


def payee_age_h(leg: Leg) -> float:
    """Hours since the payer first saved or paid this payee."""
    return _since_h(leg, leg.transfer.payee_added_at_us)


def payee_gap_h(leg: Leg) -> float:
    """Hours since the payer last paid this payee (or one of its bucket); nan if never."""
    return float(leg.payer.payee_gap_s / HOUR_S)


def payee_check(leg: Leg) -> float:
    """Code of the payee-name check's result (`schemas.payment.PAYEE_CHECKS`)."""
    return float(leg.transfer.payee_check)


def remote_control(leg: Leg) -> float:
    """1 if a remote-control app runs on the payer's device."""
    return _signal(leg, REMOTE_CONTROL)


def screen_share(leg: Leg) -> float:
    """1 if the payer's screen is shared."""
    return _signal(leg, SCREEN_SHARE)


def call_in_progress(leg: Leg) -> float:
    """1 if the payer is in a call."""
    return _signal(leg, CALL_IN_PROGRESS)


def new_device_h(leg: Leg) -> float:
    """Hours since the device was first seen with this payer."""
    hours = leg.transfer.new_device_age_h
    return np.nan if hours < 0 else float(hours)


def limit_raised_h(leg: Leg) -> float:
    """Hours since the payer's limit was raised."""
    return _since_h(leg, leg.transfer.limit_changed_at_us)


def payer_age_d(leg: Leg) -> float:
    """Days since the payer was first seen, at most `AGE_DAYS_MAX`."""
    return float(min(leg.payer.age_s / DAY_S, AGE_DAYS_MAX))


def payer_gap_h(leg: Leg) -> float:
    """Hours since the payer's last payment."""
    return float(leg.payer.gap_s / HOUR_S)


def payer_count_1h(leg: Leg) -> float:
    """Payments of the payer, decayed over an hour."""
    return float(leg.payer.count[_HOUR])


def payer_count_1d(leg: Leg) -> float:
    """Payments of the payer, decayed over a day."""
    return float(leg.payer.count[_DAY])


def payer_count_30d(leg: Leg) -> float:
    """Payments of the payer, decayed over a month."""
    return float(leg.payer.count[_MONTH])


def payer_hour_to_month(leg: Leg) -> float:
    """Payer's value of the hour divided by that of the month."""
    return _ratio(leg.payer.value[_HOUR], leg.payer.value[_MONTH])


def payer_day_to_month(leg: Leg) -> float:
    """Payer's value of the day divided by that of the month."""
    return _ratio(leg.payer.value[_DAY], leg.payer.value[_MONTH])


def payer_payees_1d(leg: Leg) -> float:
    """Distinct payees of the payer in a day (estimate)."""
    return float(leg.payer.payees_1d)


def account_open_d(leg: Leg) -> float:
    """Days since the payee's account was opened, where its bank says so."""
    return _since_h(leg, leg.transfer.creditor_opened_at_us) / 24


def account_age_d(leg: Leg) -> float:
    """Days since the account was first seen, at most `AGE_DAYS_MAX`."""
    return float(min(leg.account.age_s / DAY_S, AGE_DAYS_MAX))


def in_gap_h(leg: Leg) -> float:
    """Hours since the account's last credit; on debit legs the dwell time."""
    return float(leg.account.in_gap_s / HOUR_S)


def out_gap_h(leg: Leg) -> float:
    """Hours since the account's last debit."""
    return float(leg.account.out_gap_s / HOUR_S)


def counterparty_gap_h(leg: Leg) -> float:
    """Hours since the account's last leg the same way with this counterparty; nan if never."""
    return float(leg.account.counterparty_gap_s / HOUR_S)


def in_count_1h(leg: Leg) -> float:
    """Credits, decayed over an hour."""
    return float(leg.account.in_count[_HOUR])


def in_count_1d(leg: Leg) -> float:
    """Credits, decayed over a day."""
    return float(leg.account.in_count[_DAY])


def in_count_7d(leg: Leg) -> float:
    """Credits, decayed over a week."""
    return float(leg.account.in_count[_WEEK])


def in_count_30d(leg: Leg) -> float:
    """Credits, decayed over a month."""
    return float(leg.account.in_count[_MONTH])


def out_count_1h(leg: Leg) -> float:
    """Debits, decayed over an hour."""
    return float(leg.account.out_count[_HOUR])


def out_count_1d(leg: Leg) -> float:
    """Debits, decayed over a day."""
    return float(leg.account.out_count[_DAY])


def out_count_30d(leg: Leg) -> float:
    """Debits, decayed over a month."""
    return float(leg.account.out_count[_MONTH])


def in_day_to_month(leg: Leg) -> float:
    """Credited value of the day divided by that of the month: a burst of credits."""
    return _ratio(leg.account.in_value[_DAY], leg.account.in_value[_MONTH])


def out_to_in_1d(leg: Leg) -> float:
    """Debited value divided by credited value, decayed over a day: how fast the account drains."""
    return _ratio(leg.account.out_value[_DAY], leg.account.in_value[_DAY])


def out_to_in_7d(leg: Leg) -> float:
    """Debited value divided by credited value, decayed over a week."""
    return _ratio(leg.account.out_value[_WEEK], leg.account.in_value[_WEEK])


def out_to_in_30d(leg: Leg) -> float:
    """Debited value divided by credited value, decayed over a month."""
    return _ratio(leg.account.out_value[_MONTH], leg.account.in_value[_MONTH])


def amount_to_in_1h(leg: Leg) -> float:
    """Amount divided by the account's credited value of the hour."""
    return _ratio(leg.value, leg.account.in_value[_HOUR])


def amount_to_in_1d(leg: Leg) -> float:
    """Amount divided by the account's credited value of the day."""
    return _ratio(leg.value, leg.account.in_value[_DAY])


def amount_to_largest_in(leg: Leg) -> float:
    """Amount divided by the account's largest credit."""
    return _ratio(leg.value, leg.account.largest_in)


def amount_to_mean_in(leg: Leg) -> float:
    """Amount divided by the account's mean credit of the month."""
    return _ratio(leg.value * leg.account.in_count[_MONTH], leg.account.in_value[_MONTH])


def risky_share_1d(leg: Leg) -> float:
    """Share of the day's credited value that came with a victim's signals or from payers new to the payee."""
    return _ratio(leg.account.risky_value[_DAY], leg.account.in_value[_DAY])


def risky_share_7d(leg: Leg) -> float:
    """Share of the week's credited value of that kind."""
    return _ratio(leg.account.risky_value[_WEEK], leg.account.in_value[_WEEK])


def payers_1d(leg: Leg) -> float:
    """Distinct payers of the account in a day (estimate)."""
    return float(leg.account.payers_1d)


def payers_7d(leg: Leg) -> float:
    """Distinct payers of the account in a week (estimate)."""
    return float(leg.account.payers_7d)


def payees_1d(leg: Leg) -> float:
    """Distinct payees of the account in a day (estimate)."""
    return float(leg.account.payees_1d)


#: Columns of the credit leg by the reason they stand for.
CREDIT: Mapping[str, tuple[Feature, ...]] = {
    "AMOUNT_UNUSUAL": (amount, roundness, amount_to_largest, amount_to_usual, balance_share),
    "PAYEE_NEW": (payee_age_h, payee_gap_h, payee_check),
    "PAYER_GUIDED": (remote_control, screen_share, call_in_progress, new_device_h, limit_raised_h),
    "PAYMENT_SERIES": (
        payer_gap_h, payer_count_1h, payer_count_1d, payer_hour_to_month, payer_day_to_month, payer_payees_1d,
    ),
    "PAYEE_ACCOUNT_YOUNG": (account_open_d, account_age_d, in_count_30d, out_count_30d),
    "PAYEE_COLLECTS": (
        in_gap_h, in_count_1h, in_count_1d, in_count_7d, in_day_to_month, payers_1d, payers_7d,
        risky_share_1d, risky_share_7d, amount_to_largest_in, amount_to_mean_in, counterparty_gap_h,
    ),
    "PAYEE_DRAINS": (out_gap_h, out_count_1h, out_count_1d, out_to_in_1d, out_to_in_7d, payees_1d),
    "CONTEXT": (hour_of_day, channel, purpose, age_band, payer_age_d, payer_count_30d),
}  # fmt: skip

#: Columns of the debit leg by the reason they stand for.
DEBIT: Mapping[str, tuple[Feature, ...]] = {
    "MONEY_PASSES_THROUGH": (
        in_gap_h, amount_to_in_1h, amount_to_in_1d, amount_to_largest_in, out_to_in_1d, out_to_in_7d,
        out_to_in_30d, balance_share,
    ),
    "SUSPICIOUS_CREDITS": (
        risky_share_1d, risky_share_7d, in_count_1h, in_count_1d, in_count_7d, in_day_to_month, payers_1d,
        payers_7d,
    ),
    "ACCOUNT_SCATTERS": (out_gap_h, out_count_1h, out_count_1d, payees_1d, counterparty_gap_h),
    "ACCOUNT_YOUNG": (account_age_d, in_count_30d, out_count_30d, payer_age_d),
    "PAYEE_NEW": (payee_age_h, payee_gap_h, payee_check, account_open_d),
    "AMOUNT_UNUSUAL": (amount, roundness, amount_to_largest, amount_to_usual),
    "CONTEXT": (hour_of_day, channel, purpose, age_band, new_device_h, limit_raised_h),
}  # fmt: skip


def columns(groups: Mapping[str, Sequence[Feature]]) -> tuple[Feature, ...]:
    """Return the feature functions of `groups` in column order."""
    return tuple(feature for group in groups.values() for feature in group)


def names(groups: Mapping[str, Sequence[Feature]]) -> tuple[str, ...]:
    """Return the column names of `groups`."""
    return tuple(feature.__name__ for feature in columns(groups))


def matrix(groups: Mapping[str, Sequence[Feature]], legs: Legs) -> FloatArray:
    """Return the features of `legs`, float64[n, columns], stored column by column."""
    features = columns(groups)
    out = np.empty((len(legs.value), len(features)), order="F")
    _loop(features)(*legs, out.T)
    return out


@cache
def _loop(features: tuple[Feature, ...]) -> Callable[..., None]:
    """Compile what fills float64[columns, n] from `Legs`, looking at every row of theirs once.

    Compiled code cannot take one function after the other from a sequence, so its text is put together, a
    line a column. Its name tells what is kept of it on disk from the loops of other columns.
    """
    called = [each.__name__ for each in features]
    name = f"fill_{zlib.crc32(' '.join(called).encode()):08x}"
    lines = [
        f"def {name}(transfer, value, payer, account, out):",
        "    for row in range(len(value)):",
        "        leg = Leg(transfer[row], value[row], payer[row], account[row])",
        *(f"        out[{place}, row] = {feature}(leg)" for place, feature in enumerate(called)),
    ]
    known: dict[str, Any] = dict(zip(called, map(inlined, features), strict=True))
    known |= {"__name__": __name__, "Leg": Leg}
    exec(compile("\n".join(lines), __file__, "exec"), known)
    loop: Callable[..., None] = known[name]
    return compiled(loop)


#: Leg -> its features by reason, and their names in column order.
GROUPS = {"credit": CREDIT, "debit": DEBIT}
NAMES = {leg: names(groups) for leg, groups in GROUPS.items()}
