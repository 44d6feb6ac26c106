"""A demo's banks and police: what alerts ask for is held, police order a stop of what is reported."""

from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import closing

import msgspec
import pyarrow.compute as pc
import pytest
from joserfc.jwk import OKPKey

from console.lab.acting import Acting
from console.lab.brokers import topic_values
from console.lab.casework import LAW, police_key
from fixtures.world import START_US, lately, simulate
from pipelines.jobs.lifecycle import replay
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin
from pipelines.kafka.reading import process
from pipelines.lifecycle.settings import LifecycleSettings
from schemas import topics
from schemas.journal import JournalEntry, MeasureChanged
from schemas.order import MeasureKind, Order
from schemas.report import Report
from schemas.units import DAY_US
from tests.desk.kit import NOTICE, alert

WEEK_US = 7 * DAY_US


@pytest.fixture
def kafka() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as broker:
        yield KafkaSettings(broker.address)
        process.close_connections()


def test_what_alerts_ask_for_is_held_where_it_is_and_what_is_reported_is_ordered_stopped(
    kafka: KafkaSettings,
) -> None:
    world = simulate(seed=3, days=4, accounts=600, scam_rate=0.01)
    truth = world.truth.filter(pc.and_(world.truth["scam"], pc.greater(world.truth["report_us"], 0)))
    reported = set(truth["txn_id"].to_pylist())
    first, *_, last = [row for row in world.payments.to_pylist() if row["txn_id"] in reported]
    about = {"amount_minor": first["amount_minor"], "txn_id": first["txn_id"]}
    payee, payer = first["creditor_account"], first["debtor_account"]
    on_its_way = alert(
        1, at_us=first["accepted_at_us"], account_token=payee, counterparty_token=payer, **about,
        notices=(msgspec.structs.replace(NOTICE, reason_code="SCAM_SUSPECTED", party="PAYER"),),
    )  # fmt: skip
    on_account = alert(
        2, leg="DEBIT", outcome="STOP", measure_rule="payee_hold", txn_id=last["txn_id"],
        at_us=max(truth["report_us"].to_pylist()) + DAY_US, account_token=last["debtor_account"],
        notices=(msgspec.structs.replace(NOTICE, party="HOLDER"),),
    )  # fmt: skip
    with closing(open_admin(kafka)) as admin:
        names = {*topics.LIFECYCLE_READ, *topics.LIFECYCLE_WRITTEN, topics.REPORTS}
        admin.create_topics([NewTopic(name, 2) for name in names])
    private = OKPKey.generate_key("Ed25519")
    acting = Acting(kafka, world, LAW, private)

    acting.hear([on_its_way])
    acting.hear([on_account])
    replay(LifecycleSettings(kafka, (police_key(private),)))

    journal = [
        msgspec.json.decode(value, type=JournalEntry) for value in topic_values(kafka, topics.MEASURES)
    ]
    assert len(topic_values(kafka, topics.ACCOUNTS)) == acting.told
    begun = [event.measure for entry in journal for event in entry.events
             if isinstance(event, MeasureChanged) and event.was is None]  # fmt: skip
    holds = {each.rule: each for each in begun if each.kind is MeasureKind.HOLD}
    assert holds["payer_delay"].account_token == payer
    assert holds["payer_delay"].txn_ids == (first["txn_id"],)
    assert holds["payee_hold"].account_token == last["debtor_account"]
    reports = [msgspec.json.decode(value, type=Report) for value in topic_values(kafka, topics.REPORTS)]
    held = {first["txn_id"], last["txn_id"]}
    assert len(reports) == acting.reported == len(reported - held)
    orders = topic_values(kafka, topics.ORDERS)
    ordered = {_order(value).target.account_token for value in orders}
    assert len(orders) == len(reports)
    assert ordered == {each.entities[0].value for each in reports}


def _order(value: bytes) -> Order:
    payload = value.split(b".")[1]
    return msgspec.json.decode(urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)), type=Order)


def test_a_world_that_is_over_by_now_keeps_the_rhythm_of_its_week() -> None:
    now = START_US + 61 * WEEK_US + 3 * DAY_US

    begins = lately(24, now)

    assert (begins - START_US) % WEEK_US == 0 and now - WEEK_US < begins + 24 * DAY_US <= now
