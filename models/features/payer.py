"""What the payer did before."""

from models.features.catalogue import feature
from models.features.legs import AGE_DAYS_MAX, DAY, DAY_S, HOUR, HOUR_S, MONTH, WEEK, LegRow, ratio


@feature(credit="CONTEXT", debit="ACCOUNT_YOUNG")
def payer_age_d(leg: LegRow) -> float:
    """Days since the payer was first seen, at most `AGE_DAYS_MAX`."""
    return float(min(leg.payer.age_s / DAY_S, AGE_DAYS_MAX))


@feature(credit="PAYMENT_SERIES")
def payer_gap_h(leg: LegRow) -> float:
    """Hours since the payer's last payment."""
    return float(leg.payer.gap_s / HOUR_S)


@feature(credit="PAYMENT_SERIES")
def payer_count_1h(leg: LegRow) -> float:
    """Payments of the payer, decayed over an hour."""
    return float(leg.payer.count[HOUR])


@feature(credit="PAYMENT_SERIES")
def payer_count_1d(leg: LegRow) -> float:
    """Payments of the payer, decayed over a day."""
    return float(leg.payer.count[DAY])


@feature(credit="CONTEXT")
def payer_count_30d(leg: LegRow) -> float:
    """Payments of the payer, decayed over a month."""
    return float(leg.payer.count[MONTH])


@feature(credit="PAYMENT_SERIES")
def payer_hour_to_month(leg: LegRow) -> float:
    """Payer's value of the hour divided by that of the month."""
    return ratio(leg.payer.value[HOUR], leg.payer.value[MONTH])


@feature(credit="PAYMENT_SERIES")
def payer_day_to_month(leg: LegRow) -> float:
    """Payer's value of the day divided by that of the month."""
    return ratio(leg.payer.value[DAY], leg.payer.value[MONTH])


@feature(credit="PAYMENT_SERIES")
def payer_payees_1d(leg: LegRow) -> float:
    """Distinct payees of the payer in a day (estimate)."""
    return float(leg.payer.payees_1d)


@feature(credit="PAYMENT_SERIES")
def payer_suspected_1h(leg: LegRow) -> float:
    """How suspicious the payer's earlier payments looked, decayed over an hour."""
    return float(leg.payer.suspected[HOUR])


@feature(credit="PAYMENT_SERIES")
def payer_suspected_1d(leg: LegRow) -> float:
    """How suspicious the payer's earlier payments looked, decayed over a day."""
    return float(leg.payer.suspected[DAY])


@feature(credit="PAYMENT_SERIES")
def payer_suspected_7d(leg: LegRow) -> float:
    """How suspicious the payer's earlier payments looked, decayed over a week."""
    return float(leg.payer.suspected[WEEK])
