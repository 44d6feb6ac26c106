"""Blocking entries: what must not be reached, called or installed, until when (domain.md 4.8)."""

from typing import Annotated, Literal, get_args

from msgspec import Meta

from schemas.contract import Event, Micros

BlockKind = Literal[
    "DOMAIN", "URL", "IP", "NUMBER", "NUMBER_RANGE", "SENDER_ID", "APP_HASH", "IMEI", "WALLET"
]
BlockAction = Literal["LABEL", "WARN", "STEP_UP", "GREY", "BLOCK"]
BlockState = Literal["ACTIVE", "IN_REVIEW", "LIFTED"]

KINDS, ACTIONS = get_args(BlockKind), get_args(BlockAction)

Name = Annotated[str, Meta(min_length=1, max_length=128)]


class Source(Event, frozen=True, kw_only=True):
    """Who says so: a reporter, or an authority with the number of its decision."""

    reporter: Name
    authority: bool
    decision: Annotated[str, Meta(max_length=128)]


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

    """

    entry_id: str
    kind: BlockKind
    value: Annotated[str, Meta(min_length=1, max_length=2048)]
    action: BlockAction
    state: BlockState
    valid_from_us: Micros
    valid_to_us: Micros
    sources: tuple[Source, ...]
    reason_code: Name
    legal_basis: Annotated[str, Meta(min_length=1, max_length=500)]
    remedy_channel: Annotated[str, Meta(min_length=1, max_length=500)]
    documents_needed: tuple[str, ...] = ()
    review: str = ""
    version: Annotated[int, Meta(ge=1, le=2**31)] = 1
