"""How much money came to the leg's own account, how fast it leaves, and how suspicious it is."""

from models.features.catalogue import feature
from models.features.legs import DAY, HOUR, MONTH, WEEK, LegRow, ratio


@feature(credit="PAYEE_COLLECTS", debit="SUSPICIOUS_CREDITS")
def in_day_to_month(leg: LegRow) -> float:
    """Credited value of the day divided by that of the month: a burst of credits."""
    return ratio(leg.account.in_value[DAY], leg.account.in_value[MONTH])


@feature(credit="PAYEE_DRAINS", debit="MONEY_PASSES_THROUGH")
def out_to_in_1d(leg: LegRow) -> float:
    """Debited value divided by credited value, decayed over a day: how fast the account drains."""
    return ratio(leg.account.out_value[DAY], leg.account.in_value[DAY])


@feature(credit="PAYEE_DRAINS", debit="MONEY_PASSES_THROUGH")
def out_to_in_7d(leg: LegRow) -> float:
    """Debited value divided by credited value, decayed over a week."""
    return ratio(leg.account.out_value[WEEK], leg.account.in_value[WEEK])


@feature(debit="MONEY_PASSES_THROUGH")
def out_to_in_30d(leg: LegRow) -> float:
    """Debited value divided by credited value, decayed over a month."""
    return ratio(leg.account.out_value[MONTH], leg.account.in_value[MONTH])


@feature(debit="MONEY_PASSES_THROUGH")
def amount_to_in_1h(leg: LegRow) -> float:
    """Amount divided by the account's credited value of the hour."""
    return ratio(leg.value, leg.account.in_value[HOUR])


@feature(debit="MONEY_PASSES_THROUGH")
def amount_to_in_1d(leg: LegRow) -> float:
    """Amount divided by the account's credited value of the day."""
    return ratio(leg.value, leg.account.in_value[DAY])


@feature(credit="PAYEE_COLLECTS", debit="MONEY_PASSES_THROUGH")
def amount_to_largest_in(leg: LegRow) -> float:
    """Amount divided by the account's largest credit."""
    return ratio(leg.value, leg.account.largest_in)


@feature(credit="PAYEE_COLLECTS")
def amount_to_mean_in(leg: LegRow) -> float:
    """Amount divided by the account's mean credit of the month."""
    return ratio(leg.value * leg.account.in_count[MONTH], leg.account.in_value[MONTH])


@feature(credit="PAYEE_COLLECTS", debit="SUSPICIOUS_CREDITS")
def risky_share_1d(leg: LegRow) -> float:
    """Share of the day's credited value that came with a victim's signals or from payers new to the payee."""
    return ratio(leg.account.risky_value[DAY], leg.account.in_value[DAY])


@feature(credit="PAYEE_COLLECTS", debit="SUSPICIOUS_CREDITS")
def risky_share_7d(leg: LegRow) -> float:
    """Share of the week's credited value of that kind."""
    return ratio(leg.account.risky_value[WEEK], leg.account.in_value[WEEK])


@feature(credit="PAYEE_COLLECTS", debit="SUSPICIOUS_CREDITS")
def risky_share_30d(leg: LegRow) -> float:
    """Share of the month's credited value of that kind: whether mostly first-time payers pay the account."""
    return ratio(leg.account.risky_value[MONTH], leg.account.in_value[MONTH])


@feature(credit="PAYEE_DRAINS", debit="ACCOUNT_SCATTERS")
def risky_out_share_1d(leg: LegRow) -> float:
    """Share of the day's debited value that went to payees new to the account, or with a victim's signals."""
    return ratio(leg.account.risky_out_value[DAY], leg.account.out_value[DAY])


@feature(credit="PAYEE_DRAINS", debit="ACCOUNT_SCATTERS")
def risky_out_share_30d(leg: LegRow) -> float:
    """Share of the month's debited value of that kind."""
    return ratio(leg.account.risky_out_value[MONTH], leg.account.out_value[MONTH])
