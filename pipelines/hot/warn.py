"""What a probable victim is told about a payment: severity, kind of scam, words (domain.md 2.1 to 2.3)."""

import numpy as np

from models.features import FloatArray, Legs
from pipelines.policy import DELAY, HOLD, STOP, Policy, Verdict
from schemas.ids import derived_id
from schemas.rows.transfers import CALL_IN_PROGRESS, REMOTE_CONTROL, SCREEN_SHARE, Paid
from schemas.units import DAY_US, HOUR_US
from schemas.warning import Channel, FraudClass, Severity, Warning

#: Where to say it, by severity: domain.md 2.1.
CHANNELS: dict[int, tuple[Channel, ...]] = {
    1: ("SMS",),
    2: ("IN_APP", "SMS", "ROBOT_CALL"),
    3: ("IN_APP", "CALL", "VISIT"),
    4: ("IN_APP", "CALL", "VISIT"),
}

#: How long a warning makes sense, by severity, microseconds: the victim is paying now.
VALID_US = {1: DAY_US, 2: DAY_US, 3: 2 * HOUR_US, 4: HOUR_US // 2}

_GUIDED = REMOTE_CONTROL | SCREEN_SHARE
_MOST_OF_THE_BALANCE = 0.6
_SERIES_PAYMENTS = 2.0


def severity(outcome: int, signals: int) -> Severity:
    """Grade a credit leg: 4 if money is being guided to a suspect account now, 3 if it is to be held.

    >>> severity(STOP, 0), severity(HOLD, 0), severity(DELAY, 0), severity(1, 0)
    (4, 3, 2, 1)
    """
    if outcome == STOP or (outcome == HOLD and signals):
        return 4
    return {HOLD: 3, DELAY: 2}.get(outcome, 1)


def fraud_classes(legs: Legs, balance_share: FloatArray) -> list[FraudClass]:
    """Guess the kind of scam of each leg from what the payer's device and history show (domain.md 3.2)."""
    signals = legs.transfer["signals"]
    called = (signals & CALL_IN_PROGRESS > 0) & (balance_share > _MOST_OF_THE_BALANCE)
    series = (signals == 0) & (legs.payer["count"][:, 1] >= _SERIES_PAYMENTS)
    kinds: tuple[FraudClass, ...] = "POLICE_COURT", "FAKE_SERVICE", "BRUSHING"
    guessed: list[FraudClass] = np.select([called, signals & _GUIDED > 0, series], kinds, "UNKNOWN").tolist()
    return guessed


def warning(policy: Policy, paid: Paid, verdict: Verdict, kind: FraudClass, *, hold: bool) -> Warning:
    """Make the warning about one credit leg; `hold`: the payment is delayed or held meanwhile."""
    grade = severity(verdict.outcome, paid.signals)
    rule = policy.law.on(paid.at_us).warning
    language, text = policy.words.warning(kind, policy.language, held=hold)
    spoken = language if language in policy.law.languages else policy.language
    return Warning(
        warning_id=derived_id("warning", paid.txn_id, paid.debtor, grade),
        dedup_key=derived_id("warned", paid.debtor, kind, grade),
        jurisdiction=policy.law.id,
        party_token=paid.debtor,
        severity=grade,
        grade=rule.grades[grade],
        fraud_class=kind,
        posterior=verdict.score,
        top_reasons=verdict.reasons,
        channels=CHANNELS[grade],
        template_id=f"{kind}_{grade}",
        language=language,
        text=text.format(hotline=rule.hotline_in(spoken)),
        txn_id=paid.txn_id,
        amount_minor=paid.amount_minor,
        currency=paid.currency,
        hold=hold,
        legal_basis=rule.basis_in(spoken),
        issued_at_us=paid.at_us,
        valid_until_us=paid.at_us + VALID_US[grade],
    )
