"""What was found out is remembered from when it became known, and never before."""

import math

import numpy as np
import pytest

from models.ledgers.accounts import ACCOUNT_FACT, LEGS
from models.ledgers.findings import FINDING, FINDINGS
from models.ledgers.ledger import ledger_of
from models.ledgers.table import Table
from schemas.units import DAY_US

LEDGER = ledger_of("accounts_and_findings", LEGS, FINDINGS)
T0_US = 1_756_656_000_000_000


def asked(days: list[float]) -> np.ndarray:
    facts = np.zeros(len(days), ACCOUNT_FACT)
    facts["key"], facts["credit"] = 1, 1
    facts["at_us"] = T0_US + np.array(days) * DAY_US
    return facts


def found(days: list[float], scam: list[int]) -> np.ndarray:
    facts = np.zeros(len(days), FINDING)
    facts["key"], facts["scam"] = 1, scam
    facts["at_us"] = T0_US + np.array(days) * DAY_US
    return facts


def test_a_label_tells_nothing_before_it_is_known() -> None:
    """The leak test: whatever the labels say, what was asked before they were known is the same."""
    questions = asked([0, 3, 6.9, 7.1, 30])
    scam, good = (LEDGER.fold(Table.empty(LEDGER.row), [questions, found([7], [label])]) for label in (1, 0))

    assert scam[:3].tobytes() == good[:3].tobytes()
    assert not scam["found"][:3].any()
    assert math.isnan(scam["scam_gap_s"][2])
    assert scam["found_scam"][3][3] == pytest.approx(1, rel=0.01) and not good["found_scam"].any()
    assert scam["scam_gap_s"][3] == pytest.approx(0.1 * 86_400)


def test_findings_fade_and_count_alike_in_whatever_pieces_they_come() -> None:
    days, labels = [1.0, 2.0, 9.0, 20.0], [1, 0, 1, 1]
    once = LEDGER.fold(Table.empty(LEDGER.row), [asked([40.0]), found(days, labels)])
    table = Table.empty(LEDGER.row)
    for day, label in zip(days, labels, strict=True):
        LEDGER.fold(table, [asked([]), found([day], [label])])
    later = LEDGER.fold(table, [asked([40.0])])

    expected = sum(label * math.exp(-(40 - day) / 30) for day, label in zip(days, labels, strict=True))
    assert once["found_scam"][0][3] == pytest.approx(expected, rel=1e-9)
    assert later["found_scam"][0] == pytest.approx(once["found_scam"][0], rel=1e-9)
    assert later["found"][0][3] > later["found_scam"][0][3]
