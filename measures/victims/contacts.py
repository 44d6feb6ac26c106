"""Warnings about a contact: a listed number called somebody, and no payment is known (domain.md 2.1)."""

from collections.abc import Mapping

from measures.law.jurisdiction import Jurisdiction
from measures.victims.words import FALLBACK, VictimWords
from schemas.clue import Clue
from schemas.ids import derived_id
from schemas.units import DAY_US, HOUR_US
from schemas.warning import GradeKind, Severity, Warning

#: A call with a listed number of at least so many seconds is contact; a shorter one may be a wrong number.
TALKED_S = 120

#: From this grade on a number or site counts as listed; a lower one as seen in reports.
LISTED = 2


def grade_kind(severity: int) -> GradeKind:
    """Return what a warning about a payment of this severity is: from 3 on money goes to a suspect."""
    return "FUND" if severity >= 3 else "CONTACT"


def contact_severity(clue: Clue) -> Severity | None:
    """Grade a clue by itself; None if it is nothing to warn of.

    3 while a listed number shares the screen or controls the device, 2 after a talk with a listed number or a
    visit to a listed site, 1 after a short call, a message, or a number of a lower grade.
    """
    if clue.grade == 0:
        return None
    listed = clue.grade >= LISTED
    guided = clue.kind in ("SCREEN_SHARE", "REMOTE_CONTROL") and clue.active
    talked = clue.kind == "CALL" and not clue.active and clue.duration_s >= TALKED_S
    if listed and guided:
        return 3
    if listed and (talked or clue.kind in ("URL", "APP")):
        return 2
    ended = clue.kind == "CALL" and not clue.active
    return 1 if ended or clue.kind in ("SMS", "URL", "APP") else None


def contact_warning(
    clue: Clue, law: Jurisdiction, words: Mapping[str, VictimWords], language: str
) -> Warning | None:
    """Return the warning that a clue is worth, None if it is worth none."""
    severity = contact_severity(clue)
    if severity is None:
        return None
    rule = law.on(clue.at_us).warning
    spoken = words.get(language) or words[FALLBACK]
    known = spoken.language if spoken.language in law.languages else law.languages[0]
    text = spoken.contact_warning(severity, clue.tail).replace("{hotline}", rule.hotline_in(known))
    return Warning(
        warning_id=derived_id("warning", clue.clue_id, clue.party, severity),
        dedup_key=derived_id("warned", clue.party, "CONTACT", severity),
        jurisdiction=law.id,
        party_token=clue.party,
        severity=severity,
        grade=rule.grades[severity],
        grade_kind="CONTACT",
        fraud_class="UNKNOWN",
        posterior=0.0,
        top_reasons=(),
        channels=tuple(rung.channel for rung in rule.rungs(severity)),
        template_id=f"CONTACT_{severity}",
        language=spoken.language,
        text=text,
        txn_id="",
        amount_minor=0,
        currency=law.currency,
        hold=False,
        legal_basis=rule.basis_in(known),
        issued_at_us=clue.at_us,
        valid_until_us=clue.at_us + (2 * HOUR_US if severity == 3 else DAY_US),
        dialogue=spoken.dialogue(severity),
    )
