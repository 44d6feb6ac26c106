"""Indicators: how suspect a telephone number is, and why (topic `indicators`, compacted by number)."""

from typing import Annotated, Literal

from msgspec import Meta

from schemas.contract import Count, Event, Id, IdOrNone, Micros, SealOrNone, Token, Version, Word

#: What is said of a number: a citizen's report, an operator's or bank's finding, SIM-box behaviour, an
#: authority's word, that it was given to a new subscriber, that its reporter takes back what he said.
SaidKind = Literal["REPORT", "FINDING", "SIM_BOX", "AUTHORITY", "RECYCLED", "REVOKED"]

Grade = Annotated[int, Meta(ge=0, le=3)]


class SaidOfNumber(Event, frozen=True, kw_only=True):
    """One thing said of a number: by whom, when, and in which report."""

    kind: SaidKind
    reporter: Annotated[str, Meta(min_length=1, max_length=128)]
    at_us: Micros
    report_id: IdOrNone = ""


class NumberIndicator(Event, frozen=True, kw_only=True):
    """What is to be thought of a number; version 1. Message key: `key`.

    Attributes:
        key: id of the subject.
        number_token: token of the number, as in `clues`.
        grade: 0 nothing, 1 medium, 2 high, 3 confirmed by several.
        reasons: kinds of evidence that count, strongest first.
        sources: origins of the reports they came in.
        confirmed_reports: reports that people found to be right.
        distinct_reporters: whose word counts.
        first_seen_us: when the oldest word that counts was given, 0 if none does.
        last_seen_us: the newest.
        valid_until_us: when the grade falls without new evidence, 0 if it is 0.
        model_version: of the rule that grades.
        said: the evidence; of a reporter the newest.
        confirmed: reports confirmed, so that each counts once.
        seal: of the job that wrote it, over all bytes before it; the last field.

    """

    key: Id
    number_token: Token
    grade: Grade = 0
    reasons: tuple[Word, ...] = ()
    sources: tuple[Word, ...] = ()
    confirmed_reports: Count = 0
    distinct_reporters: Count = 0
    first_seen_us: Micros = 0
    last_seen_us: Micros = 0
    valid_until_us: Micros = 0
    model_version: Word = ""
    said: Annotated[tuple[SaidOfNumber, ...], Meta(max_length=512)] = ()
    confirmed: Annotated[tuple[Id, ...], Meta(max_length=512)] = ()
    version: Version = 0
    seal: SealOrNone = ""
