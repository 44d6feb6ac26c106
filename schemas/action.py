"""Actions of people at the desk: what they decided about a case, and what it sends (topic `actions`)."""

from typing import Literal, get_args

from msgspec import field

from schemas.contract import (
    CurrencyOrNone,
    Event,
    Id,
    IdOrNone,
    InstitutionIdOrNone,
    Micros,
    PersonId,
    Text,
    TokenOrNone,
    Total,
    Word,
)

ActionKind = Literal[
    "CONFIRM", "DISMISS", "HOLD", "RELEASE", "ESCALATE", "ORDER", "APPEAL", "RESTRICT", "BLOCK", "UNBLOCK",
    "REPORT", "SEND_AGAIN", "ADMIT", "OBJECTION", "SUSPECT", "JUDGE", "PROPOSE", "LIST", "LISTED_APPEAL",
    "FINDING", "LOOK", "RECTIFY",
]  # fmt: skip
#: PROPOSED waits for a second person; AGREED and DIFFERED are that person's own decision.
ActionState = Literal["DECIDED", "PROPOSED", "AGREED", "DIFFERED"]

KINDS = get_args(ActionKind)


class Effect(Event, frozen=True, kw_only=True):
    """One message that a decided action sends; `partition` -1 leaves the partition to the key."""

    topic: Word
    key: bytes
    value: bytes
    partition: int = -1


class Action(Event, frozen=True, kw_only=True):
    """One decision of one person; version 1. Message key: `case_id`.

    Attributes:
        action_id: derived from the person and the form's idempotency key: sent twice, it is one action.
        case_id: the case, "" for what belongs to none.
        account_token: the account that the case is about.
        subject: the measure, appeal, entry or letter acted on.
        by: who decided; `people` are all who did, in order.
        institution: whose people that are, "" if they are the desk's own.
        at_us: when, by the desk's clock, microseconds UTC.
        upto_us: the newest alert that the person saw, microseconds UTC; later ones open the case again.
        reason_code: from the desk's list; `reason` in the person's words.
        amount_minor: what the action is about, for the country's limits.
        terms: further answers of the form.
        proposal_id: the first person's action, where this is the second's.
        effects: what is sent once the action is DECIDED or AGREED; the same bytes each time.
        audit: hash of the entry of the audit chain written before the action was sent.

    """

    action_id: Id
    kind: ActionKind
    state: ActionState
    case_id: IdOrNone
    by: PersonId
    role: Word
    at_us: Micros
    reason_code: Word
    reason: Text
    account_token: TokenOrNone = ""
    subject: IdOrNone = ""
    upto_us: Micros = 0
    amount_minor: Total = 0
    currency: CurrencyOrNone = ""
    terms: dict[str, Text] = field(default_factory=dict)
    people: tuple[PersonId, ...] = ()
    proposal_id: IdOrNone = ""
    effects: tuple[Effect, ...] = ()
    audit: Word = ""
    institution: InstitutionIdOrNone = ""

    @property
    def done(self) -> bool:
        """Whether its effects are sent."""
        return self.state in ("DECIDED", "AGREED")
