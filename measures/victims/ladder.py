"""The ladder: one party's warnings, and what is tried next to reach it (domain.md 2.1 to 2.4).

Pure: a party, a command and the law of the day give the party after it and events. Time passes only by
commands; whatever a clock brought about before is worked off first, in order.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from measures.victims import answers, planning
from measures.victims.climb import Climb, Rules, chosen
from measures.victims.cooldown import Said, may_warn, recent
from schemas.contact import (
    ContactEntry,
    ContactEvent,
    ContactOutcome,
    ForwardingHeard,
    Heard,
    Ladder,
    Party,
    PartyTick,
    PartyVerdict,
    Suppressed,
    SuppressReason,
)
from schemas.contact import Said as SaidRecord
from schemas.ids import derived_id
from schemas.order import Record
from schemas.units import DAY_US
from schemas.warning import Warning

#: Ladders and calm that ended so long ago are forgotten.
KEEP_US = 30 * DAY_US


class Forwarding(Record, tag_field="type", tag="forwarding_seen", frozen=True, kw_only=True):
    """An operator says that calls to the party are forwarded, or no longer."""

    party_token: str
    active: bool
    at_us: int


class Answer(Record, tag_field="type", tag="answer", frozen=True, kw_only=True):
    """The party answered a warning elsewhere than on a channel of ours: in a dialogue, to a clerk."""

    party_token: str
    warning_id: str
    verdict: PartyVerdict
    at_us: int


Command = Warning | ContactOutcome | PartyTick | Forwarding | Answer


def held_out(party_token: str, percent: int) -> bool:
    """Whether a party belongs to those that are told nothing at severity 1 and 2."""
    return percent > 0 and chosen("encouragement", party_token, 100 // percent)


def apply(
    party: Party | None, command: Command, rules: Rules, at_us: int
) -> tuple[Party, tuple[ContactEvent, ...]]:
    """Return a party after a command received at `at_us` (microseconds UTC), and what happened.

    Its version is one more if anything but its clock changed.
    """
    known = party or Party(party_token=command.party_token, jurisdiction=rules.law.id)
    climb = Climb(known, rules, at_us)
    _run_due(climb)
    _TAKE[type(command)](climb, command)
    _run_due(climb)
    if climb.events or msgspec.structs.replace(climb.party, clock_us=known.clock_us) != known:
        climb.change(version=known.version + 1)
    climb.change(clock_us=climb.now)
    return climb.party, tuple(climb.events)


def entry(party: Party, events: tuple[ContactEvent, ...]) -> ContactEntry:
    """Return the journal entry of a command that led to events."""
    return ContactEntry(
        entry_id=derived_id("contact", party.party_token, party.version),
        party_token=party.party_token,
        jurisdiction=party.jurisdiction,
        version=party.version,
        at_us=party.clock_us,
        events=events,
        party=party,
    )


def next_due_us(party: Party) -> int | None:
    """Return when something happens to a party by itself; None if never."""
    ladders = [each.due_us for each in party.ladders if each.due_us is not None]
    return min([*ladders, *(each.due_us for each in party.follow_ups)], default=None)


def _run_due(climb: Climb) -> None:
    """Work off what is due up to now, the oldest first, each at its own time."""
    until_us = climb.now
    while (due_us := next_due_us(climb.party)) is not None and due_us <= until_us:
        climb.now = max(due_us, climb.party.clock_us)
        for ladder in climb.party.ladders:
            if ladder.due_us is not None and ladder.due_us <= climb.now:
                planning.pass_time(climb, ladder)
        for each in climb.party.follow_ups:
            if each.due_us <= climb.now:
                planning.follow_up(climb, each)
        climb.change(clock_us=climb.now)
    climb.now = until_us


def _tick(climb: Climb, command: PartyTick) -> None:
    """Forget what no longer matters."""
    old_us = climb.now - KEEP_US
    kept = tuple(each for each in climb.party.ladders if not each.ended or each.begun_us > old_us)
    calm = tuple(each for each in climb.party.calm if each.until_us > climb.now)
    if (kept, calm) != (climb.party.ladders, climb.party.calm):
        climb.change(ladders=kept, calm=calm)


def _warned(climb: Climb, warning: Warning) -> None:
    """Begin a ladder, unless something speaks against it."""
    party = climb.party
    family = warning.case_family_id or warning.fraud_class
    if any(each.warning_id == warning.warning_id for each in party.ladders):
        return
    severity = min(4, warning.severity + (party.forwarded_us is not None))
    asked = Said(climb.now, severity, family)
    evidence = tuple(sorted({reason.code for reason in warning.top_reasons}))
    if reason := _speaks_against(climb, warning, asked, evidence):
        climb.note(
            Suppressed, warning_id=warning.warning_id, severity=warning.severity, family=family, reason=reason
        )
        return
    for running in party.ladders:
        if running.family == family and not running.ended:
            climb.end(running, "SUPERSEDED")
    said = SaidRecord(at_us=asked.at_us, severity=severity, about=family)
    past = tuple(each for each in party.said if climb.now - each.at_us < DAY_US)
    climb.change(said=(*past, said))
    ladder = Ladder(
        warning_id=warning.warning_id,
        family=family,
        fraud_class=warning.fraud_class,
        grade_kind=warning.grade_kind,
        severity=severity,
        begun_us=climb.now,
        valid_until_us=warning.valid_until_us,
        language=warning.language,
        text=warning.text,
        template_id=warning.template_id,
        evidence=evidence,
        txn_id=warning.txn_id,
        timezone=warning.timezone,
        family_consent=warning.family_consent,
        dialogue=warning.dialogue,
    )
    planning.climb_on(climb, ladder, "BEGUN")


def _speaks_against(
    climb: Climb, warning: Warning, asked: Said, evidence: tuple[str, ...]
) -> SuppressReason | None:
    """Return why a warning begins no ladder, None if it does."""
    party = climb.party
    if warning.valid_until_us <= climb.now:
        return "EXPIRED"
    if asked.severity <= 2 and held_out(party.party_token, climb.rules.hold_out_percent):
        return "HELD_OUT"
    for calm in party.calm:
        same = calm.family == asked.about and calm.until_us > climb.now
        if same and asked.severity <= calm.severity and set(evidence) <= set(calm.evidence):
            return "NOT_SCAM"
    running = [each for each in party.ladders if each.family == asked.about and not each.ended]
    if any(each.severity >= asked.severity for each in running):
        return "RUNNING"
    said = tuple(Said(each.at_us, each.severity, each.about) for each in party.said)
    allowed = may_warn(recent(said, climb.now), asked, climb.rules.law.on(climb.now))
    return None if allowed else "COOLDOWN"


def _heard(climb: Climb, outcome: ContactOutcome) -> None:
    answers.take(climb, outcome)


def _answered(climb: Climb, answer: Answer) -> None:
    """Take an answer that was given in the bank's app or to its people."""
    found = next((each for each in climb.party.ladders if each.warning_id == answer.warning_id), None)
    if found is None or found.ended:
        return
    outcome = ContactOutcome(
        key=f"{answer.warning_id}/{found.place}/{max(found.attempt, 1)}",
        party_token=answer.party_token,
        channel="IN_APP",
        state="ANSWERED",
        at_us=min(answer.at_us, climb.now),
        verdict=answer.verdict,
        reason="DIALOGUE",
    )
    climb.note(Heard, outcome=outcome, warning_id=answer.warning_id)
    answers.decide(climb, found, outcome)


def _forwarding(climb: Climb, seen: Forwarding) -> None:
    """Remember the newest thing heard of forwarding; what voices answered since then does not count."""
    at_us = min(seen.at_us, climb.now)
    if at_us < climb.party.heard_us:
        return
    known = climb.party.forwarded_us
    since = None if not seen.active else at_us if known is None else known
    climb.change(heard_us=at_us)
    if since != climb.party.forwarded_us:
        climb.change(forwarded_us=since)
        climb.note(ForwardingHeard, since_us=since)
    if since is not None:
        answers.doubt_voices(climb, since)


_TAKE: Mapping[type, Callable[[Climb, Any], None]] = {
    Warning: _warned,
    ContactOutcome: _heard,
    PartyTick: _tick,
    Forwarding: _forwarding,
    Answer: _answered,
}
