"""Ledgers over a recorded stream: from transfers to legs with everything known before them.

The job makes facts and adds them in two sharded stages; training does so for a whole recorded stream at once,
with the same folds over the same kinds of facts.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.features import FloatArray, Legs
from models.ledgers.accounts import ACCOUNT_FACT, ACCOUNTS
from models.ledgers.ledger import Ledger
from models.ledgers.parties import PARTY_FACT, PAYERS
from models.ledgers.suspicion import suspicion
from models.ledgers.table import Table
from schemas.rows import Rows
from schemas.units import DAY_US

#: A payee the payer has known for less than this is new to him.
NEW_PAYEE_US = DAY_US

#: A ledger that knows a payer for less than this does not know whom he paid before.
REMEMBERS_S = 3 * 86_400.0


def payer_facts(transfers: Rows, value: FloatArray) -> Rows:
    """Return payments as their payers see them, PARTY_FACT[n]."""
    facts = np.empty(len(transfers), PARTY_FACT)
    facts["key"] = transfers["debtor"]
    facts["at_us"] = transfers["at_us"]
    facts["value"] = value
    facts["counterparty"] = transfers["creditor_account"][:, 1]
    facts["suspicion"] = suspicion(transfers, value)
    return facts


def account_facts(facts: Rows, transfers: Rows, value: FloatArray, payer: Rows, *, credit: bool) -> None:
    """Write the debit or credit legs of payments, as their accounts see them, into ACCOUNT_FACT[n].

    `payer` are the views of the payers' ledger.
    """
    own, other = ("creditor_account", "debtor_account") if credit else ("debtor_account", "creditor_account")
    facts["key"] = transfers[own]
    facts["at_us"] = transfers["at_us"]
    facts["value"] = value
    facts["counterparty"] = transfers[other][:, 1]
    facts["credit"] = credit
    facts["risky"] = new_payees(transfers, payer, NEW_PAYEE_US) | (transfers["signals"] > 0)


def new_payees(transfers: Rows, payer: Rows, within_us: int) -> NDArray[np.bool_]:
    """Tell which payees are new to their payers, bool[n]: by what the payment says, else by the ledger."""
    added_us = transfers["payee_added_at_us"]
    never_paid = (payer["payee_paid"] == 0) & (payer["age_s"] >= REMEMBERS_S)
    new: NDArray[np.bool_] = np.where(added_us >= 0, transfers["at_us"] - added_us < within_us, never_paid)
    return new


def both_legs(transfers: Rows, value: FloatArray, payer: Rows) -> Rows:
    """Return both legs of payments as their accounts see them, ACCOUNT_FACT[2 n], of each the debit first."""
    facts = np.empty(2 * len(transfers), ACCOUNT_FACT)
    account_facts(facts[::2], transfers, value, payer, credit=False)
    account_facts(facts[1::2], transfers, value, payer, credit=True)
    return facts


class History(NamedTuple):
    """Both legs of every transfer, in the order of the transfers."""

    credit: Legs
    debit: Legs


def history(
    transfers: Rows,
    value: FloatArray,
    others: Sequence[Rows] = (),
    payers: Ledger = PAYERS,
    accounts: Ledger = ACCOUNTS,
) -> History:
    """Run a whole recorded stream, TRANSFER[n] ordered by event time, through fresh ledgers.

    `others` are facts of other kinds (ENFORCEMENT and so on), each for the ledger that takes its type.
    """

    def fold(ledger: Ledger, facts: Rows) -> Rows:
        own = [part for part in others if part.dtype in ledger.facts]
        return ledger.fold(Table.empty(ledger.row), [facts, *own])

    payer = fold(payers, payer_facts(transfers, value))
    account = fold(accounts, both_legs(transfers, value, payer))
    debits = np.arange(0, len(account), 2)
    return History(
        Legs(transfers, value, payer, account.take(debits + 1)),
        Legs(transfers, value, payer, account.take(debits)),
    )
