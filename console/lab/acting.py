"""A world's banks and police while it goes by: they do what alerts ask for, and victims report."""

import time
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from joserfc.jwk import OKPKey

from console.lab.casework import LAW, ORDER_MINUTES, stop_order
from fixtures.bank import account_messages
from fixtures.world import World
from measures.authority.signing import sign
from pipelines.kafka.port import KafkaSettings, open_producer
from schemas import topics
from schemas.alert import Alert, payer_of
from schemas.commands import AccountMessage, PlaceHold
from schemas.ids import derived_id
from schemas.report import Entity, Report
from schemas.units import MINUTE_US

_ENCODE = msgspec.json.encode

#: Kinds of holds; what authorities ordered is carried out without a bank's own decision.
_ORDERED = ("stop", "freeze")


class Acting:
    """What banks write to `accounts` and `reports`, and police to `orders`, of a world up to an instant.

    A bank states the accounts that alerts and reports name, with their bookings, and holds by the rule that
    an alert names. A victim's bank reports what was paid; police, whose private key is `key`, order a stop
    half an hour later (China). `told` counts messages for `accounts`, `reported` reports.
    """

    def __init__(self, settings: KafkaSettings, world: World, jurisdiction: str, key: OKPKey) -> None:
        self._producer = open_producer(settings)
        self._payments, self._law, self._key = world.payments, jurisdiction, key
        self._stated: set[str] = set()
        self._not_booked: set[str] = set()
        self._reports = _reported(world)
        self._upto_us = 0
        self.told = self.reported = 0

    def hear(self, alerts: Sequence[Alert]) -> None:
        """Act on alerts; they come about in order of their payments, whose newest says how late it is."""
        if not alerts:
            return
        before, self._upto_us = self._upto_us, max(self._upto_us, *(alert.at_us for alert in alerts))
        acted = [alert for alert in alerts if alert.measure_rule not in _ORDERED]
        self._not_booked |= {alert.txn_id for alert in acted if alert.leg == "DEBIT" or _of_payer(alert)}
        due = self._due()
        new = {_held_at(alert) for alert in acted} | {row["creditor_account"] for row, _ in due}
        self._tell(self._since(before), self._stated, self._stated)
        self._tell(self._since(0), new - self._stated, ())
        self._stated |= new
        for alert in acted:
            self._hold(alert)
        for row, about in due:
            self._report(row, about)
        self._producer.flush()

    def _since(self, begin_us: int) -> pa.Table:
        at = self._payments["accepted_at_us"]
        return self._payments.filter(pc.and_(pc.greater(at, begin_us), pc.less_equal(at, self._upto_us)))

    def _tell(self, payments: pa.Table, accounts: Collection[str], stated: Collection[str]) -> None:
        if not accounts:
            return
        for said in account_messages(
            payments, accounts, self._law, stated=stated, not_booked=self._not_booked
        ):
            self._send(topics.ACCOUNTS, said.token, said.value)

    def _hold(self, alert: Alert) -> None:
        account = _held_at(alert)
        hold = PlaceHold(
            decision_id=alert.alert_id,
            rule=alert.measure_rule,
            reason_code=alert.notices[0].reason_code,
            amount_minor=alert.amount_minor,
            txn_id=alert.txn_id,
            received_at_us=alert.at_us,
        )
        message = AccountMessage(account_token=account, jurisdiction=self._law, command=hold)
        self._send(topics.ACCOUNTS, account, _ENCODE(message))

    def _due(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Take the victims' payments that went through and are reported by now."""
        due = [
            each
            for each in self._reports
            if each[1]["report_us"] <= self._upto_us - ORDER_MINUTES * MINUTE_US
        ]
        self._reports = self._reports[len(due) :]
        return [each for each in due if each[0]["txn_id"] not in self._not_booked]

    def _report(self, row: dict[str, Any], about: dict[str, Any]) -> None:
        account = row["creditor_account"]
        report = Report(
            report_id=derived_id("report", row["txn_id"]),
            origin="BANK",
            reporter=row["debtor_agent"],
            jurisdiction=self._law,
            at_us=about["report_us"],
            information="ACCOUNT_USED",
            entities=(Entity(kind="ACCOUNT", value=account, role="MULE", institution=row["creditor_agent"]),),
        )
        self.reported += 1
        self._send(topics.REPORTS, report.report_id, _ENCODE(report))
        if self._law == LAW:
            self._send(topics.ORDERS, account, sign(stop_order(row, about), self._key, "key-1"))

    def _send(self, topic: str, key: str, value: bytes) -> None:
        self._producer.send(topic, key.encode(), value, (), time.time_ns() // 1000)
        self.told += topic == topics.ACCOUNTS


def _reported(world: World) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return victims' payments that are reported, with their truth, in order of the report."""
    chosen = pc.and_(world.truth["scam"], pc.greater_equal(world.truth["report_us"], 0))
    rows = zip(world.payments.filter(chosen).to_pylist(), world.truth.filter(chosen).to_pylist(), strict=True)
    return sorted(rows, key=lambda each: each[1]["report_us"])


def _of_payer(alert: Alert) -> bool:
    """Tell whether an alert asks for the payer's payment to be held."""
    return alert.notices[0].party == "PAYER"


def _held_at(alert: Alert) -> str:
    """Return the account that an alert's rule holds something on."""
    return payer_of(alert) if _of_payer(alert) else alert.account_token
