"""Forty situations and how grave they are, written by hand from the rules of the ladder (domain.md 2.1)."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from measures.law.country_file import jurisdiction
from measures.victims.contacts import contact_warning
from pipelines import policy
from pipelines.hot.warn import warning
from pipelines.policy import DELAY, HOLD, STOP, WARN, Decision, Policy
from schemas.clue import Clue
from schemas.rows.transfers import CALL_IN_PROGRESS, TRANSFER, paid
from tests.tokens import token_of

OUTCOMES = {"WARN": WARN, "DELAY": DELAY, "HOLD": HOLD, "STOP": STOP}
T0_US = 1_756_656_000_000_000
RULES = policy.load()


class Situation(NamedTuple):
    """What happened, and what is made of it; a payment's `active` is a call while it is made."""

    situation: str
    kind: str
    grade: str
    active: str
    duration_s: str
    grade_kind: str
    severity: str


ROWS = list(csv.reader(Path(__file__).with_name("situations.csv").open(encoding="utf-8")))
SITUATIONS = [Situation(*row) for row in ROWS[1:]]


def graded(each: Situation, rules: Policy) -> tuple[str, str]:
    """Grade kind and severity of the warning that a situation leads to; nothing where there is none."""
    outcome = OUTCOMES.get(each.kind.removeprefix("BUTTON_"))
    if outcome is None:
        clue = Clue(
            clue_id="c-1", kind=each.kind, party=token_of("party"), at_us=T0_US,  # type: ignore[arg-type]
            grade=int(each.grade), active=each.active == "yes", duration_s=int(each.duration_s),
        )  # fmt: skip
        made = contact_warning(clue, jurisdiction("CN"), rules.words.victims, "zh-Hans")
    else:
        row = np.zeros(1, TRANSFER)
        row["at_us"], row["amount_minor"], row["currency"], row["txn_id"] = T0_US, 100, b"CNY", b"t1"
        row["signals"] = CALL_IN_PROGRESS * (each.active == "yes")
        (payment,), guided = paid(row), each.kind.startswith("BUTTON_")
        held = outcome != WARN
        made = warning(rules, payment, Decision(outcome, 0.5, ()), "UNKNOWN", hold=held, guided=guided)
    return (made.grade_kind, str(made.severity)) if made else ("", "")


@pytest.mark.parametrize("each", SITUATIONS, ids=lambda each: each.situation)
def test_a_situation_has_the_grade_that_was_written_by_hand(each: Situation) -> None:
    assert graded(each, RULES) == (each.grade_kind, each.severity)


def test_forty_situations_are_written_down() -> None:
    assert ROWS[0] == [*Situation._fields] and len(SITUATIONS) == 40
    assert len({each[1:5] for each in SITUATIONS}) == 40
