"""Reports of scams, what recipients do about them, and what came of it (domain.md 4.3).

Topic `reports` carries what the outside reports and takes back, `casework` what recipients answer and people
find out, `report_actions` the job's cases, whole and versioned, `report_outcomes` what reporters are told.
What an authority reports is signed; whatever an unsigned report claims to be, its reporter is private.
"""

from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from schemas.contract import (
    TEXT_PATTERN,
    CaseName,
    Count,
    Country,
    Event,
    Id,
    IdOrNone,
    InstitutionIdOrNone,
    Line,
    LongText,
    Micros,
    Name,
    SealOrNone,
    Text,
    Word,
)
from schemas.scams import FraudClass

Origin = Literal["POLICE", "OPERATOR", "BANK", "CITIZEN", "PLATFORM", "FOREIGN"]

EntityKind = Literal[
    "ACCOUNT", "CARD", "PERSON", "ORG", "SIM", "DEVICE", "MERCHANT", "OUTLET", "INSIDER", "DOCUMENT",
    "SOCIAL_ID", "TRANSACTION", "NUMBER", "NUMBER_RANGE", "DOMAIN", "URL", "IP", "APP_HASH", "IMEI",
    "SENDER_ID", "WALLET",
]  # fmt: skip
Role = Literal["SUSPECT", "VICTIM", "MULE", "INFRA"]

#: What a report tells, after the nine kinds of Korea's exchange of banks (ASAP; anchors.md 2.6), and TIP.
Information = Literal[
    "VICTIM_ACCOUNT", "ACCOUNT_USED", "ACCOUNT_SUSPECTED", "OVERSEAS_ACCOUNT", "INVESTIGATION", "FAKE_ID",
    "POTENTIAL_VICTIM", "PHISHING_SITE", "MALICIOUS_APP", "TIP",
]  # fmt: skip

ActionKind = Literal[
    "BLOCK", "SUSPECT", "WARN", "STOP", "SUSPEND_LINE", "RE_VERIFY", "TAKE_DOWN", "LOOK", "UNDO",
]  # fmt: skip
Result = Literal["", "ACTED", "NOT_FOUND", "REFUSED"]
CaseState = Literal["IN_REVIEW", "FANNED_OUT", "ACTED", "DISMISSED", "REVOKED", "CLOSED"]
ReportVerdict = Literal["", "CONFIRMED", "REJECTED", "UNKNOWN"]

ENTITY_KINDS, ORIGINS = get_args(EntityKind), get_args(Origin)
INFORMATION = get_args(Information)
RESULTS = tuple(filter(None, get_args(Result)))

#: How a message was worded: so many minima (`measures.cases.campaigns.template_of`) of 16 bits, in base64url.
TEMPLATE_MINIMA = 128
Template = Annotated[str, Meta(max_length=342, pattern=r"^([A-Za-z0-9_-]{342})?\Z")]
#: Traffic light protocol 2.0.
Tlp = Literal["CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED"]


class Entity(Event, frozen=True, kw_only=True):
    """One thing or person a report names.

    Attributes:
        kind: what `value` is.
        value: a token of accounts, cards, people and lines; in clear what can be blocked (sites, numbers,
            wallets, app hashes), never a victim's.
        role: its part in the scam.
        institution: who keeps it: the bank of an account, the operator of a number, the host of a site.
        first_seen_us: when it was first seen, 0 if nobody knows.
        last_seen_us: when it was last seen.
        facts: what else is known, by name; values are tokens or words, never names of people.

    """

    kind: EntityKind
    value: Annotated[str, Meta(min_length=1, max_length=2048, pattern=TEXT_PATTERN)]
    role: Role = "SUSPECT"
    institution: InstitutionIdOrNone = ""
    first_seen_us: Micros = 0
    last_seen_us: Micros = 0
    facts: Annotated[dict[Word, Line], Meta(max_length=32)] = msgspec.field(default_factory=dict)


