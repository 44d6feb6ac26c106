"""Features of a payment leg: one pure function per column, the same in the stream and in training.

A function is named after its column and maps `Legs` of n rows to float64[n]; nan is "not known". The two
legs ask different questions, so each has its own columns, grouped by the reason they stand for:
the credit leg asks whether this payee is a mule and this payer a victim now, the debit leg whether
suspicious money is leaving.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.transfers import CALL_IN_PROGRESS, REMOTE_CONTROL, SCREEN_SHARE

FloatArray = NDArray[np.float64]
Rows = NDArray[np.void]

HOUR_S, DAY_S = 3600.0, 86400.0

#: Ages count up to here: beyond, they tell how long the ledger runs rather than anything of the account.
AGE_DAYS_MAX = 3.0
_HOUR, _DAY, _WEEK, _MONTH = range(4)


class Legs(NamedTuple):
    """n legs of one kind.

    Attributes:
        transfer: TRANSFER[n] (`schemas.transfers`).
        value: amounts in the job's reference currency, minor units, float64[n].
        payer: PARTY_VIEW[n] of the paying party (`models.ledger`).
        account: ACCOUNT_VIEW[n] of the leg's own account: the payee's on credit legs, else the payer's.

    """

    transfer: Rows
    value: FloatArray
    payer: Rows
    account: Rows

    def rows(self, which: slice | NDArray[np.bool_] | NDArray[np.intp]) -> "Legs":
        """Return some of the legs."""
        return Legs(self.transfer[which], self.value[which], self.payer[which], self.account[which])


Feature = Callable[[Legs], FloatArray]


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    out = np.full(len(part), np.nan)
    # What has decayed to almost nothing divides to inf, which trees take.
    with np.errstate(over="ignore"):
        np.divide(part, whole, out=out, where=whole > 0)
    return out


def _since_h(legs: Legs, then: str) -> FloatArray:
    then_us = legs.transfer[then]
    return np.where(then_us < 0, np.nan, (legs.transfer["at_us"] - then_us) / (HOUR_S * 1e6))


def _signal(legs: Legs, bit: int) -> FloatArray:
    shown: FloatArray = (legs.transfer["signals"] & bit > 0).astype(np.float64)
    return shown


def amount(legs: Legs) -> FloatArray:
    """log10 of the amount, minor units of the reference currency."""
    digits: FloatArray = np.log10(np.maximum(legs.value, 1.0))
    return digits


def roundness(legs: Legs) -> FloatArray:
    """How round the amount is: trailing decimal zeros of its major units, 0 to 4."""
    minor = legs.transfer["amount_minor"]
    zeros: FloatArray = np.sum([minor % 10**power == 0 for power in (3, 4, 5, 6)], axis=0, dtype=np.float64)
    return zeros


def hour_of_day(legs: Legs) -> FloatArray:
    """Hour of the day, UTC, with fraction."""
    return legs.transfer["at_us"] / (HOUR_S * 1e6) % 24


def channel(legs: Legs) -> FloatArray:
    """Channel code (`schemas.payment.CHANNELS`)."""
    return legs.transfer["channel"].astype(np.float64)


def purpose(legs: Legs) -> FloatArray:
    """Purpose code (`schemas.payment.PURPOSES`)."""
    return legs.transfer["purpose"].astype(np.float64)


def age_band(legs: Legs) -> FloatArray:
    """Age band of the payer, oldest last; nan if unknown."""
    return np.where(legs.transfer["age_band"] == 0, np.nan, legs.transfer["age_band"])


def amount_to_largest(legs: Legs) -> FloatArray:
    """Amount divided by the largest the payer sent before."""
    return _ratio(legs.value, legs.payer["largest"])


def amount_to_usual(legs: Legs) -> FloatArray:
    """Amount divided by the payer's mean amount of the month."""
    return _ratio(legs.value * legs.payer["count"][:, _MONTH], legs.payer["value"][:, _MONTH])


