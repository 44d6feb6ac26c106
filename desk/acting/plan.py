"""What an action would do, before anybody decides it: messages, changes, the words people get."""

from collections.abc import Mapping
from typing import NamedTuple

from schemas.action import ActionKind, Effect
from schemas.errors import StoplineError
from schemas.measure import Notice


class RefusedError(StoplineError):
    """An action that must not be; `code` is one of `schemas.reply.Why`, or the desk's own."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code, self.detail = code, detail


class Asked(NamedTuple):
    """What a form says.

    Attributes:
        kind: the action.
        account: the account of the case, "" if it is about none.
        jurisdiction: of the case.
        subject: the measure, appeal, entry or letter acted on, "" if it is the case.
        reason_code: one of `REASONS`.
        reason: in the person's words.
        terms: further fields, as typed.
        people: who decided, the first one first.
        action_id: names the action.
        at_us: by the desk's clock, microseconds UTC.
        upto_us: the newest alert the person saw.
        institution: whose people sit at the desk.

    """

    kind: ActionKind
    account: str
    jurisdiction: str
    subject: str
    reason_code: str
    reason: str
    terms: Mapping[str, str]
    people: tuple[str, ...]
    action_id: str
    at_us: int
    upto_us: int
    institution: str = "desk"


class Change(NamedTuple):
    """One thing that will be another: a measure, appeal, entry or payment, before and after."""

    what: str
    subject: str
    before: str
    after: str
    amount_minor: int = 0
    currency: str = ""


class Plan(NamedTuple):
    """What an action would do.

    Attributes:
        effects: messages it sends.
        changes: what will be another.
        tells: words that people get.
        amount_minor: what it is about, for the country's limits.
        currency: of the amount.
        second: whether a second person must decide too.
        paper: a document for somebody outside, as text.

    """

    effects: tuple[Effect, ...] = ()
    changes: tuple[Change, ...] = ()
    tells: tuple[Notice, ...] = ()
    amount_minor: int = 0
    currency: str = ""
    second: bool = False
    paper: str = ""


#: Action -> reasons a person chooses from; the words stand in the desk's word files.
REASONS: Mapping[ActionKind, tuple[str, ...]] = {
    "CONFIRM": ("VICTIM_CONFIRMED", "POLICE_CONFIRMED", "KNOWN_MULE", "PATTERN_CERTAIN", "VALUABLE"),
    "DISMISS": ("PAYER_CONFIRMED", "KNOWN_PAYEE", "DOCUMENTS_SEEN", "FALSE_POSITIVE", "INNOCENT_RECIPIENT"),
    "HOLD": ("PAYEE_SUSPECT", "SCAM_SUSPECTED"),
    "RELEASE": ("PAYER_CONFIRMED", "DOCUMENTS_SEEN", "FALSE_POSITIVE", "INNOCENT_RECIPIENT"),
    "ESCALATE": ("LARGE_SUM", "RING", "UNCLEAR", "VULNERABLE_PERSON"),
    "ORDER": ("VICTIM_REPORTED", "MONEY_MOVES_ON", "KNOWN_MULE"),
    "APPEAL": ("DOCUMENTS_SEEN", "GROUNDS_HOLD", "PART_OF_THE_SUM", "STEP_TAKEN"),
    "RESTRICT": ("IDENTITY_CHECK", "LISTED"),
    "BLOCK": ("SCAM_SITE", "SCAM_NUMBER", "SCAM_APP"),
    "ADMIT": ("SCAM_SITE", "SCAM_NUMBER", "SCAM_APP"),
    "UNBLOCK": ("WRONG_ENTRY", "OWNER_CHANGED", "TAKEN_DOWN"),
    "OBJECTION": ("STEP_TAKEN", "DOCUMENTS_SEEN", "GROUNDS_HOLD", "WRONG_ENTRY"),
    "SUSPECT": ("SCAM_REPORTED", "KNOWN_MULE", "RING"),
    "PROPOSE": ("KNOWN_MULE", "RING", "SCAM_REPORTED"),
    "JUDGE": ("KNOWN_MULE", "PATTERN_CERTAIN", "DOCUMENTS_SEEN", "INNOCENT_RECIPIENT", "FALSE_POSITIVE"),
    "LIST": ("DECIDED_BY_AUTHORITY",),
    "LISTED_APPEAL": ("DOCUMENTS_SEEN", "GROUNDS_HOLD", "WRONG_ENTRY"),
    "FINDING": ("VICTIM_CONFIRMED", "POLICE_CONFIRMED", "PATTERN_CERTAIN", "FALSE_POSITIVE", "WRONG_ENTRY"),
    "LOOK": ("LOOKED_INTO", "UNCLEAR"),
    "RECTIFY": ("STEP_TAKEN",),
    "REPORT": ("VICTIM_REPORTED", "PAYER_UNSURE", "THIRD_PARTY_REPORTED"),
    "SEND_AGAIN": ("MENDED", "CAUSE_REMOVED"),
}
