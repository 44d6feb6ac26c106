"""What recipients, institutions and people tell the casework job, and what its parts tell each other.

Everything is a command to one aggregate. `CaseworkMessage` is what may come from outside (topic `casework`);
the rest travels on topic `casework_internal`, which only the job writes.
"""

from typing import Annotated, Literal

from msgspec import Meta

from schemas.block import BlockAction, BlockKind, Source
from schemas.contract import (
    TEXT_PATTERN,
    Count,
    Country,
    CountryOrNone,
    Currency,
    Event,
    Id,
    IdOrNone,
    Micros,
    Name,
    Text,
    Token,
)
from schemas.indicator import SaidOfNumber
from schemas.order import Actor
from schemas.rectification import Track
from schemas.report import Action, Answer, Entity, Finding, Report, ReportVerdict, Result, Revocation
from schemas.scams import FraudClass
from schemas.subject import Role, SubjectKind, SubjectSource, Tier

Value = Annotated[str, Meta(min_length=1, max_length=2048, pattern=TEXT_PATTERN)]
Passage = Annotated[str, Meta(min_length=1, max_length=500, pattern=TEXT_PATTERN)]
By = Annotated[tuple[Name, ...], Meta(min_length=1, max_length=16)]


class Command(Event, frozen=True, kw_only=True):
    """Base of the commands; each has its own tag."""


# What people and institutions say.


class AskBlock(Command, frozen=True, kw_only=True, tag="ASK_BLOCK"):
    """List a thing; a source of an authority is believed only where the message is signed by it.

    People who ask stand in `source.by` with `source.reason`; `jurisdiction` says whether two of them must.
    """

    kind: BlockKind
    value: Value
    action: BlockAction
    source: Source
    reason_code: Name = "SCAM_REPORTED"
    legal_basis: Passage = "Terms of service"
    remedy_channel: Annotated[str, Meta(min_length=1, max_length=500, pattern=TEXT_PATTERN)] = (
        "The operator that blocks it"
    )
    days: Annotated[int, Meta(ge=0, le=730)] = 0
    region: Annotated[str, Meta(max_length=2, pattern=TEXT_PATTERN)] = ""
    jurisdiction: CountryOrNone = ""
    documents_needed: Annotated[tuple[Text, ...], Meta(max_length=16)] = ()


class ConfirmBlock(Command, frozen=True, kw_only=True, tag="CONFIRM_BLOCK"):
    """People have looked at an entry in review and let it have its effect."""

    entry_id: Id
    by: By
    reason: Text


class LiftBlock(Command, frozen=True, kw_only=True, tag="LIFT_BLOCK"):
    """People take an entry back; what an authority asked for only an authority takes back, signed.

    `authority_id` and `authority_country` are filled in by the job, from the signature.
    """

    entry_id: Id
    by: By
    reason: Text
    authority_id: Annotated[str, Meta(max_length=128, pattern=TEXT_PATTERN)] = ""
    authority_country: CountryOrNone = ""


class ObjectToBlock(Command, frozen=True, kw_only=True, tag="OBJECT_TO_BLOCK"):
    """The owner of a thing objects to its entry."""

    entry_id: Id
    objection_id: Id


class AnswerObjection(Command, frozen=True, kw_only=True, tag="ANSWER_OBJECTION"):
    """Acknowledge an objection (`decided` false), or decide it; one that is upheld lifts the entry."""

    entry_id: Id
    objection_id: Id
    decided: bool = False
    upheld: bool = False
    by: By
    reason: Text = ""
    authority_id: Annotated[str, Meta(max_length=128, pattern=TEXT_PATTERN)] = ""
    authority_country: CountryOrNone = ""


class SightBlocked(Command, frozen=True, kw_only=True, tag="SIGHT_BLOCKED"):
    """An operator still sees what is blocked, so often in all: the block does not work there."""

    entry_id: Id
    operator: Name
    count: Annotated[int, Meta(ge=1, le=10**9)]


class AnswerTicket(Command, frozen=True, kw_only=True, tag="ANSWER_TICKET"):
    """A take-down is done, verified gone, or the thing was seen again."""

    entry_id: Id
    state: Literal["DONE", "GONE", "AGAIN"]
    at_us: Micros