def balance_share(legs: Legs) -> FloatArray:
    """Share of the payer's balance that this payment takes."""
    after = legs.transfer["balance_after_minor"].astype(np.float64)
    paid = legs.transfer["amount_minor"].astype(np.float64)
    return np.where(after < 0, np.nan, paid / (paid + np.maximum(after, 0)))


def payee_age_h(legs: Legs) -> FloatArray:
    """Hours since the payer first saved or paid this payee."""
    return _since_h(legs, "payee_added_at_us")


def payee_gap_h(legs: Legs) -> FloatArray:
    """Hours since the payer last paid this payee (or one of its bucket); nan if never."""
    return legs.payer["payee_gap_s"] / HOUR_S


def payee_check(legs: Legs) -> FloatArray:
    """Code of the payee-name check's result (`schemas.payment.PAYEE_CHECKS`)."""
    return legs.transfer["payee_check"].astype(np.float64)


def remote_control(legs: Legs) -> FloatArray:
    """1 if a remote-control app runs on the payer's device."""
    return _signal(legs, REMOTE_CONTROL)


def screen_share(legs: Legs) -> FloatArray:
    """1 if the payer's screen is shared."""
    return _signal(legs, SCREEN_SHARE)


def call_in_progress(legs: Legs) -> FloatArray:
    """1 if the payer is in a call."""
    return _signal(legs, CALL_IN_PROGRESS)


def new_device_h(legs: Legs) -> FloatArray:
    """Hours since the device was first seen with this payer."""
    hours = legs.transfer["new_device_age_h"]
    return np.where(hours < 0, np.nan, hours)


def limit_raised_h(legs: Legs) -> FloatArray:
    """Hours since the payer's limit was raised."""
    return _since_h(legs, "limit_changed_at_us")


def payer_age_d(legs: Legs) -> FloatArray:
    """Days since the payer was first seen, at most `AGE_DAYS_MAX`."""
    return np.minimum(legs.payer["age_s"] / DAY_S, AGE_DAYS_MAX)


def payer_gap_h(legs: Legs) -> FloatArray:
    """Hours since the payer's last payment."""
    return legs.payer["gap_s"] / HOUR_S


def payer_count_1h(legs: Legs) -> FloatArray:
    """Payments of the payer, decayed over an hour."""
    return legs.payer["count"][:, _HOUR]


def payer_count_1d(legs: Legs) -> FloatArray:
    """Payments of the payer, decayed over a day."""
    return legs.payer["count"][:, _DAY]


def payer_count_30d(legs: Legs) -> FloatArray:
    """Payments of the payer, decayed over a month."""
    return legs.payer["count"][:, _MONTH]


def payer_hour_to_month(legs: Legs) -> FloatArray:
    """Payer's value of the hour divided by that of the month."""
    return _ratio(legs.payer["value"][:, _HOUR], legs.payer["value"][:, _MONTH])


def payer_day_to_month(legs: Legs) -> FloatArray:
    """Payer's value of the day divided by that of the month."""
    return _ratio(legs.payer["value"][:, _DAY], legs.payer["value"][:, _MONTH])


def payer_payees_1d(legs: Legs) -> FloatArray:
    """Distinct payees of the payer in a day (estimate)."""
    return legs.payer["payees_1d"]


def account_open_d(legs: Legs) -> FloatArray:
    """Days since the payee's account was opened, where its bank says so."""
    return _since_h(legs, "creditor_opened_at_us") / 24


def account_age_d(legs: Legs) -> FloatArray:
    """Days since the account was first seen, at most `AGE_DAYS_MAX`."""
    return np.minimum(legs.account["age_s"] / DAY_S, AGE_DAYS_MAX)


def in_gap_h(legs: Legs) -> FloatArray:
    """Hours since the account's last credit; on debit legs the dwell time."""
    return legs.account["in_gap_s"] / HOUR_S


def out_gap_h(legs: Legs) -> FloatArray:
    """Hours since the account's last debit."""
    return legs.account["out_gap_s"] / HOUR_S


def counterparty_gap_h(legs: Legs) -> FloatArray:
    """Hours since the account's last leg the same way with this counterparty; nan if never."""
    return legs.account["counterparty_gap_s"] / HOUR_S


