"""Which rung comes next, when it may be tried, and what goes out on it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from measures.law.calendar import EPOCH, MICROSECOND
from measures.law.warning_rules import QuietHours, RungRule, WarningRule
from measures.victims.climb import Climb
from measures.victims.words import FALLBACK, VictimWords
from schemas.contact import (
    Attempt,
    Deferred,
    FollowUp,
    Ladder,
    Party,
    Planned,
    Skipped,
    SkipReason,
    Step,
    Try,
)
from schemas.units import DAY_US, HOUR_US, SECOND_US

#: Channels on which somebody speaks over the telephone line: worth nothing where calls are forwarded.
VOICE = frozenset({"ROBOT_CALL", "CALL"})

#: Channels that people go by a script on.
SPOKEN = frozenset({"CALL", "FAMILY", "VISIT"})

#: At most so many tries on a channel in such a time, whatever they are about (domain.md 2.4).
CAPS = {"ROBOT_CALL": (2, DAY_US), "CALL": (3, 2 * HOUR_US)}

#: So long after its budget a try may be told to have left before the next rung is begun.
REPORT_US = 2 * SECOND_US

#: A follow-up is worth making for so long.
FOLLOW_UP_US = DAY_US


def climb_on(climb: Climb, ladder: Ladder, why: Step) -> None:
    """Try the rung that a ladder stands on, or the next that may be tried; end it where none is left."""
    rungs = climb.rule.rungs(ladder.severity)
    while ladder.place < len(rungs):
        rung = rungs[ladder.place]
        if reason := _passed_over(climb, ladder, rung):
            climb.note(
                Skipped, warning_id=ladder.warning_id, rung=ladder.place, channel=rung.channel, reason=reason
            )
            ladder = msgspec.structs.replace(ladder, place=ladder.place + 1, attempt=0, state="")
            why = "SKIPPED" if why == "BEGUN" else why
            continue
        begins_us = quiet_until(climb, ladder.timezone, ladder.severity)
        if begins_us > climb.now:
            climb.note(Deferred, warning_id=ladder.warning_id, rung=ladder.place, until_us=begins_us)
            climb.put(msgspec.structs.replace(ladder, attempt=0, state="", due_us=begins_us))
            return
        _try(climb, ladder, rung, why)
        return
    told = ladder.reached and ladder.severity <= 2
    expired = ladder.valid_until_us <= climb.now and why == "SKIPPED"
    climb.end(ladder, "DELIVERED" if told else "EXPIRED" if expired else "UNREACHED")


def next_rung(climb: Climb, ladder: Ladder, why: Step) -> None:
    """Leave a rung for the next."""
    climb_on(climb, msgspec.structs.replace(ladder, place=ladder.place + 1, attempt=0, state=""), why)


def again_or_next(climb: Climb, ladder: Ladder, why: Step) -> None:
    """Try the same rung once more, if it has tries left and may be tried, else the next."""
    rungs = climb.rule.rungs(ladder.severity)
    rung = rungs[min(ladder.place, len(rungs) - 1)]
    if ladder.attempt < rung.tries and not _passed_over(climb, ladder, rung):
        _try(climb, ladder, rung, why)
    else:
        next_rung(climb, ladder, why)


def pass_time(climb: Climb, ladder: Ladder) -> None:
    """Go on with a ladder whose quiet hours, budget or wait for an answer have come to their end."""
    if ladder.attempt == 0:
        climb_on(climb, ladder, "QUIET_OVER")
    elif ladder.state == "":
        next_rung(climb, ladder, "NOT_SENT")
    else:
        again_or_next(climb, ladder, "NO_ANSWER")


def follow_up(climb: Climb, due: FollowUp) -> None:
    """Ask a dissuaded party again; on a line whose calls are forwarded by a message."""
    rest = tuple(each for each in climb.party.follow_ups if each != due)
    begins_us = quiet_until(climb, "", 0)
    if begins_us > climb.now:
        climb.change(follow_ups=(*rest, msgspec.structs.replace(due, due_us=begins_us)))
        return
    climb.change(follow_ups=rest)
    forwarded = climb.party.forwarded_us is not None
    channel = "SMS" if due.channel in VOICE and forwarded else due.channel
    words, rule = _words(climb, due.language), climb.rule
    text = words.follow_ups[due.rung].replace("{hotline}", _hotline(climb, rule, words))
    attempt = Attempt(
        key=f"{due.warning_id}/{due.rung}/1",
        purpose="FOLLOW_UP",
        warning_id=due.warning_id,
        party_token=climb.party.party_token,
        jurisdiction=climb.party.jurisdiction,
        case_family=due.family,
        severity=due.severity,
        channel=channel,
        template_id=f"FOLLOW_UP_{due.rung}",
        language=words.language,
        text=text,
        sender=climb.rules.sender,
        send_by_us=climb.now + FOLLOW_UP_US,
        answer_by_us=climb.now + FOLLOW_UP_US,
        call_reason=words.call_reason if channel in VOICE else "",
        script=_script(climb, rule, words) if channel in SPOKEN else (),
    )
    climb.note(Planned, attempt=attempt, why="FOLLOW_UP")


def quiet_until(climb: Climb, timezone: str, severity: int) -> int:
    """Return when a message of a severity may go out: now, or at the end of the party's quiet hours.

    Follow-ups count as severity 0.
    """
    quiet: QuietHours = climb.rule.quiet
    if severity > quiet.up_to:
        return climb.now
    zone = ZoneInfo(timezone) if timezone else climb.rules.law.calendar.zone
    local = (EPOCH + climb.now * MICROSECOND).astimezone(zone)
    clock = local.strftime("%H:%M")
    wraps = quiet.start > quiet.end
    inside = clock >= quiet.start or clock < quiet.end if wraps else quiet.start <= clock < quiet.end
    if not inside:
        return climb.now
    day = local.date() + timedelta(days=1 if wraps and clock >= quiet.start else 0)
    end = datetime.combine(day, datetime.strptime(quiet.end, "%H:%M").time(), zone)
    return max((end - EPOCH) // MICROSECOND, climb.now + SECOND_US)


def _passed_over(climb: Climb, ladder: Ladder, rung: RungRule) -> SkipReason | None:
    """Return why a rung is not tried now, None if it is."""
    rule: WarningRule = climb.rule
    party = climb.party
    reasons: Iterator[tuple[bool, SkipReason]] = iter(
        (
            (rung.channel in rule.without, "FORBIDDEN"),
            (rung.channel == "FAMILY" and rule.family_contact == "FORBIDDEN", "FORBIDDEN"),
            (rung.channel == "FAMILY" and not ladder.family_consent, "NO_CONSENT"),
            (rung.channel in VOICE and party.forwarded_us is not None, "CALLS_FORWARDED"),
            (_capped(party, rung.channel, climb.now), "COOLDOWN"),
            (ladder.valid_until_us <= climb.now and ladder.severity <= 2, "EXPIRED"),
        )
    )
    return next((reason for holds, reason in reasons if holds), None)


def _capped(party: Party, channel: str, now_us: int) -> bool:
    if channel not in CAPS:
        return False
    most, within_us = CAPS[channel]
    return sum(each.channel == channel and now_us - each.at_us < within_us for each in party.tries) >= most


def _try(climb: Climb, ladder: Ladder, rung: RungRule, why: Step) -> None:
    """Plan one try, to be made at once."""
    rule: WarningRule = climb.rule
    words, number = _words(climb, ladder.language), ladder.attempt + 1
    budget_us = ladder.begun_us + rung.within_s * SECOND_US
    in_time = number == 1 and budget_us >= climb.now + SECOND_US
    send_by_us = budget_us if in_time else climb.now + rung.wait_s * SECOND_US
    attempt = Attempt(
        key=f"{ladder.warning_id}/{ladder.place}/{number}",
        purpose="WARN",
        warning_id=ladder.warning_id,
        party_token=climb.party.party_token,
        jurisdiction=climb.party.jurisdiction,
        case_family=ladder.family,
        severity=ladder.severity,
        channel=rung.channel,
        template_id=ladder.template_id,
        language=ladder.language,
        text=ladder.text,
        sender=climb.rules.sender if rung.channel == "SMS" else "",
        send_by_us=send_by_us,
        answer_by_us=send_by_us + rung.wait_s * SECOND_US,
        call_reason=words.call_reason if rung.channel in VOICE else "",
        script=_script(climb, rule, words) if rung.channel in SPOKEN else (),
        dialogue=ladder.dialogue if rung.channel == "IN_APP" else None,
    )
    climb.note(Planned, attempt=attempt, why=why)
    tries = tuple(each for each in climb.party.tries if climb.now - each.at_us < DAY_US)
    climb.change(tries=(*tries, Try(at_us=climb.now, channel=rung.channel)))
    climb.put(msgspec.structs.replace(ladder, attempt=number, state="", due_us=send_by_us + REPORT_US))


def _words(climb: Climb, language: str) -> VictimWords:
    return climb.rules.words.get(language) or climb.rules.words[FALLBACK]


def _script(climb: Climb, rule: WarningRule, words: VictimWords) -> tuple[str, ...]:
    """Return what to say, in English where there is no script in the language."""
    spoken = words if words.script else climb.rules.words[FALLBACK]
    hotline = _hotline(climb, rule, spoken)
    return tuple(line.replace("{hotline}", hotline) for line in spoken.script)


def _hotline(climb: Climb, rule: WarningRule, words: VictimWords) -> str:
    known = climb.rules.law.languages
    return rule.hotline_in(words.language if words.language in known else known[0])
