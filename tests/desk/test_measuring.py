"""How long people took, from what the store holds."""

import sqlite3
from pathlib import Path

from desk.measuring import deciding
from desk.store import Store
from schemas.units import MINUTE_US
from tests.desk import kit


def alert(db: sqlite3.Connection, name: str, account: str, minute: int) -> None:
    at = minute * MINUTE_US
    what = "CN", "CREDIT", 3, 1, "CNY", 1.0, 0.5, "r"
    row = (name, account, "o", "p", name, *what, at, at, None, b"", "", "")
    db.execute(f"INSERT INTO alerts VALUES ({', '.join('?' * 19)})", row)


def decided(db: sqlite3.Connection, kind: str, account: str, minutes: tuple[int, int], state: str) -> None:
    at, upto = (minute * MINUTE_US for minute in minutes)
    row = (f"{account}-{at}", 0, at, kind, state, "c", account, "", "lin", at, upto, "", b"", "", "")
    db.execute(f"INSERT INTO actions VALUES ({', '.join('?' * 15)})", row)


def test_time_begins_at_the_first_alert_since_the_decision_before(tmp_path: Path) -> None:
    store = Store(tmp_path / "desk.db", kit.TABLES)
    with store.writing() as db:
        for name, minute in (("a", 0), ("b", 5), ("c", 100)):
            alert(db, name, "mule", minute)
        decided(db, "CONFIRM", "mule", (12, 5), "DECIDED")  # 12 minutes after a
        decided(db, "CONFIRM", "mule", (104, 100), "DECIDED")  # 4 minutes after c
        alert(db, "d", "other", 10)
        decided(db, "DISMISS", "other", (20, 10), "PROPOSED")
        decided(db, "DISMISS", "other", (70, 10), "AGREED")  # an hour, whoever proposed it before

    assert deciding(store, "received_us") == [
        ("CONFIRM", 2, 8 * MINUTE_US), ("DISMISS", 1, 60 * MINUTE_US),
    ]  # fmt: skip
