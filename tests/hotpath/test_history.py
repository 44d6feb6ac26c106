"""What a leg knows of payer and account, on a small story told by hand."""

import math

import numpy as np
import pytest

from models.ledgers.history import NEW_PAYEE_US, REMEMBERS_S, both_legs, history
from models.ledgers.parties import PAYERS
from schemas.payment import Payment
from schemas.rows.transfers import of_payments
from tests.schemas.records import token_of

MINUTE_US, T0_US = 60_000_000, 1_756_656_000_000_000
VICTIM, MULE, NEXT = (token_of(bytes([number]) * 16) for number in (1, 2, 3))


def paid(minute: int, debtor: str, creditor: str, amount: int, **more: object) -> Payment:
    return Payment(
        txn_id=f"t{minute}", accepted_at_us=T0_US + minute * MINUTE_US, amount_minor=amount, currency="CNY",
        debtor=debtor, debtor_account=debtor, creditor_account=creditor, **more,  # type: ignore[arg-type]
    )  # fmt: skip


STORY = of_payments(
    [
        paid(0, VICTIM, MULE, 1_000),
        paid(10, VICTIM, MULE, 9_000, call_in_progress=True),
        paid(13, MULE, NEXT, 9_500),
        paid(15, MULE, NEXT, 400),
    ]
)


def test_the_debit_leg_of_a_mule_knows_what_came_in_and_when() -> None:
    legs = history(STORY, STORY["amount_minor"].astype(np.float64))
    account = legs.debit.account[2]

    assert account["in_gap_s"] == 180
    assert math.isnan(account["out_gap_s"])
    assert account["in_count"][3] == pytest.approx(2, rel=1e-3)
    assert account["in_value"][3] == pytest.approx(10_000, rel=1e-3)
    assert account["risky_value"][3] == pytest.approx(9_000, rel=1e-3)
    assert (account["out_count"][3], account["largest_in"]) == (0, 9_000)
    assert legs.debit.account[3]["out_value"][3] == pytest.approx(9_500, rel=1e-3)
    assert legs.debit.account[3]["counterparty_gap_s"] == 120
    assert math.isnan(legs.debit.payer[2]["age_s"])


def test_the_credit_leg_knows_the_payee_before_it_and_the_payer_before_it() -> None:
    legs = history(STORY, STORY["amount_minor"].astype(np.float64))

    assert math.isnan(legs.credit.account[0]["age_s"])
    assert legs.credit.account[1]["in_value"][3] == pytest.approx(1_000, rel=1e-3)
    assert legs.credit.account[1]["out_count"][3] == 0
    assert (legs.credit.payer[1]["largest"], legs.credit.payer[1]["payee_gap_s"]) == (1_000, 600)
    assert legs.credit.account[2]["in_count"][3] == 0


@pytest.mark.parametrize(
    ("more", "risky"),
    [
        ({}, 0),
        ({"payee_added_at_us": T0_US}, 1),
        ({"payee_added_at_us": T0_US - NEW_PAYEE_US + 1}, 1),
        ({"payee_added_at_us": T0_US - NEW_PAYEE_US}, 0),
        ({"remote_control": True}, 1),
        ({"screen_share": True}, 1),
    ],
)
def test_a_payment_is_risky_if_its_payee_is_new_or_its_payer_guided(
    more: dict[str, object], risky: int
) -> None:
    rows = of_payments([paid(0, VICTIM, MULE, 1, **more)])
    both = both_legs(rows, np.ones(1), np.ones(1, PAYERS.view))

    assert both["risky"].tolist() == [risky, risky]
    assert both["credit"].tolist() == [0, 1]
    assert (both["key"][0] == rows["debtor_account"][0]).all()
    assert (both["key"][1] == rows["creditor_account"][0]).all()
    assert (both["counterparty"] == [rows["creditor_account"][0, 1], rows["debtor_account"][0, 1]]).all()


@pytest.mark.parametrize(
    ("paid_before", "known_s", "risky"),
    [(1.0, REMEMBERS_S, 0), (0.0, REMEMBERS_S, 1), (0.0, REMEMBERS_S - 1, 0), (0.0, math.nan, 0)],
)
def test_without_the_field_a_payee_is_new_if_the_ledger_never_saw_him_paid(
    paid_before: float, known_s: float, risky: int
) -> None:
    rows = of_payments([paid(0, VICTIM, MULE, 1)])
    payer = np.zeros(1, PAYERS.view)
    payer["payee_paid"], payer["age_s"] = paid_before, known_s

    assert both_legs(rows, np.ones(1), payer)["risky"].tolist() == [risky, risky]
