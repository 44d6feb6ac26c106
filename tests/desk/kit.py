"""What the tests of the desk share: alerts of their own, a broker, a desk on it."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from desk.follower import Follower
from desk.projections.projection import Ground
from desk.projections.table import TABLES
from desk.store import Store
from desk.terms import SERVICE_US
from measures.law.country_file import SHIPPED
from pipelines import policy
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin, open_producer
from schemas import topics
from schemas.alert import Alert, Reason
from schemas.ids import derived_id, derived_token
from schemas.measure import Notice
from schemas.units import HOUR_US
from tests.desk import postgresql

T0 = 1_760_000_400_000_000

TOPICS = (
    topics.ALERTS, topics.WARNINGS, topics.MEASURES, topics.TRACES, topics.REFUNDS, topics.FEEDBACK,
    topics.ALARMS, topics.DEAD_LETTERS, topics.ACTIONS, topics.ACCOUNTS, topics.PAYMENTS,
    topics.REPORTS, topics.CASEWORK, *topics.CASEWORK_STATES, topics.CASES, topics.CONTACTS,
)  # fmt: skip

NOTICE = Notice(
    reason_code="PAYEE_SUSPECT", reason="A payment matches a pattern of scams.", legal_basis="art. 18",
    remedy_channel="Object to us.", documents_needed=("identity document",), language="en",
)  # fmt: skip


def token(name: str) -> str:
    return derived_token("test", name)


def alert(number: int, account: str = "mule", **changed: Any) -> Alert:
    """Return an alert about an account, a minute after the one before."""
    at = T0 + number * 60_000_000
    made = Alert(
        alert_id=derived_id("alert", account, number), jurisdiction="CN", leg="CREDIT", outcome="HOLD",
        measure_rule="payer_delay", txn_id=f"tx-{account}-{number}", account_token=token(account),
        counterparty_token=token(f"payer-{number}"), party_token=token(f"party-{number}"),
        amount_minor=1_000_000 + number, currency="CNY", at_us=at, score=0.9,
        reasons=(Reason(code="PAYEE_NEW", contribution=2.5, text="收款账户于3天前才开立。"),),
        notice=NOTICE, notices=(NOTICE,), policy="1-test", model="m", partition=0,
        offset=number, received_us=at,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changed)


def create_topics(settings: KafkaSettings, partitions: int = 2) -> None:
    with closing(open_admin(settings)) as admin:
        admin.create_topics([NewTopic(name, partitions) for name in TOPICS])


def send(settings: KafkaSettings, topic: str, values: Iterable[Any], key: str = "k") -> None:
    producer = open_producer(settings)
    for value in values:
        own = getattr(value, "account_token", None) or key
        encoded = value if isinstance(value, bytes) else msgspec.json.encode(value)
        producer.send(topic, own.encode(), encoded, (), T0)
    producer.flush()


def ground() -> Ground:
    return Ground(SHIPPED, policy.load())


#: Desks that the running test has opened; its end closes them.
OPENED: list[Follower] = []


#: The server that stores stand on while it is set; files are used otherwise.
SERVER: postgresql.Cluster | None = None


def address(folder: Path) -> str:
    """Return the address of the database of a desk's folder; "" is the folder itself."""
    return SERVER.database_of(folder) if SERVER else ""


def place(folder: Path) -> Path | str:
    """Return where the store of a desk's folder stands."""
    return address(folder) or folder / "desk.db"


def forget(folder: Path) -> None:
    """Delete the store of a folder."""
    if SERVER:
        SERVER.forget(folder)
    else:
        for each in folder.glob("desk.db*"):
            each.unlink()


def follower(settings: KafkaSettings, folder: Path, at: str = "") -> Follower:
    """Return what follows the topics into the store of a folder, or at an address."""
    made = Follower(Store(at or place(folder), TABLES), settings, ground())
    OPENED.append(made)
    return made


def close_all() -> None:
    """Close what tests have opened by `follower`."""
    while OPENED:
        one = OPENED.pop()
        one.close()
        one.store.close()


def dump(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Return what the store knows, without what depends on the order of reading."""
    tables = {
        "alerts": "SELECT * FROM alerts ORDER BY alert_id",
        "aggregates": "SELECT topic, id, version, name, state, waits, due_us, record FROM aggregates "
        "ORDER BY topic, id",
        "names": "SELECT * FROM names ORDER BY topic, id, name",
        "facts": "SELECT * FROM facts ORDER BY topic, id",
        "measures": "SELECT * FROM measures ORDER BY measure_id",
        "journal": "SELECT * FROM journal ORDER BY account, version, type",
        "actions": "SELECT * FROM actions ORDER BY action_id",
        "cases": "SELECT * FROM cases ORDER BY account",
    }
    return {
        name: [
            tuple(row[each] for each in tuple(row.keys()) if each not in ("seq", "changed"))
            for row in store.rows(query)
        ]
        for name, query in tables.items()
    }


def reference(rows: list[dict[str, object]], now: int) -> list[str]:
    """Order the queue in the plain way."""

    def priority(case: dict[str, object]) -> float:
        risk = float(case["expected"])  # type: ignore[arg-type]
        due = case["law_due_us"]
        if case["live"] and due is not None and due > now + HOUR_US:  # type: ignore[operator]
            risk /= (due - now) / HOUR_US  # type: ignore[operator]
        waited = (now - case["since_at_us"]) / SERVICE_US[case["outcome"]]  # type: ignore[operator,index]
        return risk * (1 + min(max(waited, 0), 2))

    ordered = sorted(rows, key=lambda case: (-priority(case), case["since_at_us"], case["case_id"]))
    return [str(case["case_id"]) for case in ordered]
