"""Who may do what: six roles, and the routes of the desk that let them in; what is not listed is shut."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from schemas.action import ActionKind


class Role(StrEnum):
    """What a person is at the desk."""

    ANALYST = "analyst"
    LEAD = "lead"
    LIAISON = "liaison"
    INSTITUTION = "institution"
    OPERATOR = "operator"
    AUDITOR = "auditor"


class Person(NamedTuple):
    """Who is at the desk; `institution` is whose people somebody of the role `institution` belongs to."""

    id: str
    role: Role
    institution: str = ""


A, L, P, I, O, U = Role  # noqa: E741 - one letter a column of the tables below
ALL = frozenset(Role)
CASES = frozenset({A, L, P, I, U})

#: Action -> who may decide it, also as the second person.
ACTS: Mapping[ActionKind, frozenset[Role]] = {
    "CONFIRM": frozenset({A, L}),
    "DISMISS": frozenset({A, L}),
    "HOLD": frozenset({A, L}),
    "RELEASE": frozenset({A, L}),
    "ESCALATE": frozenset({A, L, I}),
    "ORDER": frozenset({L, P}),
    "APPEAL": frozenset({L, I}),
    "RESTRICT": frozenset({L}),
    "BLOCK": frozenset({L, P}),
    "UNBLOCK": frozenset({L, P}),
    "REPORT": frozenset({A, L, P, I}),
    "SEND_AGAIN": frozenset({O}),
    "ADMIT": frozenset({L, P}),
    "OBJECTION": frozenset({L, P}),
    "SUSPECT": frozenset({A, L, P, I}),
    "JUDGE": frozenset({A, L}),
    "PROPOSE": frozenset({A, L, I}),
    "LIST": frozenset({P}),
    "LISTED_APPEAL": frozenset({P}),
    "FINDING": frozenset({A, L, P}),
    "LOOK": frozenset({A, L, P}),
    "RECTIFY": frozenset({L, P, I}),
}

#: Who may act at all, whatever the action.
ACTING = frozenset().union(*ACTS.values())

#: What people look after besides cases (`desk.planes`) -> who sees it; acting is asked again by `ACTS`.
SEES: Mapping[str, frozenset[Role]] = {
    "reports": CASES,
    "registry": CASES,
    "listings": CASES,
    "blocks": CASES,
    "institutions": CASES - {A},
    "rings": frozenset({A, L, P, U}),
}

#: Route -> who is let in. Acting is asked again by `ACTS`.
ROUTES: Mapping[str, frozenset[Role]] = {
    "home": ALL,
    "leave": ALL,
    "language": ALL,
    "queue": CASES,
    "queue_rows": CASES,
    "live": CASES,
    "case": CASES,
    "case_body": CASES,
    "unmask": CASES - {U},
    "form": ACTING - {O},
    "preview": ACTING - {O},
    "act": ACTING - {O},
    "second": frozenset({A, L, P, I}),
    "bulk": frozenset({L}),
    "bulk_act": frozenset({L}),
    "bulk_second": frozenset({L}),
    "intake": ACTS["REPORT"],
    "intake_act": ACTS["REPORT"],
    "draft": frozenset({L, P}),
    "draft_file": frozenset({L, P}),
    "letters": frozenset({O, U}),
    "letter": frozenset({O}),
    "letter_act": ACTS["SEND_AGAIN"],
    "model": frozenset({A, L, O, U}),
    "trial": frozenset({A, L, O, U}),
    **dict.fromkeys(("trial_form", "trial_act", "trial_stop"), frozenset({L, O})),
    "health": frozenset({L, O, U}),
    "audit": frozenset({U}),
    "list_facts": CASES,
    **{route: seen for name, seen in SEES.items() for route in (name, f"{name}_record")},
    **{
        f"{name}_{route}": seen - {U}
        for name, seen in SEES.items()
        for route in ("unmask", "form", "preview", "act", "second")
    },
}


def may(person: Person, route: str) -> bool:
    """Tell whether a route lets a person in."""
    return person.role in ROUTES.get(route, frozenset())
