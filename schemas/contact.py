"""Contacts: each try to reach a warned party, and what came of it (topics `contacts`, `warning_outcomes`).

An entry carries a party's ladder as it is *after* its events, so the newest entry of a party rebuilds it, and
the events of one cause travel in one message. A try has a key, `warning/rung/attempt`, under which nothing
goes out twice.
"""

from typing import Annotated, Literal

from msgspec import Meta

from schemas.contract import (
    Count,
    Country,
    Id,
    IdOrNone,
    Line,
    Micros,
    SealOrNone,
    Text,
    Token,
    TransactionIdOrNone,
    Version,
    Word,
)
from schemas.order import Record
from schemas.scams import FraudClass
from schemas.warning import Channel, Dialogue, GradeKind, Severity

#: What a try is for: the warning itself, or a later look at whether the party is still safe.
Purpose = Literal["WARN", "FOLLOW_UP"]

#: SENDING is the journal before anything leaves. SENT: the far side has it. DELIVERED, READ: so has the
#: party's device. ANSWERED: a person did. UNREACHABLE: not now (busy, no answer, switched off). FAILED:
#: never this way. UNCERTAIN: the sender does not know whether it left.
ContactState = Literal[
    "SENDING", "SENT", "DELIVERED", "READ", "ANSWERED", "UNREACHABLE", "FAILED", "UNCERTAIN"
]
PartyVerdict = Literal["DISSUADED", "NOT_SCAM", "CONTINUED", "UNKNOWN"]

#: Why a rung was passed over.
SkipReason = Literal["CALLS_FORWARDED", "FORBIDDEN", "NO_CONSENT", "COOLDOWN", "EXPIRED"]

#: Why a warning began no ladder.
SuppressReason = Literal["RUNNING", "COOLDOWN", "NOT_SCAM", "HELD_OUT", "EXPIRED"]

#: Why the next rung, or the next try, was begun.
Step = Literal["BEGUN", "NO_ANSWER", "NOT_SENT", "UNREACHABLE", "FAILED", "UNCERTAIN", "CONTINUED",
"UNDECIDED",
               "SKIPPED", "CALLS_FORWARDED", "QUIET_OVER", "FOLLOW_UP"]  # fmt: skip

#: How a ladder ended. UNREACHED: no rung was left and nobody answered; DELIVERED: no answer was asked for.
Ending = Literal["DISSUADED", "NOT_SCAM", "CONTINUED", "DELIVERED", "UNREACHED", "SUPERSEDED", "EXPIRED"]


class Attempt(Record, frozen=True, kw_only=True):
    """One try to reach a party; `key` is `warning/rung/attempt`.

    Attributes:
        send_by_us: its budget; later the next rung is begun without it.
        answer_by_us: how long an answer is waited for.
        call_reason: at most 32 characters, shown before a call that is announced (CAMARA Verified Caller).
        script: what the person who calls or visits says, line by line.
        sender: name the message goes out under, "" if the gateway has it.

    """

    key: Id
    purpose: Purpose
    warning_id: Id
    party_token: Token
    jurisdiction: Country
    case_family: Id
    severity: Severity
    channel: Channel
    template_id: Word
    language: Word
    text: Text
    send_by_us: Micros
    answer_by_us: Micros
    sender: Line = ""
    call_reason: Annotated[str, Meta(max_length=32)] = ""
    script: tuple[Text, ...] = ()
    dialogue: Dialogue | None = None


class ContactOutcome(Record, tag_field="type", tag="outcome", frozen=True, kw_only=True):
    """What came of a try, as the channel tells (topic `warning_outcomes`, key: the party).

    `proof_id` names the announcement that a call was proved by; `reason` says why there is none, or why
    the try failed. `at_us` is when it happened.
    """

    key: Id
    party_token: Token
    channel: Channel
    state: ContactState
    at_us: Micros
    verdict: PartyVerdict = "UNKNOWN"
    reason: Line = ""
    proof_id: IdOrNone = ""


class PartyTick(Record, tag_field="type", tag="tick", frozen=True, kw_only=True):
    """Lets time pass on a party's ladder; sent by the job itself, to topic `warning_outcomes`."""

    party_token: Token


OutcomeMessage = ContactOutcome | PartyTick


class Said(Record, frozen=True, kw_only=True):
    """A warning that went out: when, how grave, what about."""

    at_us: Micros
    severity: Severity
    about: Id


class Try(Record, frozen=True, kw_only=True):
    """A try of the last day, remembered for the cool-downs of its channel."""

    at_us: Micros
    channel: Channel


class Calm(Record, frozen=True, kw_only=True):
    """The party said it is no scam: the same evidence is not told again until `until_us`."""

    family: Id
    until_us: Micros
    severity: Severity
    evidence: tuple[Word, ...]


class FollowUp(Record, frozen=True, kw_only=True):
    """A later look at a party that was dissuaded."""

    due_us: Micros
    rung: Word
    channel: Channel
    warning_id: Id
    family: Id
    severity: Severity
    language: Word


