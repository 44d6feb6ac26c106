"""The handbook's payments through the product: its ledgers, its features, its trees; no law of the generator.

A card is a paying party, a terminal the payee's account. Labels of both are findings, known after seven days.
Ledgers run over everything; the trees see the days whose labels are known, as the book's models do. A card's
score of the day is the chance that any of its payments is a fraud.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models import features
from models.benchmarks.fdh import DELAY_DAYS, PUBLISHED_WEEK, TEST_WEEK, load, measure, split
from models.benchmarks.fdh_world import DAY_SECONDS, Payments, day_number
from models.benchmarks.report import Benchmark
from models.benchmarks.transfers import plain
from models.features import FloatArray
from models.learning import evaluate
from models.learning.train import fit_classifier, probability
from models.ledgers.accounts import ACCOUNTS, LEGS
from models.ledgers.enforcement import STATEMENTS
from models.ledgers.findings import FINDING, FINDINGS
from models.ledgers.history import history
from models.ledgers.ledger import Ledger, ledger_of
from models.ledgers.parties import PAYERS, PAYMENTS
from schemas.rows import Rows

TRAIN_DAYS = 63
SETTINGS: dict[str, Any] = {"max_iter": 200, "l2_regularization": 10.0, "min_samples_leaf": 40}

_CARDS = ledger_of("cards", PAYMENTS, FINDINGS)
_TERMINALS = ledger_of("terminals", LEGS, STATEMENTS, FINDINGS)


def transfers_of(payments: Payments) -> Rows:
    """Return the payments as TRANSFER rows; what the handbook does not have is unknown."""
    amount = np.maximum(np.round(payments.amount * 100), 1).astype(np.int64)
    return plain(payments.second * 1_000_000, amount, 2 * payments.customer, 2 * payments.terminal + 1)


def product_features(payments: Payments, *, delay: int = DELAY_DAYS) -> FloatArray:
    """Return the credit leg's columns, and of card and terminal what was found out, float64[n, k]."""
    rows = transfers_of(payments)
    known_us = rows["at_us"] + delay * DAY_SECONDS * 1_000_000
    findings = []
    for side in ("debtor", "creditor_account"):
        found = np.zeros(len(rows), FINDING)
        found["key"], found["at_us"], found["scam"] = rows[side], known_us, payments.fraud
        findings.append(found)
    value = rows["amount_minor"].astype(np.float64)
    leg = history(rows, value, findings, _CARDS, _TERMINALS).credit
    shown = leg._replace(payer=_plain(leg.payer, PAYERS), account=_plain(leg.account, ACCOUNTS))
    columns = [features.matrix(features.versions("credit"), shown)]
    for view in (leg.payer, leg.account):
        count, scam = view["found"], view["found_scam"]
        columns += [scam, scam / np.maximum(count, 0.5), view["scam_gap_s"][:, None] / 86_400]
    return np.asfortranarray(np.column_stack(columns))


def _plain(views: Rows, ledger: Ledger) -> Rows:
    """Return the views as the product's ledger has them; what the handbook's does not show never was."""
    out, known = np.zeros(len(views), ledger.view), views.dtype.names or ()
    for name in ledger.view.names or ():
        never = np.nan if name.endswith("_s") else 0
        out[name] = views[name] if name in known else never
    return out


def run(folder: Path) -> list[Benchmark]:
    """Measure the published test week (a minute or two of one core)."""
    start = day_number(TEST_WEEK)
    payments = load(folder, start + 6)
    X = product_features(payments)
    train, test = split(payments, start, train_days=TRAIN_DAYS)
    model = fit_classifier(X[train], payments.fraud[train], **SETTINGS)
    score = probability(model, X[test])
    ours, ceiling = measure(payments, test, score)
    rows = payments[test]
    cards = evaluate.any_of_card(rows.day, rows.customer, score)
    together = evaluate.card_precision(rows.day, rows.customer, rows.fraud, cards)
    ours = replace(ours, cp100=together.value)
    lines = tuple((f"{name}, published", figures) for name, figures in PUBLISHED_WEEK.items())
    note = (
        f"Trained on {TRAIN_DAYS} days, labels {DELAY_DAYS} days late; ceiling of CP@100 {ceiling:.3f}. "
        "Synthetic: on real cards AP is about 0.10."
    )
    title = f"Fraud Detection Handbook, the product's features, test week from {TEST_WEEK}"
    best = PUBLISHED_WEEK["random forest"]
    return [Benchmark("fdh_product", title, lines, ours, note, published=best)]
