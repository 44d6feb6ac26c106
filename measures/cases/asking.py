"""Whom a report is asked of, and by when: two tables, no branch a country or a recipient.

The first wave goes to the parts of the job itself; what they say is in force then decides whom else is
asked, so that one private reporter brings about a label and a look, never a block
(`measures.blocking.admission`, `measures.registry.suspicion`).
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from schemas.ids import derived_id
from schemas.report import Action, ActionKind, Entity, EntityKind, Report
from schemas.units import HOUR_US, MINUTE_US, SECOND_US

#: The parts of the job that are asked first, and the people behind everybody.
BLOCKLIST, REGISTRY, DESK = "blocklist", "registry", "desk"
MACHINES = frozenset({BLOCKLIST, REGISTRY})

#: What may be blocked, and what is entered in the registry.
BLOCKABLE: frozenset[EntityKind] = frozenset(
    {"NUMBER", "NUMBER_RANGE", "DOMAIN", "URL", "IP", "APP_HASH", "IMEI", "SENDER_ID", "WALLET"}
)
SUBJECTS: frozenset[EntityKind] = frozenset(
    {
        "PERSON", "ORG", "ACCOUNT", "CARD", "SIM", "DEVICE", "MERCHANT", "OUTLET", "INSIDER", "DOCUMENT",
        "SOCIAL_ID",
    }
)  # fmt: skip


class Clock(NamedTuple):
    """By when a recipient acknowledges and acts, microseconds after it is asked."""

    ack_us: int
    act_us: int


#: A machine in 2 s, a bank's stop in 60 s, an operator's block in 10 min, a take-down in 24 h.
CLOCKS: Mapping[ActionKind, Clock] = {
    "BLOCK": Clock(2 * SECOND_US, 2 * SECOND_US),
    "SUSPECT": Clock(2 * SECOND_US, 2 * SECOND_US),
    "STOP": Clock(60 * SECOND_US, 60 * SECOND_US),
    "WARN": Clock(60 * SECOND_US, 60 * SECOND_US),
    "SUSPEND_LINE": Clock(60 * SECOND_US, 10 * MINUTE_US),
    "RE_VERIFY": Clock(60 * SECOND_US, 10 * MINUTE_US),
    "UNDO": Clock(60 * SECOND_US, 10 * MINUTE_US),
    "LOOK": Clock(10 * MINUTE_US, HOUR_US),
    "TAKE_DOWN": Clock(HOUR_US, 24 * HOUR_US),
}


class Ask(NamedTuple):
    """What is asked of whom; `whose` is put before the institution of the entity, or `whose:all`."""

    kind: ActionKind
    whose: str


#: What is in force on an entity of a kind -> who else is asked. "" stands for every kind.
NEXT: Mapping[tuple[str, str], Ask] = {
    **dict.fromkeys((("TIER_3", "ACCOUNT"), ("TIER_3", "CARD"), ("TIER_3", "MERCHANT")), Ask("STOP", "bank")),
    **dict.fromkeys((("TIER_1", "ACCOUNT"), ("TIER_1", "CARD"), ("TIER_1", "MERCHANT")), Ask("LOOK", "bank")),
    **dict.fromkeys((("TIER_2", "ACCOUNT"), ("TIER_2", "CARD"), ("TIER_2", "MERCHANT")), Ask("LOOK", "bank")),
    **dict.fromkeys((("BLOCK", "NUMBER"), ("TIER_3", "SIM")), Ask("SUSPEND_LINE", "operator")),
    **dict.fromkeys(
        (("BLOCK", "DOMAIN"), ("BLOCK", "URL"), ("BLOCK", "APP_HASH"), ("TIER_3", "SOCIAL_ID")),
        Ask("TAKE_DOWN", "platform"),
    ),
    ("IN_REVIEW", ""): Ask("LOOK", DESK),
}


def first_wave(report: Report, at_us: int) -> tuple[Action, ...]:
    """Return what is asked as soon as a report is taken: the job's own parts, and who can warn a victim."""
    asked = []
    for place, entity in enumerate(report.entities):
        if entity.role == "VICTIM":
            asked.append(action(report, place, Ask("WARN", "bank" if entity.institution else DESK), at_us))
        elif entity.kind in BLOCKABLE:
            asked.append(action(report, place, Ask("BLOCK", BLOCKLIST), at_us))
        elif entity.kind in SUBJECTS:
            asked.append(action(report, place, Ask("SUSPECT", REGISTRY), at_us))
    return _each_once(asked, ())


def next_wave(
    report: Report, answered: Action, effect: str, at_us: int, *, verify_first: bool = False
) -> tuple[Action, ...]:
    """Return whom else an answer of one of the job's parts has asked.

    With `verify_first` the law has the user of a line verified again before the line is cut.
    """
    kind = report.entities[answered.entity].kind
    ask = NEXT.get((effect, kind)) or NEXT.get((effect, ""))
    if ask and ask.kind == "SUSPEND_LINE" and verify_first:
        ask = ask._replace(kind="RE_VERIFY")
    return (action(report, answered.entity, ask, at_us),) if ask else ()


def undoing(report: Report, actions: Iterable[Action], at_us: int) -> tuple[Action, ...]:
    """Return who must undo what they were asked: everybody outside the job who acted, or still may."""
    return tuple(
        action(report, each.entity, Ask("UNDO", each.recipient), at_us)
        for each in actions
        if each.recipient not in MACHINES
        and each.recipient != DESK
        and each.kind not in ("UNDO", "LOOK", "WARN")
        and each.result in ("", "ACTED")
    )


def action(report: Report, place: int, ask: Ask, at_us: int) -> Action:
    """Return one action with its clock; its id names report, recipient, kind and thing."""
    entity, clock = report.entities[place], CLOCKS[ask.kind]
    recipient = _recipient(ask.whose, entity)
    return Action(
        action_id=derived_id("action", report.report_id, recipient, ask.kind, entity.kind, entity.value),
        recipient=recipient,
        kind=ask.kind,
        entity=place,
        sent_us=at_us,
        ack_due_us=at_us + clock.ack_us,
        act_due_us=at_us + clock.act_us,
    )


def _recipient(whose: str, entity: Entity) -> str:
    classes = ("bank", "operator", "platform")
    return f"{whose}:{entity.institution or 'all'}" if whose in classes else whose


def _each_once(asked: Iterable[Action], known: Iterable[Action]) -> tuple[Action, ...]:
    return tuple({each.action_id: each for each in (*known, *asked)}.values())