def in_count_1h(legs: Legs) -> FloatArray:
    """Credits, decayed over an hour."""
    return legs.account["in_count"][:, _HOUR]


def in_count_1d(legs: Legs) -> FloatArray:
    """Credits, decayed over a day."""
    return legs.account["in_count"][:, _DAY]


def in_count_7d(legs: Legs) -> FloatArray:
    """Credits, decayed over a week."""
    return legs.account["in_count"][:, _WEEK]


def in_count_30d(legs: Legs) -> FloatArray:
    """Credits, decayed over a month."""
    return legs.account["in_count"][:, _MONTH]


def out_count_1h(legs: Legs) -> FloatArray:
    """Debits, decayed over an hour."""
    return legs.account["out_count"][:, _HOUR]


def out_count_1d(legs: Legs) -> FloatArray:
    """Debits, decayed over a day."""
    return legs.account["out_count"][:, _DAY]


def out_count_30d(legs: Legs) -> FloatArray:
    """Debits, decayed over a month."""
    return legs.account["out_count"][:, _MONTH]


def in_day_to_month(legs: Legs) -> FloatArray:
    """Credited value of the day divided by that of the month: a burst of credits."""
    return _ratio(legs.account["in_value"][:, _DAY], legs.account["in_value"][:, _MONTH])


def out_to_in_1d(legs: Legs) -> FloatArray:
    """Debited value divided by credited value, decayed over a day: how fast the account drains."""
    return _ratio(legs.account["out_value"][:, _DAY], legs.account["in_value"][:, _DAY])


def out_to_in_7d(legs: Legs) -> FloatArray:
    """Debited value divided by credited value, decayed over a week."""
    return _ratio(legs.account["out_value"][:, _WEEK], legs.account["in_value"][:, _WEEK])


def out_to_in_30d(legs: Legs) -> FloatArray:
    """Debited value divided by credited value, decayed over a month."""
    return _ratio(legs.account["out_value"][:, _MONTH], legs.account["in_value"][:, _MONTH])


def amount_to_in_1h(legs: Legs) -> FloatArray:
    """Amount divided by the account's credited value of the hour."""
    return _ratio(legs.value, legs.account["in_value"][:, _HOUR])


def amount_to_in_1d(legs: Legs) -> FloatArray:
    """Amount divided by the account's credited value of the day."""
    return _ratio(legs.value, legs.account["in_value"][:, _DAY])


def amount_to_largest_in(legs: Legs) -> FloatArray:
    """Amount divided by the account's largest credit."""
    return _ratio(legs.value, legs.account["largest_in"])


def amount_to_mean_in(legs: Legs) -> FloatArray:
    """Amount divided by the account's mean credit of the month."""
    return _ratio(legs.value * legs.account["in_count"][:, _MONTH], legs.account["in_value"][:, _MONTH])


def risky_share_1d(legs: Legs) -> FloatArray:
    """Share of the day's credited value that came with a victim's signals or from payers new to the payee."""
    return _ratio(legs.account["risky_value"][:, _DAY], legs.account["in_value"][:, _DAY])


def risky_share_7d(legs: Legs) -> FloatArray:
    """Share of the week's credited value of that kind."""
    return _ratio(legs.account["risky_value"][:, _WEEK], legs.account["in_value"][:, _WEEK])


def payers_1d(legs: Legs) -> FloatArray:
    """Distinct payers of the account in a day (estimate)."""
    return legs.account["payers_1d"]


def payers_7d(legs: Legs) -> FloatArray:
    """Distinct payers of the account in a week (estimate)."""
    return legs.account["payers_7d"]


def payees_1d(legs: Legs) -> FloatArray:
    """Distinct payees of the account in a day (estimate)."""
    return legs.account["payees_1d"]


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
    for place, feature in enumerate(features):
        out[:, place] = feature(legs)
    return out


#: Leg -> its features by reason, and their names in column order.
GROUPS = {"credit": CREDIT, "debit": DEBIT}
NAMES = {leg: names(groups) for leg, groups in GROUPS.items()}
