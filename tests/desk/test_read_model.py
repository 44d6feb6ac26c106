"""The read model holds what is on the topics, once, with its positions, and can be rebuilt at any time."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from desk import queue
from desk.case_file import case_file
from desk.cases import case_id_of
from desk.clock import DeskClock
from desk.listing import lines
from desk.sql import insert
from desk.store import Store
from desk.terms import SERVICE_US
from pipelines.kafka.port import KafkaSettings
from pipelines.policy import OUTCOMES
from schemas import topics
from schemas.commands import PlaceHold, Tick
from schemas.dead_letter import dead_letter
from schemas.feedback import Feedback
from schemas.order import Direction
from schemas.trace import Trace, trace_id
from schemas.units import HOUR_US, MINUTE_US
from tests.desk import kit, story


def stream(accounts: int, each: int) -> list[object]:
    return [kit.alert(n, f"mule-{a}") for a in range(accounts) for n in range(each)]


def test_alerts_of_one_account_are_one_case_and_come_once(kafka: KafkaSettings, tmp_path: Path) -> None:
    alerts = [kit.alert(0), kit.alert(1), kit.alert(0, "other")]
    kit.send(kafka, topics.ALERTS, [*alerts, *alerts])
    follower = kit.follower(kafka, tmp_path)

    follower.catch_up()

    rows = follower.store.rows("SELECT * FROM cases ORDER BY open_alerts")
    assert [(row["open_alerts"], row["amount_minor"]) for row in rows] == [(1, 1_000_000), (2, 2_000_001)]
    assert rows[1]["case_id"] == case_id_of(kit.token("mule"))
    assert rows[1]["law_due_us"] == kit.T0 + 24 * HOUR_US


def test_what_cannot_be_read_is_told_with_its_place_and_stops_nothing(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    kit.send(kafka, topics.ALERTS, [b"no json", b"{}", kit.alert(0)], key=kit.token("mule"))
    follower = kit.follower(kafka, tmp_path)

    follower.catch_up()

    bad = follower.store.rows("SELECT topic, message_offset, why FROM unreadable ORDER BY message_offset")
    assert [(row["topic"], row["message_offset"]) for row in bad] == [("alerts", 0), ("alerts", 1)]
    assert "alert_id" in bad[1]["why"]
    assert len(follower.store.rows("SELECT * FROM alerts")) == 1


def test_a_store_that_is_deleted_becomes_what_it_was(kafka: KafkaSettings, tmp_path: Path) -> None:
    trace = Trace(
        trace_id=trace_id("F", "tx-1"), jurisdiction="CN", case_family="F", hop=1, txn_id="tx-1",
        debtor_account=kit.token("mule-0"), creditor_account=kit.token("mule-9"), amount_minor=5,
        transferred_minor=9, currency="CNY", at_us=kit.T0, followed=True,
    )  # fmt: skip
    label = Feedback(feedback_id="f1", txn_id="tx-mule-0-0", kind="LABEL", verdict="SCAM", known_at_us=kit.T0)
    letter = dead_letter(
        "payments", 0, 7, timestamp_us=kit.T0, stage="Decode", error_code="NOT_JSON", message="x", value=b"x"
    )
    kit.send(kafka, topics.ALERTS, stream(20, 3))
    kit.send(kafka, topics.TRACES, [trace])
    kit.send(kafka, topics.FEEDBACK, [label])
    kit.send(kafka, topics.DEAD_LETTERS, [letter])
    first = kit.follower(kafka, tmp_path / "a")
    first.catch_up()
    kit.send(kafka, topics.ALERTS, stream(5, 5))  # 15 of them again
    while first.step():
        pass
    time.sleep(0.3)
    first.step()
    again = kit.follower(kafka, tmp_path / "b")

    again.catch_up()

    assert kit.dump(first.store) == kit.dump(again.store)
    assert len(kit.dump(again.store)["facts"]) == 3
    assert first.store.epoch != again.store.epoch


def test_what_was_chosen_at_the_button_is_on_the_case_even_if_no_ladder_had_begun(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    chosen = Feedback(
        feedback_id="f1", txn_id="tx-mule-0", kind="DIALOGUE", verdict="UNKNOWN", act="CONTINUE",
        known_at_us=kit.T0, cause_id="w1", debtor=kit.token("payer"),
    )  # fmt: skip
    kit.send(kafka, topics.ALERTS, [kit.alert(0)])
    kit.send(kafka, topics.FEEDBACK, [chosen])
    follower = kit.follower(kafka, tmp_path)

    follower.catch_up()

    file = case_file(follower.store, case_id_of(kit.token("mule")), kit.T0)
    assert file is not None and [each["verdict"] for each in file.answers] == ["CONTINUED"]


def test_a_measure_that_changes_comes_again_in_its_list_even_if_it_is_the_newest(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    hold = PlaceHold(
        at_us=kit.T0 + 2 * MINUTE_US, decision_id="d", rule="payee_hold", reason_code="PAYEE_SUSPECT",
        amount_minor=7_000, case_family="x",
    )  # fmt: skip
    told = story.booking(1, Direction.CREDIT, 7_000, "p"), hold, Tick(at_us=kit.T0 + 900 * HOUR_US)
    entries = story.journal(kit.token("mule"), story.facts("mule", 9_000), *told)
    follower = kit.follower(kafka, tmp_path)
    kit.send(kafka, topics.MEASURES, entries[:-1])
    follower.catch_up()
    _, place = lines(follower.store, "measures", "", 100)

    kit.send(kafka, topics.MEASURES, entries[-1:])
    while not follower.step():
        pass

    assert lines(follower.store, "measures", place, 100)[0].count(b"\n") == 1


def indices(store: Store) -> set[str]:
    query = "SELECT indexname FROM pg_indexes WHERE schemaname = 'stopline_desk'"
    query = query if kit.SERVER else "SELECT name FROM sqlite_master WHERE type = 'index'"
    return {row[0] for row in store.rows(query)}


def test_a_store_built_of_much_is_the_one_that_grew_even_if_building_stops_in_between(
    kafka: KafkaSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit.send(kafka, topics.ALERTS, stream(40, 5))
    label = Feedback(feedback_id="f1", txn_id="tx-mule-0-0", kind="LABEL", verdict="SCAM", known_at_us=kit.T0)
    kit.send(kafka, topics.FEEDBACK, [label])
    grown = kit.follower(kafka, tmp_path / "grown")
    grown.catch_up()
    for name in ("BEHIND_ROWS", "BUILD_ROWS", "POLL_ROWS"):
        monkeypatch.setattr(f"desk.follower.{name}", 60)
    stopped = kit.follower(kafka, tmp_path / "built")
    while not stopped.step():
        time.sleep(0.01)
    was_building, had = stopped.store.building, indices(stopped.store)
    stopped.close()
    stopped.store.close()
    built = kit.follower(kafka, tmp_path / "built")

    built.catch_up()

    assert was_building and "alerts_of_txn" not in had
    assert not built.store.building
    assert indices(built.store) == indices(grown.store)
    assert kit.dump(built.store) == kit.dump(grown.store)


def test_reading_goes_on_where_it_stood(kafka: KafkaSettings, tmp_path: Path) -> None:
    kit.send(kafka, topics.ALERTS, stream(3, 1))
    before = kit.follower(kafka, tmp_path)
    before.catch_up()
    before.store.close()
    kit.send(kafka, topics.ALERTS, [kit.alert(7, "mule-1")])
    after = kit.follower(kafka, tmp_path)

    after.catch_up()

    assert after.read == 1
    assert len(after.store.rows("SELECT * FROM alerts")) == 4


def test_tables_of_another_release_are_made_anew(tmp_path: Path) -> None:
    old = Store(kit.place(tmp_path), ("CREATE TABLE a(b TEXT)",))
    epoch = old.epoch
    old.close()

    new = Store(kit.place(tmp_path), ("CREATE TABLE a(b TEXT, c TEXT)",))

    assert new.epoch != epoch
    assert new.rows("SELECT c FROM a") == []


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = Store(kit.place(tmp_path), ("CREATE TABLE a(b TEXT)",))

    with pytest.raises(ZeroDivisionError), store.writing() as db:
        db.execute("INSERT INTO a VALUES ('x')")
        raise ZeroDivisionError

    assert store.rows("SELECT * FROM a") == []


class At(DeskClock):
    def now(self, store: Store) -> int:
        return kit.T0 + 5 * HOUR_US


def filled(tmp_path: Path, count: int) -> Store:
    """Return a store with so many open cases."""
    rng = random.Random(7)
    store = Store(kit.place(tmp_path), kit.TABLES)
    rows = []
    for n in range(count):
        amount, score = rng.randrange(100, 10**8), rng.random()
        since = kit.T0 + rng.randrange(10 * HOUR_US)
        due = rng.choice([None, kit.T0 + rng.randrange(48 * HOUR_US)])
        outcome = rng.randrange(2, len(OUTCOMES))
        rows.append(
            (
                kit.token(f"a{n}"), f"case_{n:06}", "CN", 1, 1, 1, 1, outcome,
                "CREDIT", "payer_delay", amount, "CNY", float(amount), amount * score, since, since, since,
                due, "RULE.payer_delay", rng.randrange(2), 0, 0, 0, 0, "",
                SERVICE_US[outcome], "", n,
            )
        )  # fmt: skip
    with store.writing() as db:
        db.executemany(insert("cases", 28), rows)
    return store


def test_the_queue_is_in_the_order_of_the_reference(tmp_path: Path) -> None:
    store = filled(tmp_path, 2_000)
    clock = At("stream")
    expected = kit.reference([dict(row) for row in store.rows("SELECT * FROM cases")], clock.now(store))

    found = queue.rows(store, clock, limit=2_000)

    assert [row.case_id for row in found] == expected
    assert [row.case_id for row in queue.rows(store, clock, limit=10, skip=20)] == expected[20:30]


def test_the_queue_and_its_sums_follow_what_changes(tmp_path: Path) -> None:
    store = filled(tmp_path, 200)
    clock = At("stream")
    first = queue.rows(store, clock, limit=2)
    whole = queue.totals(store, clock)
    with store.writing() as db:
        db.execute("UPDATE cases SET open = 0, changed = 1000 WHERE case_id = ?", (first[0].case_id,))

    assert queue.rows(store, clock, limit=1)[0].case_id == first[1].case_id
    assert queue.totals(store, clock).cases == whole.cases - 1 == 199
    assert queue.totals(store, clock).sums == (("CNY", whole.sums[0][1] - first[0].amount_minor),)
    assert queue.rows(store, clock, only="appeals") == []


@pytest.mark.slow
def test_a_page_of_a_queue_of_100_000_open_cases_takes_at_most_200_ms(tmp_path: Path) -> None:
    store = filled(tmp_path, 100_000)
    clock = At("stream")
    took = []
    for _ in range(7):
        began = time.perf_counter()
        queue.rows(store, clock)
        queue.totals(store, clock)
        took.append(time.perf_counter() - began)

    print("ms:", [round(each * 1000) for each in took])
    assert min(took) < 0.2


KILLED = """
import sys
from pathlib import Path
from pipelines.kafka.port import KafkaSettings
from tests.desk import kit
follower = kit.follower(KafkaSettings(sys.argv[1]), Path(), sys.argv[2])
print("reading", flush=True)
while True:
    follower.step()
"""


@pytest.mark.slow
def test_a_reader_killed_in_the_middle_lacks_and_doubles_nothing(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    kit.send(kafka, topics.ALERTS, stream(3_000, 5))
    for attempt in range(5):
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, kafka.brokers, str(kit.place(tmp_path / "killed"))],
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.1 + attempt * 0.15)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    survivor = kit.follower(kafka, tmp_path / "killed")
    survivor.catch_up()
    whole = kit.follower(kafka, tmp_path / "whole")
    whole.catch_up()

    assert kit.dump(survivor.store) == kit.dump(whole.store)
    assert len(kit.dump(whole.store)["alerts"]) == 15_000
