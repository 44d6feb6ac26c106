"""Blocking entries: what must not be reached, called or installed, until when (domain.md 4.8)."""

from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from schemas.contract import (
    TEXT_PATTERN,
    Count,
    CountryOrNone,
    Event,
    Id,
    IdOrNone,
    Micros,
    Name,
    SealOrNone,
    Text,
)

BlockKind = Literal[
    "DOMAIN", "URL", "IP", "NUMBER", "NUMBER_RANGE", "SENDER_ID", "APP_HASH", "IMEI", "WALLET"
]
BlockAction = Literal["LABEL", "WARN", "STEP_UP", "GREY", "BLOCK"]
BlockState = Literal["ACTIVE", "IN_REVIEW", "LIFTED"]

KINDS, ACTIONS = get_args(BlockKind), get_args(BlockAction)


class Source(Event, frozen=True, kw_only=True):
    """Who says so: a reporter, or an authority with the number of its decision.

    `report_id` is the report it was said in, `action` what was asked for; both are empty where nobody told.
    `by` are the people of that institution who asked, and `reason` is theirs.
    """

    reporter: Name
    authority: bool = False
    decision: Annotated[str, Meta(max_length=128, pattern=TEXT_PATTERN)] = ""
    report_id: IdOrNone = ""
    action: Literal["", "LABEL", "WARN", "STEP_UP", "GREY", "BLOCK"] = ""
    by: Annotated[tuple[Name, ...], Meta(max_length=16)] = ()
    reason: Text = ""


class Objection(Event, frozen=True, kw_only=True):
    """Somebody objects to an entry: acknowledged within an hour, decided within a day, or a person is told.

    Attributes:
        objection_id: names it.
        filed_us: when it came.
        ack_due_us: by when it is acknowledged.
        decide_due_us: by when it is decided.
        acked_us: when it was, 0 if not.
        decided_us: when it was, 0 if not.
        upheld: the entry should not have been.
        by: who decided.
        reason: why.
        overdue_us: the first of its clocks that nobody heard, 0 if none.

    """

    objection_id: Id
    filed_us: Micros
    ack_due_us: Micros
    decide_due_us: Micros
    acked_us: Micros = 0
    decided_us: Micros = 0
    upheld: bool = False
    by: Annotated[str, Meta(max_length=128, pattern=TEXT_PATTERN)] = ""
    reason: Annotated[str, Meta(max_length=1000, pattern=TEXT_PATTERN)] = ""
    overdue_us: Micros = 0


class Ticket(Event, frozen=True, kw_only=True):
    """Somebody is asked to take a thing down: to whom, when, done, seen to be gone, seen again."""

    to: Name
    asked_us: Micros
    due_us: Micros
    done_us: Micros = 0
    gone_us: Micros = 0
    again_us: Micros = 0
    overdue: bool = False


class BlockEntry(Event, frozen=True, kw_only=True):
    """One entry; version 1. Message key: `entry_id`.

    Attributes:
        entry_id: derived from kind and value, so that a second report of one thing meets the first.
        kind: what `value` is.
        value: in its one form (`measures.blocking.forms`).
        action: what is done; LABEL marks, WARN warns, STEP_UP asks again, GREY delays, BLOCK stops.
        state: IN_REVIEW entries have no effect until a person decides.
        valid_from_us: from when, microseconds UTC.
        valid_to_us: until when; there is no entry without an end.
        sources: who says so, each reporter once.
        reason_code: why, as a code.
        legal_basis: what allows it.
        remedy_channel: where the owner of the thing objects.
        documents_needed: what the owner shows.
        review: why a person must look, "" if nobody must.
        version: counts the changes of the entry.
        objection: the newest one, if anybody objected.
        ticket: the newest request to take it down, if there is one.
        sighted: how often operators saw it after it was blocked: the proof that a block works.
        blocked_us: since when it stops, 0 while it does not.
        wrongful_us: for how long it stopped what it should not have, microseconds.
        jurisdiction: whose rules about people it is under, "" if nobody said.
        ended_by: the people who took it back, if people did.
        ended_why: their reason.
        seal: of the job that wrote it (`pipelines.kafka.seal`).

    """

    entry_id: str
    kind: BlockKind
    value: Annotated[str, Meta(min_length=1, max_length=2048, pattern=TEXT_PATTERN)]
    action: BlockAction
    state: BlockState
    valid_from_us: Micros
    valid_to_us: Micros
    sources: tuple[Source, ...]
    reason_code: Name
    legal_basis: Annotated[str, Meta(min_length=1, max_length=500, pattern=TEXT_PATTERN)]
    remedy_channel: Annotated[str, Meta(min_length=1, max_length=500, pattern=TEXT_PATTERN)]
    documents_needed: tuple[str, ...] = ()
    review: str = ""
    version: Annotated[int, Meta(ge=1, le=2**31)] = 1
    objection: Objection | None = None
    ticket: Ticket | None = None
    sighted: Annotated[dict[Name, Count], Meta(max_length=64)] = msgspec.field(default_factory=dict)
    blocked_us: Micros = 0
    wrongful_us: Micros = 0
    jurisdiction: CountryOrNone = ""
    ended_by: tuple[Name, ...] = ()
    ended_why: Text = ""
    seal: SealOrNone = ""

    @property
    def key(self) -> str:
        """Its id."""
        return self.entry_id
