"""How long people took, from what the store holds."""

from contextlib import closing
from itertools import count
from pathlib import Path

from desk.measuring import deciding, terms_left
from desk.sql import Connection, insert
from desk.store import Store
from schemas.units import MINUTE_US
from tests.desk import kit

SEQ = count(1)


def alert(db: Connection, name: str, account: str, minute: int) -> None:
    at = minute * MINUTE_US
    what = "CN", "CREDIT", 3, 1, "CNY", 1.0, 0.5, "r"
    row = (next(SEQ), name, account, "o", "p", name, *what, at, at, None, b"", "", "")
    db.execute(insert("alerts", 20), row)


def decided(db: Connection, kind: str, account: str, minutes: tuple[int, int], state: str) -> None:
    at, upto = (minute * MINUTE_US for minute in minutes)
    what = kind, state, "c", account, "", "lin"
    row = (next(SEQ), f"{account}-{at}", 0, at, *what, at, upto, "", b"", "", "", 0, "", 0.0)
    db.execute(insert("actions", 19), row)


def measure(db: Connection, name: str, kind: str, minute: int | None, *, live: bool = True) -> None:
    due = None if minute is None else minute * MINUTE_US
    what = kind, "ACTIVE", int(live)
    row = (next(SEQ), name, "mule", *what, "", "CNY", 1, 1, due, "EXPIRE", "r", 0, b"", "ACCOUNT")
    db.execute(insert("measures", 16), row)


def test_what_is_left_of_a_term_is_that_of_the_measure_that_ends_first_and_an_overdue_one_is_below_zero(
    tmp_path: Path,
) -> None:
    with closing(Store(kit.place(tmp_path), kit.TABLES)) as store:
        with store.writing() as db:
            measure(db, "a", "STOP", 90)
            measure(db, "b", "STOP", 70)
            measure(db, "c", "STOP", 5, live=False)
            measure(db, "d", "HOLD", 50)
            measure(db, "e", "FREEZE", None)

        assert terms_left(store, 60 * MINUTE_US) == {"STOP": 600.0, "HOLD": -600.0}


def test_time_begins_at_the_first_alert_since_the_decision_before(tmp_path: Path) -> None:
    store = Store(kit.place(tmp_path), kit.TABLES)
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
