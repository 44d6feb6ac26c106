"""One scam of a run as a story: who paid what, was warned and held, and where the money went."""

from collections import defaultdict
from typing import NamedTuple

import pyarrow as pa

from console.lab.scoreboard import Scoreboard
from schemas.alert import Alert, Leg
from schemas.warning import Warning

#: A case of so many payments is short enough to be told whole.
SHORT = 8


class Step(NamedTuple):
    """A payment of a case.

    Attributes:
        case_id: names the case.
        at_us: when, microseconds UTC.
        scam: a victim paid; else scam money was moved on.
        amount_minor: how much.
        payer_age: band of the payer's age, "" if not known.
        seen: what the payer's device showed, in words.
        alert: what was asked to be done, if anything.
        warning: what the payer was told, if anything.

    """

    case_id: str
    at_us: int
    scam: bool
    amount_minor: int
    payer_age: str
    seen: tuple[str, ...]
    alert: Alert | None
    warning: Warning | None

    @property
    def held(self) -> bool:
        """Whether the money stayed where it was."""
        return self.alert is not None and self.alert.outcome != "DELAY"


_SEEN = {
    "call_in_progress": "on a call",
    "screen_share": "sharing the screen",
    "remote_control": "steered by a remote-control app",
}


def story(board: Scoreboard, payments: pa.Table) -> list[Step]:
    """Return the payments of the case that shows most, in order of time; nothing if there is no case."""
    cases: defaultdict[str, list[Step]] = defaultdict(list)
    rows = payments.filter(pa.compute.is_in(payments["txn_id"], pa.array(list(board.facts), pa.string())))
    alerts = {(alert.txn_id, alert.leg): alert for alert in board.alerts.values()}
    for row in rows.sort_by("accepted_at_us").to_pylist():
        fact = board.facts[row["txn_id"]]
        leg: Leg = "CREDIT" if fact.scam else "DEBIT"
        step = Step(
            fact.case_id,
            row["accepted_at_us"],
            fact.scam,
            row["amount_minor"],
            row["age_band"] or "",
            tuple(said for name, said in _SEEN.items() if fact.scam and row[name]),
            alerts.get((row["txn_id"], leg)),
            board.warnings.get(row["txn_id"]) if fact.scam else None,
        )
        cases[fact.case_id].append(step)
    told = [_with_money(steps) for steps in cases.values() if any(step.scam for step in steps)]
    return max(told, key=_shows, default=[])


def _with_money(steps: list[Step]) -> list[Step]:
    """Return the steps there was money for: a simulated mule does not know that a payment was held."""
    found, left = [], 0
    for step in steps:
        if step.scam:
            left += 0 if step.held else step.amount_minor
        elif left <= 0:
            continue
        elif step.held:
            left -= step.amount_minor
        found.append(step)
    return found


def _shows(steps: list[Step]) -> tuple[bool, int, int]:
    """Tell how much a case shows: a short one before a long one, each of these once, then the money."""
    victims = [step for step in steps if step.scam]
    moved = [step for step in steps if not step.scam]
    shown = [
        any(step.seen for step in victims),
        any(step.warning for step in victims),
        any(step.held for step in victims),
        any(step.held for step in moved),
        any(not step.held for step in victims),
        any(not step.held for step in moved),
    ]
    return len(steps) <= SHORT, sum(shown), sum(step.amount_minor for step in victims)
