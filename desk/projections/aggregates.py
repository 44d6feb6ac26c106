"""Aggregates of other jobs, the newest version of each: reports, registry, blocking, institutions, rings."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from desk.projections.projection import Ground, Message, Projection
from desk.sight import put_institutions
from desk.sql import Connection, arriving, insert, upsert
from desk.store import packed
from measures.cases import campaigns
from measures.cases.asking import DESK
from schemas import topics
from schemas.block import BlockEntry
from schemas.rectification import Rectification
from schemas.report import Action, ReportCase
from schemas.ring import Ring
from schemas.subject import ListedSubject, Suspicion

TABLES = """
CREATE TABLE aggregates(
  seq INTEGER PRIMARY KEY, topic TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL,
  kind TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, live INTEGER NOT NULL, waits INTEGER NOT NULL,
  due_us INTEGER, due_kind TEXT NOT NULL, weight REAL NOT NULL, wrongful_us INTEGER NOT NULL,
  at_us INTEGER NOT NULL, record BLOB NOT NULL, UNIQUE(topic, id));
CREATE INDEX aggregates_in_order ON aggregates(topic, waits, due_us);
CREATE TABLE names(
  topic TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY(topic, id, name));
CREATE INDEX names_of ON names(name);
CREATE TABLE marks(
  topic TEXT NOT NULL, id TEXT NOT NULL, mark TEXT NOT NULL, PRIMARY KEY(topic, id, mark));
CREATE INDEX marks_of ON marks(mark);
CREATE TABLE owners(
  topic TEXT NOT NULL, id TEXT NOT NULL, institution TEXT NOT NULL, PRIMARY KEY(topic, id, institution))
"""

_PUT = upsert(TABLES, "aggregates", key="topic, id", newer="version")


class Seen(NamedTuple):
    """What is looked for in an aggregate, and ordered by.

    Attributes:
        kind: what sort of thing it is.
        name: token, value or institution it is about.
        state: where it stands.
        at_us: since when, microseconds UTC.
        names: tokens and values it is found by.
        live: whether it has an effect, or is open.
        waits: whether a person owes it something.
        due_us: when the next clock of it runs out; None without one.
        due_kind: what happens then.
        weight: what goes first among equals.
        owners: institutions it concerns: those who keep what it names, and those who say so.
        marks: what others of its campaign have in common with it (`measures.cases.campaigns`).

    """

    kind: str
    name: str
    state: str
    at_us: int
    names: tuple[str, ...]
    live: bool = True
    waits: bool = False
    due_us: int | None = None
    due_kind: str = ""
    weight: float = 0.0
    owners: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()


def desks_own(case: ReportCase) -> list[Action]:
    """Return what people at the desk are asked by a report's case and have not answered."""
    return [each for each in case.actions if each.recipient == DESK and not each.done_us]


def _report(case: ReportCase, ground: Ground) -> Seen:
    report, asked = case.report, desks_own(case) if not case.closed_us else []
    due = min((each.act_due_us for each in asked), default=None)
    names = tuple(each.value for each in report.entities)
    suspect = next((each.value for each in report.entities if each.role != "VICTIM"), names[0])
    return Seen(
        report.information, suspect, case.state, case.received_us, names, not case.closed_us,
        bool(asked), due, "LATE", report.priority,
        (report.reporter, *(each.institution for each in report.entities)), campaigns.marks(report),
    )  # fmt: skip


def _suspicion(known: Suspicion, ground: Ground) -> Seen:
    live, review = known.state in ("ACTIVE", "IN_REVIEW"), known.state == "IN_REVIEW"
    due = known.review_due_us if review else known.valid_to_us if live else None
    return Seen(known.kind, known.token, known.state, known.since_us, (known.token,), live, review, due,
                "REVIEW" if review else "TERM", known.tier,
                (known.institution, *(each.reporter for each in known.sources)))  # fmt: skip