class Edge(Event, frozen=True, kw_only=True):
    """What one entity did to another, or has in common with it, by their places in `entities`.

    Rings are tied by what an authority signed or a person confirmed: RECRUITED from the recruiter,
    SAME_HOLDER from the holder, SHARED_DEVICE and SHARED_IP24 (the first 24 bits of an address) from what is
    shared, SAME_TEMPLATE of messages, SAME_KIT of sites and apps, CASHED_AT from the account to the till.
    """

    from_entity: Annotated[int, Meta(ge=0, le=255)]
    to_entity: Annotated[int, Meta(ge=0, le=255)]
    kind: Literal[
        "CALLED", "SENT", "PAID", "VISITED", "INSTALLED", "SHARED_DEVICE", "SHARED_IP24", "SAME_HOLDER",
        "SAME_TEMPLATE", "SAME_KIT", "CASHED_AT", "RECRUITED",
    ]  # fmt: skip
    at_us: Micros = 0


class Report(Event, frozen=True, kw_only=True, tag="REPORT"):
    """One report; version 1. Message key: `report_id`.

    Attributes:
        report_id: names it; the same report again changes nothing.
        origin: what its reporter is; POLICE needs a signature to be believed.
        reporter: an institution, or the token of a citizen.
        jurisdiction: under whose law it is dealt with.
        at_us: when the reporter made it.
        information: which kind of information it is.
        fraud_class: of the police platform's twelve.
        entities: what it names.
        edges: how they hang together.
        case_no: of the reporter, "" if there is none.
        priority: 4 is most urgent.
        ttl_h: hours after which it closes without a finding.
        legal_basis: what allows the reporter to share it.
        tlp: who may see it.
        grade: source and credibility by the admiralty scale, such as B2; "" if not graded.
        message: text of the message that was sent to the victim; the job keeps its template only.
        template: of that message, from a reporter who does not send the text.

    """

    report_id: Id
    origin: Origin
    reporter: Name
    jurisdiction: Country
    at_us: Micros
    entities: Annotated[tuple[Entity, ...], Meta(min_length=1, max_length=64)]
    information: Information = "TIP"
    fraud_class: FraudClass = "UNKNOWN"
    edges: Annotated[tuple[Edge, ...], Meta(max_length=256)] = ()
    case_no: CaseName = ""
    priority: Annotated[int, Meta(ge=1, le=4)] = 2
    ttl_h: Annotated[int, Meta(ge=1, le=8_760)] = 720
    legal_basis: Annotated[str, Meta(max_length=500, pattern=TEXT_PATTERN)] = ""
    tlp: Tlp = "AMBER"
    grade: Annotated[str, Meta(max_length=2, pattern=r"^([A-F][1-6])?\Z")] = ""
    message: LongText = ""
    template: Template = ""


class Revocation(Event, frozen=True, kw_only=True, tag="REVOCATION"):
    """The reporter takes a report back: what came of it alone is undone."""

    report_id: Id
    reporter: Name
    reason: Text = ""


class Answer(Event, frozen=True, kw_only=True, tag="ANSWER"):
    """A recipient acknowledges an action (no `result`), or says what became of it.

    Attributes:
        report_id: whose action.
        action_id: as sent.
        recipient: who answers; another's answer does not count.
        result: "" acknowledges; NOT_FOUND and REFUSED name a `reason`.
        reason: why it was refused.
        proof: of the effect, such as the state of the line or the entry.
        known: what the recipient knew of the entity, in words and counts.
        effect: what is in force now, such as BLOCK, LABEL, TIER_2; the next to be asked follow from it.

    """

    report_id: Id
    action_id: Id
    recipient: Name
    result: Result = ""
    reason: Text = ""
    proof: Text = ""
    known: Text = ""
    effect: Word = ""


class Finding(Event, frozen=True, kw_only=True, tag="FINDING"):
    """What a person found out about a report: it closes, and its reporter's record with it."""

    report_id: Id
    verdict: Literal["CONFIRMED", "REJECTED"]
    by: Name
    reason: Text = ""


