"""What a probable victim is told about a payment: severity, kind of scam, words (domain.md 2.1 to 2.3)."""

from functools import lru_cache

import numpy as np

from measures.law.jurisdiction import Regime
from measures.victims.contacts import grade_kind
from models.features import FloatArray, Legs
from pipelines.policy import DELAY, HOLD, STOP, Decision, Policy
from schemas.ids import derived_id
from schemas.rows.transfers import CALL_IN_PROGRESS, REMOTE_CONTROL, SCREEN_SHARE, Paid
from schemas.scams import FraudClass
from schemas.units import DAY_US, HOUR_US, MINUTE_US
from schemas.warning import Channel, Severity, Warning

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


def warning(
    policy: Policy, paid: Paid, decision: Decision, kind: FraudClass, *, hold: bool, guided: bool = False
) -> Warning:
    """Make the warning about one credit leg; `hold`: the payment is delayed or held meanwhile.

    Who is `guided` while he pays is warned at the highest severity (`pipelines.hot.button`).

    `kind` is named where the policy says that its guesses are mostly right, else words that stay true.
    """
    grade: Severity = 4 if guided else severity(decision.outcome, paid.signals)
    law = policy.law.on(paid.at_us)
    rule = law.warning
    said = kind if kind in policy.named_classes else "UNKNOWN"
    until_us = _until_us(law, paid.at_us) if hold else 0
    words = policy.words.in_language(policy.language)
    until = _local(law, until_us // MINUTE_US, words.until) if until_us else ""
    language, text = policy.words.warning(said, policy.language, grade, held=hold, until=until)
    spoken = language if language in policy.law.languages else policy.language
    return Warning(
        warning_id=derived_id("warning", paid.txn_id, paid.debtor, grade),
        dedup_key=derived_id("warned", paid.debtor, said, grade),
        jurisdiction=policy.law.id,
        party_token=paid.debtor,
        severity=grade,
        grade=rule.grades[grade],
        grade_kind=grade_kind(grade),
        fraud_class=said,
        posterior=decision.score,
        top_reasons=decision.reasons,
        channels=CHANNELS[grade],
        template_id=f"{said}_{grade}",
        language=language,
        text=text.replace("{hotline}", rule.hotline_in(spoken)),
        txn_id=paid.txn_id,
        amount_minor=paid.amount_minor,
        currency=paid.currency,
        hold=hold,
        hold_until_us=until_us,
        legal_basis=rule.basis_in(spoken),
        issued_at_us=paid.at_us,
        valid_until_us=paid.at_us + VALID_US[grade],
        dialogue=policy.words.in_language(language).dialogue(grade),
        traceparent=paid.traceparent,
    )


def _until_us(law: Regime, at_us: int) -> int:
    """Return when a payment held now goes on by itself, 0 if the law of the day has no such hold."""
    found = law.hold_at("payer_delay", at_us)
    return law.calendar.add(at_us, found[1].term) if found else 0


@lru_cache(maxsize=4096)
def _local(law: Regime, minute: int, form: str) -> str:
    return law.calendar.local(minute * MINUTE_US).strftime(form)