def _listed(known: ListedSubject, ground: Ground) -> Seen:
    now, appealed = known.listing, known.listing.state == "UNDER_APPEAL"
    live = not known.ended_us and now.state in ("LISTED", "APPLIED", "UNDER_APPEAL")
    due = now.due_us if now.due_us is not None else now.listed_to_us if live else None
    what = "APPLY" if now.due_us is not None else "TERM"
    return Seen(
        known.kind,
        known.token,
        now.state,
        now.listed_from_us,
        (known.token,),
        live,
        appealed,
        due,
        what,
        owners=tuple(now.institutions),
    )


def _block(entry: BlockEntry, ground: Ground) -> Seen:
    objection = entry.objection if entry.objection and not entry.objection.decided_us else None
    live, review = entry.state != "LIFTED", entry.state == "IN_REVIEW"
    due = entry.valid_to_us if live else None
    if objection:
        due = objection.decide_due_us if objection.acked_us else objection.ack_due_us
    return Seen(entry.kind, entry.value, entry.state, entry.valid_from_us, (entry.value,), live,
                live and (review or objection is not None), due,
                "OBJECTION" if objection else "TERM",
                owners=tuple(each.reporter for each in entry.sources))  # fmt: skip


def _institution(known: Rectification, ground: Ground) -> Seen:
    waiting = [each for each in known.notices if each.state != "VERIFIED"]
    first = min(waiting, key=lambda each: each.due_us, default=None)
    newest = max((each.opened_us for each in known.notices), default=0)
    state = first.state if first else "VERIFIED" if known.notices else "NONE"
    tier, due = max((each.tier for each in waiting), default=0), first.due_us if first else None
    return Seen("INSTITUTION", known.institution, state, newest, (known.institution,), True, bool(first),
                due, "OVERDUE", tier, (known.institution,))  # fmt: skip


def _ring(ring: Ring, ground: Ground) -> Seen:
    names = (*(each.account_token for each in ring.members), *ring.numbers)
    worth = sum(ground.worth(each.freezable_minor, each.currency) for each in ring.sums)
    return Seen("RING", ring.ring_id, ring.change, ring.at_us, names, ring.change != "ENDED", weight=worth)


#: Topic -> its record, and what is looked for in one.
KEPT: Mapping[str, tuple[type[msgspec.Struct], Callable[[Any, Ground], Seen]]] = {
    topics.REPORT_ACTIONS: (ReportCase, _report),
    topics.SUSPICIONS: (Suspicion, _suspicion),
    topics.LISTINGS: (ListedSubject, _listed),
    topics.BLOCKS: (BlockEntry, _block),
    topics.RECTIFICATIONS: (Rectification, _institution),
    topics.CASES: (Ring, _ring),
}


def newest(topic: str) -> Projection:
    """Return the projection of a topic of `KEPT`: of one id the greatest version stays, else the later."""
    record, seen_in = KEPT[topic]

    def put(db: Connection, ground: Ground, messages: Sequence[Message]) -> Collection[str]:
        seq = arriving(db, "aggregates")
        for place, value, of in messages:
            seen, version = seen_in(of, ground), int(getattr(of, "version", place.offset))
            row = (
                next(seq), topic, of.key, version, seen.kind, seen.name, seen.state, int(seen.live),
                int(seen.waits), seen.due_us, seen.due_kind, seen.weight,
                getattr(of, "wrongful_us", 0), seen.at_us, packed(value),
            )  # fmt: skip
            if db.execute(_PUT, row).rowcount:
                _named(db, topic, of.key, seen)
        return ()

    return Projection(topic, msgspec.json.Decoder(record).decode, put)


def _named(db: Connection, topic: str, key: str, seen: Seen) -> None:
    for table, texts in (("names", seen.names), ("owners", seen.owners), ("marks", seen.marks)):
        db.execute(f"DELETE FROM {table} WHERE topic = ? AND id = ?", (topic, key))
        found = [(topic, key, each) for each in dict.fromkeys(texts) if each]
        db.executemany(insert(table, 3), found)
    put_institutions(db, seen.owners)
