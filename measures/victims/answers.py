"""What came of a try, and what a party's answer leads to."""

from collections.abc import Mapping

import msgspec

from measures.victims import planning
from measures.victims.climb import Climb
from schemas.contact import (
    Calm,
    ContactOutcome,
    FollowUp,
    Heard,
    Ladder,
    PartyVerdict,
    Reopened,
    Step,
    Watched,
)
from schemas.feedback import Feedback
from schemas.strict_text import is_number
from schemas.units import DAY_US, HOUR_US, SECOND_US

#: Button pressed, or finding told -> what the party says by it.
_ACTS: Mapping[str, PartyVerdict] = {"STOP": "DISSUADED", "HANG_UP": "DISSUADED", "CONTINUE": "CONTINUED"}
_FINDINGS: Mapping[str, PartyVerdict] = {"LEGITIMATE": "NOT_SCAM", "SCAM": "DISSUADED"}

#: How far a try has come; what comes late never sets it back.
_REACHED = {"": 0, "SENDING": 0, "SENT": 1, "DELIVERED": 2, "READ": 3}

#: States after which the rung is left, and why the next is begun.
_LOST: dict[str, Step] = {
    "UNREACHABLE": "UNREACHABLE", "FAILED": "FAILED", "UNCERTAIN": "UNCERTAIN",
}  # fmt: skip

#: When each follow-up is due after a dissuasion.
_FOLLOW_UP_US = {"24h": 24 * HOUR_US, "7d": 7 * DAY_US, "30d": 30 * DAY_US}


def said_in(found: Feedback) -> PartyVerdict | None:
    """Return what a party says in the bank's app or to its people; None of what others say."""
    if found.kind not in ("ANSWER", "DIALOGUE"):
        return None
    by = _ACTS.get(found.act) if found.kind == "DIALOGUE" else _FINDINGS.get(found.verdict)
    return by or "UNKNOWN"


def take(climb: Climb, outcome: ContactOutcome) -> None:
    """Take what a channel tells of a try; the same thing twice changes nothing."""
    warning_id, rung, number = _parts(outcome.key)
    ladder = next((each for each in climb.party.ladders if each.warning_id == warning_id), None)
    if ladder is None or outcome.state == "SENDING":
        return
    if not (is_number(rung) and is_number(number)):
        climb.note(Heard, outcome=outcome, warning_id=warning_id)
        return
    rungs = climb.rule.rungs(ladder.severity)
    present = (int(rung), int(number)) == (ladder.place, ladder.attempt)
    asked = int(rung) < ladder.place or (int(rung) == ladder.place and int(number) <= ladder.attempt)
    if ladder.ended or not asked or int(rung) >= len(rungs) or rungs[int(rung)].channel != outcome.channel:
        return
    if outcome.state == "ANSWERED":
        counted = not _forwarded(climb, outcome)
        climb.note(Heard, outcome=outcome, warning_id=warning_id, counted=counted)
        if counted:
            decide(climb, ladder, outcome)
        elif present:
            planning.next_rung(climb, ladder, "CALLS_FORWARDED")
    elif present and outcome.state in _LOST:
        climb.note(Heard, outcome=outcome, warning_id=warning_id)
        if outcome.state == "FAILED":
            planning.next_rung(climb, ladder, "FAILED")
        else:
            planning.again_or_next(climb, ladder, _LOST[outcome.state])
    elif present and _REACHED.get(outcome.state, 0) > _REACHED.get(ladder.state, 0):
        climb.note(Heard, outcome=outcome, warning_id=warning_id)
        wait_us = rungs[ladder.place].wait_s * SECOND_US
        begun_us = ladder.due_us if ladder.state and ladder.due_us is not None else climb.now + wait_us
        reached = ladder.reached or outcome.channel not in planning.VOICE
        climb.put(msgspec.structs.replace(ladder, state=outcome.state, due_us=begun_us, reached=reached))


def decide(climb: Climb, ladder: Ladder, outcome: ContactOutcome) -> None:
    """Act on an answer that counts."""
    answered = (outcome.channel, min(outcome.at_us, climb.now))
    if outcome.verdict == "DISSUADED":
        climb.end(ladder, "DISSUADED", answered=answered)
        until_us = climb.after(climb.rule.watch)
        climb.change(watch_until_us=max(until_us, climb.party.watch_until_us))
        climb.note(Watched, party_token=climb.party.party_token, from_us=climb.now, until_us=until_us)
        later = tuple(
            FollowUp(
                due_us=climb.now + _FOLLOW_UP_US[name],
                rung=name,
                channel=channel,
                warning_id=ladder.warning_id,
                family=ladder.family,
                severity=ladder.severity,
                language=ladder.language,
            )
            for name, channel in climb.rule.follow_ups.items()
        )
        climb.change(follow_ups=(*climb.party.follow_ups, *later))
    elif outcome.verdict == "NOT_SCAM":
        climb.end(ladder, "NOT_SCAM", answered=answered)
        calm = Calm(
            family=ladder.family,
            until_us=climb.after(climb.rule.calm),
            severity=ladder.severity,
            evidence=ladder.evidence,
        )
        others = tuple(each for each in climb.party.calm if each.family != ladder.family)
        climb.change(calm=(*others, calm))
    elif ladder.place + 1 >= len(climb.rule.rungs(ladder.severity)) and outcome.verdict == "CONTINUED":
        climb.end(ladder, "CONTINUED", answered=answered)
    else:
        why: Step = "CONTINUED" if outcome.verdict == "CONTINUED" else "UNDECIDED"
        planning.next_rung(climb, ladder, why)


def doubt_voices(climb: Climb, since_us: int) -> None:
    """Go on with ladders that a voice ended after calls were forwarded: who knows who spoke."""
    for ladder in climb.party.ladders:
        if ladder.answered is not None and ladder.ended in ("DISSUADED", "NOT_SCAM"):
            channel, at_us = ladder.answered
            if channel in planning.VOICE and at_us >= since_us and ladder.valid_until_us > climb.now:
                rest = tuple(x for x in climb.party.follow_ups if x.warning_id != ladder.warning_id)
                calm = tuple(x for x in climb.party.calm if x.family != ladder.family)
                climb.change(follow_ups=rest, calm=calm)
                climb.note(Reopened, warning_id=ladder.warning_id)
                again = msgspec.structs.replace(ladder, ended="", answered=None)
                planning.next_rung(climb, again, "CALLS_FORWARDED")
        elif not ladder.ended and _channel(climb, ladder) in planning.VOICE and ladder.attempt:
            planning.next_rung(climb, ladder, "CALLS_FORWARDED")


def _channel(climb: Climb, ladder: Ladder) -> str:
    rungs = climb.rule.rungs(ladder.severity)
    return rungs[ladder.place].channel if ladder.place < len(rungs) else ""


def _forwarded(climb: Climb, outcome: ContactOutcome) -> bool:
    """Whether somebody else may have spoken: a voice, on a line whose calls were forwarded then."""
    since = climb.party.forwarded_us
    return outcome.channel in planning.VOICE and since is not None and outcome.at_us >= since


def _parts(key: str) -> tuple[str, str, str]:
    warning_id, _, rest = key.rpartition("/")[0].rpartition("/")
    return warning_id, rest, key.rpartition("/")[2]