class Ladder(Record, frozen=True, kw_only=True):
    """One warning on its way up the rungs.

    Attributes:
        severity: as acted on: one more than the warning's where calls are forwarded.
        place: index of the present rung; the number of rungs when none is left.
        attempt: which try of it this is, from 1; 0 while it waits for quiet hours to end.
        state: of the present try, "" before it is planned.
        due_us: when something happens by itself; None once it has ended.
        reached: something came to the party's device.
        ended: how; "" while it runs.
        answered: channel whose answer ended it, and when.

    """

    warning_id: Id
    family: Id
    fraud_class: FraudClass
    grade_kind: GradeKind
    severity: Severity
    begun_us: Micros
    valid_until_us: Micros
    language: Word
    text: Text
    template_id: Word
    evidence: tuple[Word, ...]
    txn_id: TransactionIdOrNone = ""
    timezone: Line = ""
    family_consent: bool = False
    dialogue: Dialogue | None = None
    place: Count = 0
    attempt: Count = 0
    state: ContactState | Literal[""] = ""
    due_us: Micros | None = None
    reached: bool = False
    ended: Ending | Literal[""] = ""
    answered: tuple[Channel, Micros] | None = None


class Party(Record, frozen=True, kw_only=True):
    """All that is known of the warnings to one party.

    Attributes:
        clock_us: time of the newest event; never goes back.
        forwarded_us: since when calls are forwarded, None if they are not.
        heard_us: event time of the newest thing heard about forwarding.
        watch_until_us: dissuaded parties are watched until then.

    """

    party_token: Token
    jurisdiction: Country
    version: Version = 0
    clock_us: Micros = 0
    forwarded_us: Micros | None = None
    heard_us: Micros = 0
    watch_until_us: Micros = 0
    ladders: tuple[Ladder, ...] = ()
    said: tuple[Said, ...] = ()
    tries: tuple[Try, ...] = ()
    calm: tuple[Calm, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()


class Happened(Record, tag_field="type", frozen=True, kw_only=True):
    """Base of the events; `at_us` is when it happened on the ladder's clock."""

    at_us: Micros


class Planned(Happened, tag="planned", frozen=True, kw_only=True):
    """A try is to be made now; `why` this rung or this try."""

    attempt: Attempt
    why: Step


class Skipped(Happened, tag="skipped", frozen=True, kw_only=True):
    """A rung was passed over."""

    warning_id: Id
    rung: Count
    channel: Channel
    reason: SkipReason


class Deferred(Happened, tag="deferred", frozen=True, kw_only=True):
    """A rung waits for the end of quiet hours."""

    warning_id: Id
    rung: Count
    until_us: Micros


class Suppressed(Happened, tag="suppressed", frozen=True, kw_only=True):
    """A warning began no ladder."""

    warning_id: Id
    severity: Severity
    family: Id
    reason: SuppressReason


class Heard(Happened, tag="heard", frozen=True, kw_only=True):
    """An outcome was taken in; not `counted` where a voice answered while calls were forwarded."""

    outcome: ContactOutcome
    warning_id: Id
    counted: bool = True


class Ended(Happened, tag="ended", frozen=True, kw_only=True):
    """A ladder ended. `review`: a supervisor looks at this one."""

    warning_id: Id
    family: Id
    severity: Severity
    how: Ending
    review: bool = False


class Reopened(Happened, tag="reopened", frozen=True, kw_only=True):
    """A ladder goes on that a voice had ended: calls were forwarded when it spoke."""

    warning_id: Id


class Watched(Happened, tag="watched", frozen=True, kw_only=True):
    """The party is watched more closely until then: scammers come back."""

    party_token: Token
    from_us: Micros
    until_us: Micros


class StopProposed(Happened, tag="stop_proposed", frozen=True, kw_only=True):
    """People may ask for a protective stop on the party's own accounts, under a rule of the country.

    Nothing is stopped by this: the legal engine does so, on an order of one of `actors`. `carve_outs` stay
    open.
    """

    warning_id: Id
    rule: Word
    actors: tuple[Word, ...]
    carve_outs: tuple[Word, ...]


class ForwardingHeard(Happened, tag="forwarding", frozen=True, kw_only=True):
    """Calls to the party are forwarded since `since_us`, or no longer (None)."""

    since_us: Micros | None


ContactEvent = (
    Reopened
    | Planned
    | Skipped
    | Deferred
    | Suppressed
    | Heard
    | Ended
    | Watched
    | StopProposed
    | ForwardingHeard
)


class ContactEntry(Record, frozen=True, kw_only=True):
    """All that one cause led to, and the party after it (topic `contacts`, key: `party_token`).

    `seal` is of the job that wrote the entry, over all bytes before it; the last field.
    """

    entry_id: Id
    party_token: Token
    jurisdiction: Country
    version: Version
    at_us: Micros
    events: tuple[ContactEvent, ...]
    party: Party
    seal: SealOrNone = ""
