"""`stopline lifecycle demo`: reported scams of a simulated world become stop orders at its banks."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Annotated, Any

import apache_beam as beam
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import typer
from joserfc.jwk import OKPKey
from rich.console import Console
from rich.table import Table

from console.lab.recorded import topic_values
from fixtures.bank import account_messages, name_token
from fixtures.world import World, simulate
from measures.authority.keys import public_entry
from measures.authority.signing import sign
from pipelines.in_process import runner
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin, open_producer
from pipelines.kafka.reading import process
from pipelines.kafka.reading.bounded import ReadChunksBounded
from pipelines.lifecycle.job import build, write
from pipelines.lifecycle.settings import LifecycleSettings, no_clock
from schemas import topics
from schemas.ids import derived_id
from schemas.journal import JournalEntry, MeasureChanged, Reported
from schemas.order import Action, Actor, MeasureKind, Officer, Order, Target, VictimTransfer

LAW, AUTHORITY = "CN", "police-1"

#: From a victim's report to the order, minutes (domain: a report takes half an hour).
ORDER_MINUTES = 30
MINUTE_US = 60_000_000


def demo(
    *,
    seed: Annotated[int, typer.Option(help="Seed of the world.", min=0)] = 2,
    days: Annotated[int, typer.Option(help="Days to simulate.", min=1)] = 3,
    accounts: Annotated[int, typer.Option(help="Accounts to simulate.")] = 2_000,
) -> None:
    """Watch orders being carried out: victims report, police order, simulated banks stop.

    The banks write what they know of the accounts that victims paid to topic `accounts`; orders are signed
    and come half an hour after each report; the job runs over both, on an embedded Kafka broker.

    Example: stopline lifecycle demo --seed 3
    """
    console = Console()
    world = simulate(seed=seed, days=days, accounts=accounts, scam_rate=0.005)
    orders = list(_orders(world))
    private = OKPKey.generate_key("Ed25519")
    with EmbeddedBroker() as broker:
        kafka = KafkaSettings(broker.address)
        with closing(open_admin(kafka)) as admin:
            names = (*topics.LIFECYCLE_READ, *topics.LIFECYCLE_WRITTEN)
            admin.create_topics([NewTopic(name, 2) for name in names])
        told = _send(kafka, world, orders, private)
        journal = _run(kafka, private)
        process.close_connections()
    console.print(f"{told:,} account messages of simulated banks, {len(orders):,} stop orders")
    console.print(_table(orders, journal))


def _orders(world: World) -> Iterator[Order]:
    """Yield a stop per reported transfer of a victim, in order of the report."""
    truth = world.truth
    reported = pc.and_(truth["scam"], pc.greater_equal(truth["report_us"], 0))
    rows = world.payments.filter(reported).to_pylist()
    known = truth.filter(reported).to_pylist()
    for row, about in sorted(zip(rows, known, strict=True), key=lambda each: each[1]["report_us"]):
        yield _order(row, about)


def _order(row: dict[str, Any], about: dict[str, Any]) -> Order:
    account = row["creditor_account"]
    number = derived_id("stop", row["txn_id"])
    return Order(
        authority_id=AUTHORITY,
        order_no=number,
        sender_id=AUTHORITY,
        message_serial=number,
        jurisdiction=LAW,
        kind=MeasureKind.STOP,
        action=Action.ISSUE,
        issued_at_us=about["report_us"] + ORDER_MINUTES * MINUTE_US,
        target=Target(
            account_token=account, institution_id=row["creditor_agent"], name_token=name_token(account)
        ),
        case_no=about["case_id"],
        case_family=about["case_id"],
        reason=about["scam_type"],
        victim_transfer=VictimTransfer(
            account_token=row["debtor_account"],
            amount_minor=row["amount_minor"],
            currency=row["currency"],
            transferred_at_us=row["accepted_at_us"],
            txn_id=row["txn_id"],
        ),
        officers=tuple(Officer(role=role, officer_token=role.lower()) for role in ("HANDLER", "ASSIST")),
    )


def _send(kafka: KafkaSettings, world: World, orders: list[Order], private: OKPKey) -> int:
    """Send what banks and police write, under the time they wrote it; returns how many messages of banks."""
    payments: pa.Table = world.payments
    paid = {order.target.account_token for order in orders}
    producer, told = open_producer(kafka), 0
    for said in account_messages(payments, paid, LAW):
        producer.send(topics.ACCOUNTS, said.token.encode(), said.value, (), said.at_us)
        told += 1
    for order in orders:
        key, value = order.target.account_token.encode(), sign(order, private, "key-1")
        producer.send(topics.ORDERS, key, value, (), order.issued_at_us)
    producer.flush()
    return told


def _run(kafka: KafkaSettings, private: OKPKey) -> list[JournalEntry]:
    """Run the lifecycle job over what was sent; returns its journal."""
    year = time.gmtime().tm_year + 1
    key = public_entry(
        private,
        authority_id=AUTHORITY,
        key_id="key-1",
        actor=Actor.POLICE,
        country=LAW,
        good_from="2020-01-01T00:00:00+00:00",
        good_until=f"{year}-01-01T00:00:00+00:00",
    )
    settings = LifecycleSettings(kafka, (key,), clock=no_clock)
    with beam.Pipeline(runner=runner.in_process()) as pipeline:
        read = ReadChunksBounded(kafka, *topics.LIFECYCLE_READ)
        write(build(pipeline | "Read" >> read, settings), settings)
    return [*map(msgspec.json.Decoder(JournalEntry).decode, topic_values(kafka, topics.MEASURES))]


def _table(orders: list[Order], journal: list[JournalEntry]) -> Table:
    answers = {reply.order_no: reply for entry in journal for reply in entry.replies}
    began = [
        event.measure
        for entry in journal
        for event in entry.events
        if isinstance(event, MeasureChanged) and event.was is None
    ]
    onward = [event.flow for entry in journal for event in entry.events if isinstance(event, Reported)]
    outcome = Counter(
        answers[order.order_no].state or str(answers[order.order_no].why or answers[order.order_no].code)
        for order in orders
        if order.order_no in answers
    )
    table = Table("what came of the orders", "number", title="Stop orders", title_justify="left")
    for name, count in outcome.most_common():
        table.add_row(name, f"{count:,}")
    table.add_row("unanswered", f"{len(orders) - outcome.total():,}", end_section=True)
    table.add_row("measures in force on", f"{len({each.account_token for each in began}):,} accounts")
    table.add_row("onward transfers reported", f"{len(onward):,}")
    table.add_row("next accounts named", f"{len({flow.counterparty_token for flow in onward}):,}")
    return table
