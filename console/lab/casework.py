"""Reported scams of a simulated world become stop orders at its banks."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from joserfc.jwk import OKPKey

from console.lab.brokers import topic_values
from fixtures.bank import account_messages, name_token
from fixtures.world import World
from measures.authority.keys import KeyEntry, public_entry
from measures.authority.signing import sign
from pipelines.jobs.lifecycle import replay
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin, open_producer
from pipelines.kafka.reading import process
from pipelines.lifecycle.settings import LifecycleSettings
from schemas import topics
from schemas.ids import derived_id, derived_token
from schemas.journal import JournalEntry, MeasureChanged, Reported
from schemas.measure import Notice
from schemas.order import Action, Actor, MeasureKind, Officer, Order, Target, VictimTransfer
from schemas.units import MINUTE_US

LAW, AUTHORITY = "CN", "police-1"

#: From a victim's report to the order, minutes (domain: a report takes half an hour).
ORDER_MINUTES = 30


class Answered(NamedTuple):
    """What came of a world's orders.

    Attributes:
        told: messages of the simulated banks.
        orders: sent.
        outcomes: how many orders ended in each state, or were refused for each reason.
        accounts: under a measure.
        onward: transfers reported that led the money on.
        next_accounts: they name.
        notice: what the holder of the first account under a measure is told; None if there is none.

    """

    told: int
    orders: int
    outcomes: Counter[str]
    accounts: int
    onward: int
    next_accounts: int
    notice: Notice | None = None


def answered(world: World, language: str = "") -> Answered:
    """Let banks say what they know and police order a stop per report; run the lifecycle job over both.

    Holders speak `language`, "" for the country's own.
    """
    orders = list(_orders(world))
    private = OKPKey.generate_key("Ed25519")
    with EmbeddedBroker() as broker:
        kafka = KafkaSettings(broker.address)
        with closing(open_admin(kafka)) as admin:
            names = (*topics.LIFECYCLE_READ, *topics.LIFECYCLE_WRITTEN)
            admin.create_topics([NewTopic(name, 2) for name in names])
        told = _send(kafka, world, orders, private, language)
        journal = _run(kafka, private)
        process.close_connections()
    return _counted(told, orders, journal)


def _orders(world: World) -> Iterator[Order]:
    """Yield a stop per reported transfer of a victim, in order of the report."""
    truth = world.truth
    reported = pc.and_(truth["scam"], pc.greater_equal(truth["report_us"], 0))
    rows = world.payments.filter(reported).to_pylist()
    known = truth.filter(reported).to_pylist()
    for row, about in sorted(zip(rows, known, strict=True), key=lambda each: each[1]["report_us"]):
        yield stop_order(row, about)


def stop_order(row: dict[str, Any], about: dict[str, Any]) -> Order:
    """Return the order that police give of one reported transfer, a row of a world and of its truth."""
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
        officers=tuple(
            Officer(role=role, officer_token=derived_token("officer", role)) for role in ("HANDLER", "ASSIST")
        ),
    )


def _send(kafka: KafkaSettings, world: World, orders: list[Order], private: OKPKey, language: str) -> int:
    """Send what banks and police write, under the time they wrote it; returns how many messages of banks."""
    payments: pa.Table = world.payments
    paid = {order.target.account_token for order in orders}
    producer, told = open_producer(kafka), 0
    for said in account_messages(payments, paid, LAW, language=language):
        producer.send(topics.ACCOUNTS, said.token.encode(), said.value, (), said.at_us)
        told += 1
    for order in orders:
        key, value = order.target.account_token.encode(), sign(order, private, "key-1")
        producer.send(topics.ORDERS, key, value, (), order.issued_at_us)
    producer.flush()
    return told


def police_key(private: OKPKey) -> KeyEntry:
    """Describe the key of simulated police, good for worlds of these years."""
    return public_entry(
        private,
        authority_id=AUTHORITY,
        key_id="key-1",
        actor=Actor.POLICE,
        country=LAW,
        good_from="2020-01-01T00:00:00+00:00",
        good_until=f"{time.gmtime().tm_year + 1}-01-01T00:00:00+00:00",
    )


def _run(kafka: KafkaSettings, private: OKPKey) -> list[JournalEntry]:
    """Run the lifecycle job over what was sent; returns its journal."""
    replay(LifecycleSettings(kafka, (police_key(private),)))
    return [*map(msgspec.json.Decoder(JournalEntry).decode, topic_values(kafka, topics.MEASURES))]


def _counted(told: int, orders: list[Order], journal: list[JournalEntry]) -> Answered:
    answers = {reply.order_no: reply for entry in journal for reply in entry.replies}
    began = [
        event.measure
        for entry in journal
        for event in entry.events
        if isinstance(event, MeasureChanged) and event.was is None
    ]
    onward = [event.flow for entry in journal for event in entry.events if isinstance(event, Reported)]
    outcomes = Counter(
        answers[order.order_no].state or str(answers[order.order_no].why or answers[order.order_no].code)
        for order in orders
        if order.order_no in answers
    )
    return Answered(
        told,
        len(orders),
        outcomes,
        accounts=len({each.account_token for each in began}),
        onward=len(onward),
        next_accounts=len({flow.counterparty_token for flow in onward}),
        notice=next((each.notice for each in began if each.notice), None),
    )
