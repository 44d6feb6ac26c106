"""How the desk and what it watches are doing: the figures that pages, commands and Prometheus show."""

from statistics import median

import msgspec

from desk.desk import Desk
from desk.planes import PLANE_OF
from desk.queue import totals
from desk.store import Store, unpacked
from schemas.alert import Alert
from schemas.topics import LISTINGS
from schemas.units import MINUTE_US, SECOND_US

_ALERT = msgspec.json.Decoder(Alert)

#: So many of the newest alerts stand for what decides now.
NEWEST = 2_000


def outcomes_by_model(store: Store) -> list[dict[str, object]]:
    """Count the newest alerts by policy, model and outcome, and what people found of them."""
    found: dict[tuple[str, str, str], dict[str, object]] = {}
    rows = store.rows(
        "SELECT a.record, f.kind FROM (SELECT * FROM alerts ORDER BY seq DESC LIMIT ?) AS a "
        "LEFT JOIN facts AS f ON f.topic = 'feedback' AND f.txn = a.txn", NEWEST,
    )  # fmt: skip
    for row in rows:
        alert = _ALERT.decode(unpacked(row["record"]))
        key = alert.policy, alert.model, alert.outcome
        line = found.setdefault(
            key, {"policy": key[0], "model": key[1], "outcome": key[2], "alerts": 0, "right": 0, "wrong": 0}
        )
        line["alerts"] = int(str(line["alerts"])) + 1
        name = {"SCAM": "right", "LAUNDERING": "right", "LEGITIMATE": "wrong"}.get(row["kind"] or "")
        if name:
            line[name] = int(str(line[name])) + 1
    return sorted(found.values(), key=lambda line: (str(line["policy"]), str(line["outcome"])))


def deciding(store: Store, column: str) -> list[tuple[str, int, float]]:
    """Say how long people took: decision, how often, and the median from its first alert on, microseconds.

    `column` of `alerts` is when time begins: `received_us`, or `at_us` for simulated days.
    """
    rows = store.rows(
        f"""
        SELECT a.kind, a.at_us - (
          SELECT min(b.{column}) FROM alerts AS b WHERE b.account = a.account AND b.received_us <= a.upto_us
            AND b.received_us > coalesce((SELECT max(c.upto_us) FROM actions AS c
              WHERE c.account = a.account AND c.kind IN ('CONFIRM', 'DISMISS')
              AND c.state IN ('DECIDED', 'AGREED') AND c.at_us < a.at_us), -1)) AS took
        FROM actions AS a WHERE a.kind IN ('CONFIRM', 'DISMISS') AND a.state IN ('DECIDED', 'AGREED')
        ORDER BY a.at_us DESC LIMIT ?""", NEWEST,
    )  # fmt: skip
    found: dict[str, list[int]] = {}
    for row in rows:
        if row["took"] is not None:
            found.setdefault(row["kind"], []).append(row["took"])
    return [(kind, len(took), median(took)) for kind, took in sorted(found.items())]


def terms_left(store: Store, now_us: int) -> dict[str, float]:
    """Return what is left of the first term that ends, seconds, of each kind of measure in force."""
    rows = store.rows(
        "SELECT kind, min(due_us) AS due FROM measures WHERE live = 1 AND due_us IS NOT NULL GROUP BY 1"
    )
    return {row["kind"]: (row["due"] - now_us) / SECOND_US for row in rows}


def figures(desk: Desk) -> dict[str, float]:
    """Return what is told to Prometheus: name without prefix -> value; the units are in the names."""
    store = desk.store
    now = desk.clock.now(store)
    queue = totals(store, desk.clock)
    bad = store.row("SELECT count(*) AS n FROM unreadable")
    found = {
        "desk_open_cases": queue.cases,
        "desk_late_cases": queue.late,
        "desk_second_decisions_waiting": queue.pending,
        "desk_open_appeals": queue.appeals,
        "desk_escalated_cases": queue.escalated,
        "desk_lag_messages": desk.follower.lag,
        "desk_read_messages_total": desk.follower.read,
        "desk_unreadable_messages": bad["n"] if bad else 0,
        "desk_carried_messages_total": desk.carrier.carried,
        "desk_refused_messages_total": desk.carrier.refused,
        "desk_audit_lines_total": desk.audit.count,
        "desk_ready": int(desk.follower.caught_up),
        'sla_breaches{kind="cases"}': queue.late,
    }
    for kind, left in terms_left(store, now).items():
        found[f'measure_term_remaining_seconds{{kind="{kind}"}}'] = left
    for row in store.rows(
        "SELECT topic, sum(waits) AS waits, count(*) FILTER (WHERE waits = 1 AND due_us < ?) AS late, "
        "sum(wrongful_us) AS wrongful FROM aggregates GROUP BY 1", now,
    ):  # fmt: skip
        name = PLANE_OF[row["topic"]]
        found[f'desk_records_waiting{{page="{name}"}}'] = row["waits"]
        found[f'sla_breaches{{kind="{name}"}}'] = row["late"]
        if name in ("blocks", "listings"):
            found[f'wrongful_minutes_total{{kind="{name}"}}'] = row["wrongful"] / MINUTE_US
    newest = store.row("SELECT max(at_us) AS at FROM aggregates WHERE topic = ?", LISTINGS)
    if newest and newest["at"]:
        found["registry_version_age_seconds"] = (now - newest["at"]) / SECOND_US
    for row in store.rows("SELECT kind, count(*) AS n FROM facts WHERE topic = 'dead_letters' GROUP BY 1"):
        found[f'dead_letters{{code="{row["kind"]}"}}'] = row["n"]
    for row in store.rows("SELECT kind, count(*) AS n FROM actions GROUP BY 1"):
        found[f'desk_actions{{kind="{row["kind"]}"}}'] = row["n"]
    return found
