"""The age of the leg's own account, and how often money came and went."""

from models.features.catalogue import feature
from models.features.legs import AGE_DAYS_MAX, DAY, DAY_S, HOUR, HOUR_S, MONTH, WEEK, LegRow, since_h


@feature(credit="PAYEE_ACCOUNT_YOUNG", debit="PAYEE_NEW")
def account_open_d(leg: LegRow) -> float:
    """Days since the payee's account was opened, where its bank says so."""
    return since_h(leg, leg.transfer.creditor_opened_at_us) / 24


@feature(credit="PAYEE_ACCOUNT_YOUNG", debit="ACCOUNT_YOUNG")
def account_age_d(leg: LegRow) -> float:
    """Days since the account was first seen, at most `AGE_DAYS_MAX`."""
    return float(min(leg.account.age_s / DAY_S, AGE_DAYS_MAX))


@feature(credit="PAYEE_COLLECTS", debit="MONEY_PASSES_THROUGH")
def in_gap_h(leg: LegRow) -> float:
    """Hours since the account's last credit; on debit legs the dwell time."""
    return float(leg.account.in_gap_s / HOUR_S)


@feature(credit="PAYEE_DRAINS", debit="ACCOUNT_SCATTERS")
def out_gap_h(leg: LegRow) -> float:
    """Hours since the account's last debit."""
    return float(leg.account.out_gap_s / HOUR_S)


@feature(credit="PAYEE_COLLECTS", debit="ACCOUNT_SCATTERS")
def counterparty_gap_h(leg: LegRow) -> float:
    """Hours since the account's last leg the same way with this counterparty; nan if never."""
    return float(leg.account.counterparty_gap_s / HOUR_S)


@feature(credit="PAYEE_COLLECTS", debit="SUSPICIOUS_CREDITS")
def in_count_1h(leg: LegRow) -> float:
    """Credits, decayed over an hour."""
    return float(leg.account.in_count[HOUR])


@feature(credit="PAYEE_COLLECTS", debit="SUSPICIOUS_CREDITS")
def in_count_1d(leg: LegRow) -> float:
    """Credits, decayed over a day."""
    return float(leg.account.in_count[DAY])


@feature(credit="PAYEE_COLLECTS", debit="SUSPICIOUS_CREDITS")
def in_count_7d(leg: LegRow) -> float:
    """Credits, decayed over a week."""
    return float(leg.account.in_count[WEEK])


@feature(credit="PAYEE_ACCOUNT_YOUNG", debit="ACCOUNT_YOUNG")
def in_count_30d(leg: LegRow) -> float:
    """Credits, decayed over a month."""
    return float(leg.account.in_count[MONTH])


@feature(credit="PAYEE_DRAINS", debit="ACCOUNT_SCATTERS")
def out_count_1h(leg: LegRow) -> float:
    """Debits, decayed over an hour."""
    return float(leg.account.out_count[HOUR])


@feature(credit="PAYEE_DRAINS", debit="ACCOUNT_SCATTERS")
def out_count_1d(leg: LegRow) -> float:
    """Debits, decayed over a day."""
    return float(leg.account.out_count[DAY])


@feature(credit="PAYEE_ACCOUNT_YOUNG", debit="ACCOUNT_YOUNG")
def out_count_30d(leg: LegRow) -> float:
    """Debits, decayed over a month."""
    return float(leg.account.out_count[MONTH])