class Action(Event, frozen=True, kw_only=True):
    """What one recipient is asked to do about one entity, with its clock.

    Attributes:
        action_id: derived from report, recipient, kind and entity.
        recipient: who is asked.
        kind: what for.
        entity: place in the report's entities.
        sent_us: when.
        ack_due_us: by when it is acknowledged.
        act_due_us: by when something is done.
        acked_us: when it was acknowledged, 0 if not.
        done_us: when its result came, 0 if it has not.
        result: what became of it.
        reason: why it was refused or escalated.
        proof: of the effect.
        known: what the recipient knew of the entity: the report's enrichment.
        escalated_us: when nobody had answered in time, to the second of its clock; 0 if not escalated.

    """

    action_id: Id
    recipient: Name
    kind: ActionKind
    entity: Annotated[int, Meta(ge=0, le=63)]
    sent_us: Micros
    ack_due_us: Micros
    act_due_us: Micros
    acked_us: Micros = 0
    done_us: Micros = 0
    result: Result = ""
    reason: Text = ""
    proof: Text = ""
    known: Text = ""
    escalated_us: Micros = 0


class ReportCase(Event, frozen=True, kw_only=True):
    """A report and everything asked because of it (topic `report_actions`); version 1. Key: `report_id`.

    Attributes:
        report: as it came.
        authority: signed by an authority.
        quality: the reporter's record when it came: of 1,000 closed reports so many confirmed.
        state: IN_REVIEW waits for a person, ACTED has every answer, DISMISSED asks nobody.
        why: of the state, in words.
        received_us: when it came.
        actions: what was asked.
        first_action_us: when the first recipient had acted, 0 if none has.
        all_actions_us: when the last answer came, 0 if one is missing.
        verdict: what was found out.
        closed_us: when, 0 if it is open.
        version: counts the changes of the case.
        seal: of the job that wrote it (`pipelines.kafka.seal`).

    """

    report: Report
    authority: bool
    quality: Annotated[int, Meta(ge=0, le=1000)]
    state: CaseState
    received_us: Micros
    actions: tuple[Action, ...] = ()
    why: Text = ""
    first_action_us: Micros = 0
    all_actions_us: Micros = 0
    verdict: ReportVerdict = ""
    closed_us: Micros = 0
    version: Count = 1
    seal: SealOrNone = ""

    @property
    def key(self) -> str:
        """The id of its report."""
        return self.report.report_id


class ReportOutcome(Event, frozen=True, kw_only=True):
    """What a reporter is told, in counts only (topic `report_outcomes`); version 1. Message key: `reporter`.

    Attributes:
        report_id: of which report.
        reporter: who is told.
        state: of the case.
        verdict: what was found out, "" while it is open.
        asked: how many were asked.
        acted: how many acted.
        refused: how many refused.
        at_us: when.
        version: of the case.

    """

    report_id: Id
    reporter: Name
    state: CaseState
    verdict: ReportVerdict
    asked: Count
    acted: Count
    refused: Count
    at_us: Micros
    version: Count


class Reporter(Event, frozen=True, kw_only=True):
    """A reporter's record (topic `reporters`); version 1. Message key: `reporter`.

    Attributes:
        reporter: who.
        confirmed: how many were confirmed.
        rejected: how many were rejected.
        revoked: how many the reporter took back.
        counted: the newest reports whose outcome is in, so that it counts once.
        last_us: when the newest came.
        version: counts the changes.
        seal: of the job that wrote it.

    """

    reporter: Name
    confirmed: Count = 0
    rejected: Count = 0
    revoked: Count = 0
    counted: tuple[IdOrNone, ...] = ()
    last_us: Micros = 0
    version: Count = 1
    seal: SealOrNone = ""

    @property
    def key(self) -> str:
        """Its name."""
        return self.reporter
