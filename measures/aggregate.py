"""Aggregates: state + command -> state + what follows, pure; one driver runs them all (`pipelines.casework`).

What follows from a command is a command to another aggregate (`Send`), a record for a topic (`Publish`), or a
refusal. A command that comes twice has its effect once and is answered each time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import msgspec

from measures.blocking.admission import Guard
from measures.law.country_file import SHIPPED, Laws
from schemas.casework import Recall, Tick

S = TypeVar("S", bound=msgspec.Struct)


class Send(NamedTuple):
    """A command to the aggregate `key` of a kind."""

    kind: str
    key: str
    command: Any


class Publish(NamedTuple):
    """A record for a topic; `event_type` and `event_id` are those of its envelope."""

    topic: str
    key: str
    record: msgspec.Struct
    event_type: str
    event_id: str


class Refuse(NamedTuple):
    """The command had no effect, and why; it goes to the dead letters."""

    detail: str


Followed = Send | Publish | Refuse


class Applied(NamedTuple):
    """An aggregate after a command, and what follows."""

    state: Any
    followed: tuple[Followed, ...] = ()


#: Nothing is protected.
UNGUARDED = Guard()


@dataclass(frozen=True)
class Office:
    """What every aggregate may look at: country files, and what is never blocked without review."""

    laws: Laws = SHIPPED
    guard: Guard = UNGUARDED


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """A kind of aggregate: a row of the table the driver loops over (`measures.casework`).

    Attributes:
        kind: its name.
        topic: where each state is written, whole and versioned, under its key; a job begins with the newest.
        state: its record; has `key` and `version`.
        apply: state (None before the first), key, command, microseconds UTC, office -> after.
        due: when it must be looked at next; None for never.
        tick: what time brings at `due`.
        standing: what has to follow from a state as it is, safe to be sent again: a crash may have lost it.

    """

    kind: str
    topic: str
    state: type[msgspec.Struct]
    apply: Callable[[Any, str, Any, int, Office], Applied]
    due: Callable[[Any], int | None] = lambda state: None
    tick: Callable[[Any, int, Office], Applied] = lambda state, at_us, office: Applied(state)
    standing: Callable[[Any, int], tuple[Followed, ...]] = lambda state, at_us: ()


def run(of: Aggregate, key: str, state: Any, command: Any, *, at_us: int, office: Office) -> Applied:
    """Let time pass up to `at_us`, then apply a command; `Tick` only lets time pass, as None does.

    Due times happen at their own instant, however late anybody looks.

    Raises:
        ValueError: a due time does not move on.

    """
    followed: list[Followed] = []
    while state is not None and (due := of.due(state)) is not None and due <= at_us:
        state, more = of.tick(state, due, office)
        followed += more
        if (then := of.due(state)) is not None and then <= due:
            raise ValueError(f"{of.kind} is due at {then} again after {due}")
    if isinstance(command, Recall):
        followed += of.standing(state, at_us) if state is not None else ()
    elif command is not None and not isinstance(command, Tick):
        state, more = of.apply(state, key, command, at_us, office)
        followed += more
    return Applied(state, tuple(followed))


def moved(record: S, /, **changes: Any) -> S:
    """Return a state with changes and the next version; the same state if nothing changes."""
    if all(getattr(record, name) == value for name, value in changes.items()):
        return record
    changes["version"] = record.version + 1  # type: ignore[attr-defined]
    return msgspec.structs.replace(record, **changes)
