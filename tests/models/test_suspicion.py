"""The scorecard of single payments, and what ledgers remember of it."""

import numpy as np
import pytest

from models.features.legs import DAY_S
from models.ledgers.history import payer_facts
from models.ledgers.parties import PAYERS
from models.ledgers.suspicion import suspicion
from models.ledgers.table import Table
from schemas.rows.transfers import CALL_IN_PROGRESS, SCREEN_SHARE, TRANSFER
from schemas.units import DAY_US, HOUR_US

AT_US = 1_756_700_000_000_000
UNKNOWN = (
    "payee_added_at_us", "creditor_opened_at_us", "limit_changed_at_us", "new_device_age_h",
    "balance_after_minor",
)  # fmt: skip


def paid(count=1, **fields) -> np.ndarray:
    rows = np.zeros(count, TRANSFER)
    for name in UNKNOWN:
        rows[name] = -1
    rows["at_us"], rows["amount_minor"] = AT_US, 2_000_000
    for name, value in fields.items():
        rows[name] = value
    return rows


def look(**fields) -> float:
    rows = paid(**fields)
    return float(suspicion(rows, rows["amount_minor"].astype(float))[0])


def test_large_sums_to_new_payees_with_signals_look_worse_than_small_ones_to_those_long_known():
    new, old = AT_US - HOUR_US, AT_US - 400 * DAY_US
    guided = CALL_IN_PROGRESS | SCREEN_SHARE

    assert look(payee_added_at_us=new, signals=guided) > look(payee_added_at_us=new) > 0.01
    assert look(payee_added_at_us=new) > 50 * look(payee_added_at_us=old)
    assert look(payee_added_at_us=new) > 20 * look(payee_added_at_us=new, amount_minor=4_321)


@pytest.mark.parametrize("value", [np.nan, 0.0, 1.0, 1e18])
def test_whatever_is_not_known_or_absurd_the_score_is_a_number_between_0_and_1(value):
    for rows in (paid(), paid(amount_minor=2**62, balance_after_minor=2**62, channel=255, payee_check=255)):
        assert 0 <= suspicion(rows, np.array([value]))[0] <= 1


def test_the_ledger_remembers_how_a_payers_payments_looked_and_forgets_in_days():
    rows = paid(3, payee_added_at_us=AT_US - HOUR_US)
    rows["at_us"] += np.array([0, HOUR_US, 14 * DAY_US])
    facts = payer_facts(rows, rows["amount_minor"].astype(float))
    seen = PAYERS.fold(Table.empty(PAYERS.row), [facts])["suspected"]

    assert seen[0].tolist() == [0, 0, 0]
    assert seen[1] == pytest.approx(
        facts["suspicion"][0] * np.exp(-3600 / np.array([3600, DAY_S, 7 * DAY_S])), rel=1e-5
    )
    assert seen[2, 1] < 1e-4 * seen[1, 1] and 0.1 * seen[1, 2] < seen[2, 2] < seen[1, 2]
