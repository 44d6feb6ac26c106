"""Topic `alerts`: one row a recommendation, with the end of the term that the law would give it."""

from collections.abc import Collection, Sequence

import msgspec

from desk.projections.projection import Ground, Message, Projection
from desk.sight import put_institutions
from desk.sql import Connection, arriving, insert
from desk.store import packed
from desk.terms import chance
from pipelines.policy import OUTCOMES
from schemas.alert import Alert, payer_of
from schemas.topics import ALERTS
from schemas.units import MINUTE_US

TABLES = """
CREATE TABLE alerts(
  seq INTEGER PRIMARY KEY, alert_id TEXT NOT NULL UNIQUE, account TEXT NOT NULL, counterparty TEXT NOT NULL,
  party TEXT NOT NULL, txn TEXT NOT NULL, jurisdiction TEXT NOT NULL, leg TEXT NOT NULL,
  outcome INTEGER NOT NULL, amount_minor INTEGER NOT NULL, currency TEXT NOT NULL, value REAL NOT NULL,
  chance REAL NOT NULL, rule TEXT NOT NULL, at_us INTEGER NOT NULL, received_us INTEGER NOT NULL,
  due_us INTEGER, record BLOB NOT NULL, institution TEXT NOT NULL, payer_institution TEXT NOT NULL);
CREATE INDEX alerts_of_account ON alerts(
  account, received_us, txn, at_us, outcome, amount_minor, value, chance, due_us, jurisdiction, leg, rule,
  currency, party, institution);
CREATE INDEX alerts_of_txn ON alerts(txn);
CREATE INDEX alerts_of_party ON alerts(party);
CREATE INDEX alerts_of_counterparty ON alerts(counterparty);
CREATE INDEX alerts_of_institution ON alerts(institution) WHERE institution != '';
CREATE INDEX alerts_of_payer_institution ON alerts(payer_institution) WHERE payer_institution != ''
"""


def keeper(alert: Alert) -> str:
    """Return the code of who keeps the account that an alert is about, "" if the payment names none."""
    is_payer = payer_of(alert) == alert.account_token
    return alert.debtor_agent if is_payer else alert.creditor_agent


def put(db: Connection, ground: Ground, messages: Sequence[Message]) -> Collection[str]:
    """Add alerts; those that came before stay as they are."""
    rows, seq = [], arriving(db, "alerts")
    for _, value, alert in messages:
        a: Alert = alert
        rows.append(
            (
                next(seq), a.alert_id, a.account_token, a.counterparty_token, a.party_token, a.txn_id,
                a.jurisdiction, a.leg, OUTCOMES.index(a.outcome), a.amount_minor, a.currency,
                worth := ground.worth(a.amount_minor, a.currency), chance(a.score, worth), a.measure_rule,
                a.at_us, a.received_us,
                ground.term_end(a.jurisdiction, a.measure_rule, a.at_us // MINUTE_US), packed(value),
                keeper(a), a.debtor_agent,
            )
        )  # fmt: skip
    db.executemany(insert("alerts", 20), rows)
    put_institutions(db, (code for row in rows for code in row[-2:]))
    return {row[2] for row in rows}


PROJECTION = Projection(ALERTS, msgspec.json.Decoder(Alert).decode, put, TABLES)
