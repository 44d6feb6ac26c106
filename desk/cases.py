"""Cases: what belongs together about one account, summed up in a row that the queue is ordered by.

A case is everything about one account to act on: the payee's where a payment goes to a probable mule, the
payer's where suspicious money leaves. Its name is derived from the account, so that it is the same whatever
comes first and after every rebuilding. It is open while a person owes it something: alerts newer than the
last decision, an appeal, a second person's decision.
"""

from collections.abc import Collection
from typing import Any, NamedTuple

from desk.sql import Connection, Row, upsert
from desk.store import Store
from desk.terms import SERVICE_US
from schemas.action import ActionKind
from schemas.ids import derived_id

TABLES = """
CREATE TABLE cases(
  account TEXT PRIMARY KEY, case_id TEXT NOT NULL UNIQUE, jurisdiction TEXT NOT NULL, open INTEGER NOT NULL,
  alerts INTEGER NOT NULL, open_alerts INTEGER NOT NULL, victims INTEGER NOT NULL, outcome INTEGER NOT NULL,
  leg TEXT NOT NULL, rule TEXT NOT NULL, amount_minor INTEGER NOT NULL, currency TEXT NOT NULL,
  value REAL NOT NULL, expected REAL NOT NULL, since_at_us INTEGER NOT NULL,
  since_received_us INTEGER NOT NULL, newest_us INTEGER NOT NULL, law_due_us INTEGER, law_kind TEXT NOT NULL,
  live INTEGER NOT NULL, held_minor INTEGER NOT NULL, appeals INTEGER NOT NULL, pending INTEGER NOT NULL,
  escalated INTEGER NOT NULL, decision TEXT NOT NULL, service_us INTEGER NOT NULL,
  institution TEXT NOT NULL, changed INTEGER NOT NULL);
CREATE INDEX cases_by_change ON cases(changed);
CREATE INDEX cases_of_institution ON cases(institution)
"""

_PUT = upsert(TABLES, "cases", key="account")

#: Actions that say what a case is; alerts that the person had not seen open it again.
CLOSING: tuple[ActionKind, ...] = ("CONFIRM", "DISMISS")

#: The measures of a case: those on its account, and those that hold one of its payments on its way, which
#: are on the payer's account.
OF_CASE = """
measure_id IN (
  SELECT measure_id FROM measures WHERE account = ?1
  UNION SELECT t.measure_id FROM alerts AS a JOIN measure_txns AS t ON t.txn = a.txn
  JOIN measures AS m ON m.measure_id = t.measure_id AND m.kind = 'HOLD'
    AND m.scope = 'TRANSACTION'
  WHERE a.account = ?1)
"""

#: What a measure holds: a payment on its way is no part of a balance.
_HELD = "CASE WHEN scope = 'TRANSACTION' AND limit_minor > held_minor THEN limit_minor ELSE held_minor END"

#: The payments of an account that nobody has decided, each by the gravest of its alerts.
_PAYMENTS = """
SELECT * FROM (
  SELECT jurisdiction, leg, rule, currency, party, txn, outcome,
    max(amount_minor) OVER payment AS amount_minor, max(value) OVER payment AS value,
    max(value * chance) OVER payment AS expected, max(institution) OVER payment AS institution,
    min(at_us) OVER payment AS at_us, min(received_us) OVER payment AS received_us,
    min(due_us) OVER payment AS due_us,
    row_number() OVER (PARTITION BY txn ORDER BY outcome DESC, received_us DESC, rule) AS gravest
  FROM alerts WHERE account = ? AND received_us > ? WINDOW payment AS (PARTITION BY txn)) AS payments
WHERE gravest = 1 ORDER BY outcome, at_us, txn
"""


class _Sum(NamedTuple):
    """What of a case nobody has decided: minor units, what they are worth and likely are, since when."""

    amount_minor: int
    currency: str
    value: float
    expected: float
    since_at_us: int
    since_received_us: int


def case_id_of(account: str) -> str:
    """Name the case of an account."""
    return derived_id("case", account)


def refresh(db: Connection, accounts: Collection[str], changed: int) -> int:
    """Sum the cases of `accounts` up anew; returns the number of the last change, one more a case."""
    for account in sorted(accounts):
        if (row := _row(db, account)) is None:
            continue
        changed += 1
        db.execute(_PUT, (*row, changed))
    return changed


def everybody(db: Connection) -> set[str]:
    """Return every account that may have a case."""
    tables = ("alerts", "measures", "appeals", "actions")
    query = " UNION ".join(f"SELECT account FROM {table}" for table in tables)
    return {account for (account,) in db.execute(query) if account}


def last_change(store: Store) -> int:
    """Return the number of the last change."""
    return int(store.rows("SELECT coalesce(max(changed), 0) FROM cases")[0][0])