class SuspectSubject(Command, frozen=True, kw_only=True, tag="SUSPECT_SUBJECT"):
    """An institution suspects a subject of its own or of another."""

    kind: SubjectKind
    token: Token
    source: SubjectSource
    tier: Tier = 1
    role: Role = "UNKNOWN"
    institution: Annotated[str, Meta(max_length=35, pattern=TEXT_PATTERN)] = ""
    fraud_class: FraudClass = "UNKNOWN"
    jurisdiction: CountryOrNone = ""


class JudgeSubject(Command, frozen=True, kw_only=True, tag="JUDGE_SUBJECT"):
    """A person confirms what is suspected, or clears it, with a reason."""

    subject_id: Id
    upheld: bool
    by: By
    reason: Text


class Recycled(Command, frozen=True, kw_only=True, tag="RECYCLED"):
    """The number or line has another subscriber since (CAMARA Number Recycling): its entries end."""

    subject_id: Id
    since_us: Micros


class CountSettlements(Command, frozen=True, kw_only=True, tag="COUNT_SETTLEMENTS"):
    """How many payments a subject received on a day, on how many accounts; the day again replaces it."""

    subject_id: Id
    day: Annotated[int, Meta(ge=0, le=100_000)]
    settlements: Count
    accounts: Count = 0


class ProposeListing(Command, frozen=True, kw_only=True, tag="PROPOSE_LISTING"):
    """People of an institution ask an authority to list a subject; it has no effect by itself."""

    kind: SubjectKind
    token: Token
    ground: Name
    jurisdiction: Country
    institution: Name
    by: By
    reason: Text


class ListSubject(Command, frozen=True, kw_only=True, tag="LIST_SUBJECT"):
    """An authority lists a subject under a decision of its own; only signed."""

    kind: SubjectKind
    token: Token
    ground: Name
    decision_no: Name
    jurisdiction: Country
    institutions: Annotated[tuple[Name, ...], Meta(max_length=4_096)] = ()
    language: Annotated[str, Meta(max_length=16, pattern=TEXT_PATTERN)] = "en"


class ApplyListing(Command, frozen=True, kw_only=True, tag="APPLY_LISTING"):
    """An institution has applied, or removed, everything up to a version of the list."""

    jurisdiction: Country
    institution: Name
    version: Id
    applied_us: Micros


class AppealListing(Command, frozen=True, kw_only=True, tag="APPEAL_LISTING"):
    """The listed subject objects."""

    subject_id: Id


class DecideListing(Command, frozen=True, kw_only=True, tag="DECIDE_LISTING"):
    """The appeal of a listed subject is decided; what is upheld is removed everywhere."""

    subject_id: Id
    upheld: bool
    by: By
    reason: Text


class StatePeers(Command, frozen=True, kw_only=True, tag="STATE_PEERS"):
    """How an institution stands: accounts, payments asked for, refused and limited wrongly, in 30 days."""

    institution: Name
    accounts: Count
    asked: Count
    refused: Count
    wrongly_limited: Count = 0


class Rectify(Command, frozen=True, kw_only=True, tag="RECTIFY"):
    """An institution gives its plan or evidence; a supervisor verifies it."""

    institution: Name
    track: Track
    step: Literal["PLAN", "EVIDENCE", "VERIFIED", "REFUSED"]
    by: By
    reference: Annotated[str, Meta(max_length=200, pattern=TEXT_PATTERN)] = ""


CaseworkMessage = (
    Answer
    | Finding
    | AskBlock
    | ConfirmBlock
    | LiftBlock
    | ObjectToBlock
    | AnswerObjection
    | SightBlocked
    | AnswerTicket
    | SuspectSubject
    | JudgeSubject
    | Recycled
    | CountSettlements
    | ProposeListing
    | ListSubject
    | ApplyListing
    | AppealListing
    | DecideListing
    | StatePeers
    | Rectify
)


# What the parts of the job say to each other.


class TakeReport(Command, frozen=True, kw_only=True, tag="TAKE_REPORT"):
    """A report has come to its reporter's record."""

    report: Report
    authority: bool


class OpenCase(Command, frozen=True, kw_only=True, tag="OPEN_CASE"):
    """A report becomes a case, with its reporter's record."""

    report: Report
    authority: bool
    quality: Count
    discredited: bool


