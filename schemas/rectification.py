"""What an institution has to put right, and whether it has (topic `rectifications`; anchors.md 6.3)."""

from typing import Annotated, Literal

from msgspec import Meta

from schemas.contract import Count, Event, Id, Micros, Name, SealOrNone, Text

Track = Literal["ACCOUNTS", "OUTLET", "INSIDER"]
NoticeState = Literal["NOTIFIED", "PLANNED", "EVIDENCE_GIVEN", "OVERDUE", "VERIFIED"]


class Mule(Event, frozen=True, kw_only=True):
    """A subject of the institution that was confirmed, and when."""

    subject_id: Id
    track: Track
    at_us: Micros


class Notice(Event, frozen=True, kw_only=True):
    """What an institution is told to put right on one track.

    Attributes:
        notice_id: names it.
        track: accounts, outlets and insiders are kept apart.
        count: confirmed subjects in the 30 days before.
        refusal_per_10k: of 10,000 customers who asked how many were refused then.
        opened_us: when it was raised.
        due_us: by when it is verified.
        state: where it stands.
        tier: 1, and one more each time it was overdue.
        said: who did what, newest last.
        relapse: the track had a notice before.

    """

    notice_id: Id
    track: Track
    count: Count
    refusal_per_10k: Count
    opened_us: Micros
    due_us: Micros
    state: NoticeState = "NOTIFIED"
    tier: Annotated[int, Meta(ge=1, le=9)] = 1
    said: Annotated[tuple[Text, ...], Meta(max_length=64)] = ()
    relapse: bool = False


class Rectification(Event, frozen=True, kw_only=True):
    """An institution's record; version 1. Message key: `institution`.

    Attributes:
        institution: whose.
        mules: confirmed subjects of the last 30 days and those a notice counts.
        notices: newest last.
        accounts: how many it keeps.
        asked: customers who asked for something in 30 days.
        refused: how many of them were refused.
        wrongly_limited: accounts limited that should not have been.
        version: counts the changes.
        seal: of the job that wrote it.

    """

    institution: Name
    mules: tuple[Mule, ...] = ()
    notices: tuple[Notice, ...] = ()
    accounts: Count = 0
    asked: Count = 0
    refused: Count = 0
    wrongly_limited: Count = 0
    version: Count = 1
    seal: SealOrNone = ""

    @property
    def key(self) -> str:
        """Its institution."""
        return self.institution