def _row(db: Connection, account: str) -> tuple[Any, ...] | None:
    decided = db.execute(
        "SELECT kind, upto_us, seq FROM actions WHERE account = ? AND kind IN (?, ?) "
        "AND state IN ('DECIDED', 'AGREED') ORDER BY upto_us DESC, seq DESC LIMIT 1", (account, *CLOSING),
    ).fetchone()  # fmt: skip
    upto, since = (decided["upto_us"], decided["seq"]) if decided else (-1, 0)
    alerts, newest, first_us, first_received = db.execute(
        "SELECT count(DISTINCT txn), max(received_us), min(at_us), min(received_us) FROM alerts "
        "WHERE account = ?",
        (account,),
    ).fetchone()
    open_ = db.execute(_PAYMENTS, (account, upto)).fetchall()
    measures = db.execute(
        f"SELECT count(*) AS live, coalesce(sum({_HELD}), 0) AS held FROM measures WHERE {OF_CASE} "
        "AND live = 1",
        (account,),
    ).fetchone()
    next_ = db.execute(
        "SELECT due_us, kind || '.' || due_kind AS what, at_us FROM measures "
        f"WHERE {OF_CASE} AND live = 1 AND due_us IS NOT NULL ORDER BY due_us LIMIT 1", (account,),
    ).fetchone()  # fmt: skip
    appeal = db.execute(
        "SELECT count(*) AS n, min(due_us) AS due_us FROM appeals WHERE account = ? AND open = 1", (account,)
    ).fetchone()
    acted = _acted(db, account, since)
    if not (alerts or measures["live"] or appeal["n"] or decided or sum(acted)):
        known = db.execute("SELECT 1 FROM measures WHERE account = ? LIMIT 1", (account,)).fetchone()
        if known is None:
            return None
    due, kind = _law(open_, next_, appeal)
    top = open_[-1] if open_ else _last(db, account)
    told = _reported(db, account, since) if acted[1] and not open_ else None
    at_risk = told or _Sum(
        sum(each["amount_minor"] for each in open_), top["currency"] if top else "",
        sum(each["value"] for each in open_), sum(each["expected"] for each in open_),
        min((each["at_us"] for each in open_), default=first_us or 0),
        min((each["received_us"] for each in open_), default=first_received or 0),
    )  # fmt: skip
    return (
        account, case_id_of(account), top["jurisdiction"] if top else "",
        int(bool(open_ or appeal["n"] or sum(acted))), alerts, len(open_),
        len({each["party"] for each in open_}), top["outcome"] if open_ and top else 0,
        top["leg"] if top else "", top["rule"] if top else "",
        *at_risk,
        newest or 0, due, kind, measures["live"], measures["held"], appeal["n"], *acted,
        decided["kind"] if decided else "", SERVICE_US[top["outcome"] if top else 0],
        (top["institution"] if top else "") or _reported_at(db, account),
    )  # fmt: skip


def _reported(db: Connection, account: str, since: int) -> _Sum | None:
    """Return what phone reports since the last decision say, in the newest one's currency.

    It counts whole: there is no score of it.
    """
    found = db.execute(
        "SELECT sum(amount_minor), currency, sum(value), sum(value), min(at_us), min(at_us) FROM actions "
        "WHERE account = ? AND kind = 'REPORT' AND seq > ? "
        "GROUP BY currency ORDER BY max(seq) DESC LIMIT 1", (account, since),
    ).fetchone()  # fmt: skip
    return _Sum(*found) if found else None


def _acted(db: Connection, account: str, since: int) -> tuple[int, int]:
    """Count proposals that wait for a second person, and escalations and reports since the last decision."""
    pending = db.execute(
        "SELECT count(*) FROM actions AS a WHERE account = ? AND state = 'PROPOSED' AND NOT EXISTS "
        "(SELECT 1 FROM actions AS b WHERE b.proposal_id = a.action_id)", (account,),
    ).fetchone()[0]  # fmt: skip
    escalated = db.execute(
        "SELECT count(*) FROM actions WHERE account = ? AND kind IN ('ESCALATE', 'REPORT') AND seq > ?",
        (account, since),
    ).fetchone()[0]
    return pending, escalated


def _reported_at(db: Connection, account: str) -> str:
    """Return the institution that the newest phone report names for an account without an alert that does."""
    found = db.execute(
        "SELECT payee_institution FROM actions WHERE account = ? AND kind = 'REPORT' "
        "ORDER BY at_us DESC LIMIT 1", (account,),
    ).fetchone()  # fmt: skip
    return found["payee_institution"] if found else ""


def _last(db: Connection, account: str) -> Row | None:
    found: Row | None = db.execute(
        "SELECT jurisdiction, outcome, leg, rule, currency, institution FROM alerts WHERE account = ? "
        "ORDER BY received_us DESC LIMIT 1", (account,),
    ).fetchone()  # fmt: skip
    return found


def _law(open_: list[Row], next_: Row | None, appeal: Row) -> tuple[int | None, str]:
    """Return the next instant at which the law does something by itself, and what it does.

    A measure in force says so exactly; without one the term that an alert's rule gives counts.
    """
    found: list[tuple[int, str]] = []
    if next_ is not None:
        found.append((next_["due_us"], next_["what"]))
    else:
        found += [(each["due_us"], f"RULE.{each['rule']}") for each in open_ if each["due_us"] is not None]
    if appeal["due_us"] is not None:
        found.append((appeal["due_us"], "APPEAL"))
    return min(found, default=(None, ""))