class TakeBack(Command, frozen=True, kw_only=True, tag="TAKE_BACK"):
    """A report is taken back by its reporter; `authority` if that was signed."""

    revocation: Revocation
    authority: bool


class CountOutcome(Command, frozen=True, kw_only=True, tag="COUNT_OUTCOME"):
    """A report's outcome goes to its reporter's record."""

    report_id: Id
    verdict: ReportVerdict
    revoked: bool = False


class DoAction(Command, frozen=True, kw_only=True, tag="DO_ACTION"):
    """A part of the job is asked by a case, as any recipient is."""

    report_id: Id
    action: Action
    entity: Entity
    source: Source
    jurisdiction: Country
    fraud_class: FraudClass
    legal_basis: Annotated[str, Meta(max_length=500, pattern=TEXT_PATTERN)] = ""
    priority: int = 2
    origin: str = "CITIZEN"


class SayOfNumber(Command, frozen=True, kw_only=True, tag="SAY_OF_NUMBER"):
    """A report says something of a telephone number; `origin` is what its reporter is."""

    number_token: Token
    said: SaidOfNumber
    origin: str = "CITIZEN"


class OrderReplied(Command, frozen=True, kw_only=True, tag="ORDER_REPLIED"):
    """An institution answered the order that an action of a report was made into."""

    action_id: Id
    result: Result
    reason: Text = ""
    proof: Text = ""


class Verified(Command, frozen=True, kw_only=True, tag="VERIFIED"):
    """Who uses a line was verified again (RE_VERIFY): nothing is suspected of it any more."""

    measure_id: Id
    by: Annotated[tuple[Name, ...], Meta(max_length=16)] = ()


class Withdraw(Command, frozen=True, kw_only=True, tag="WITHDRAW"):
    """What a report alone brought about is undone; `rejected` says that it was found to be wrong."""

    report_id: Id
    reporter: Name
    rejected: bool = False


class Confirm(Command, frozen=True, kw_only=True, tag="CONFIRM"):
    """A report was found to be right."""

    report_id: Id
    reporter: Name


class TraceTold(Command, frozen=True, kw_only=True, tag="TRACE_TOLD"):
    """Tainted money reached the account."""

    trace_id: IdOrNone
    amount_minor: Count
    currency: Currency
    case_family: Annotated[str, Meta(max_length=64, pattern=TEXT_PATTERN)]
    at_us: Micros


class CountMule(Command, frozen=True, kw_only=True, tag="COUNT_MULE"):
    """A subject of an institution was confirmed, or no longer is."""

    subject_id: Id
    track: Track = "ACCOUNTS"
    confirmed: bool = True


class Changed(Command, frozen=True, kw_only=True, tag="CHANGED"):
    """A listing changed: the list of its country gets a version with it."""

    subject_id: Id
    listing_id: Id
    listed: bool
    at_us: Micros


class Acknowledged(Command, frozen=True, kw_only=True, tag="ACKNOWLEDGED"):
    """An institution has applied a listing (`listed`), or its removal."""

    institution: Name
    applied_us: Micros
    listed: bool


class EnterListing(Command, frozen=True, kw_only=True, tag="ENTER_LISTING"):
    """An authority's listing, with who signed it."""

    said: ListSubject
    authority_id: Name
    actor: Actor


class Tick(Command, frozen=True, kw_only=True, tag="TICK"):
    """Time passes."""


class Recall(Command, frozen=True, kw_only=True, tag="RECALL"):
    """The job has started anew: what follows from the state as it is is sent again."""


InternalCommand = (
    TakeReport
    | OpenCase
    | TakeBack
    | CountOutcome
    | DoAction
    | OrderReplied
    | Verified
    | SayOfNumber
    | Withdraw
    | Confirm
    | TraceTold
    | CountMule
    | Changed
    | Acknowledged
    | EnterListing
    | Tick
    | Recall
)


#: What an aggregate is found by.
AggregateKey = Annotated[str, Meta(min_length=1, max_length=256, pattern=TEXT_PATTERN)]


class Delivery(Event, frozen=True, kw_only=True):
    """One command on its way to an aggregate (topic `casework_internal`), key: `kind` and `key`."""

    kind: Name
    key: AggregateKey
    command: CaseworkMessage | InternalCommand
