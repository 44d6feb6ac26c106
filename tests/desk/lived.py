"""One scam of a simulated world, lived through with the real jobs: its people, its banks, its police."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from joserfc.jwk import OKPKey

from console.lab import watching
from console.lab.casework import LAW, police_key
from console.lab.feeds import PARTITIONS, commit_at_end, send_at_rate
from console.lab.showing import AS_OF_TODAY
from fixtures.bank import account_messages
from fixtures.stream import clues
from fixtures.world import World, lately, simulate
from measures.authority.keys import write_keys
from measures.authority.signing import sign
from models import SHIPPED
from pipelines import policy
from pipelines.jobs import main
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, open_producer
from pipelines.kafka.preflight import require_topics
from pipelines.kafka.reading import process
from pipelines.received import wall_clock_us
from schemas import topics
from schemas.alert import Alert, payer_of
from schemas.commands import AccountMessage, InstitutionCommand, PlaceHold
from schemas.feedback import Feedback
from schemas.ids import derived_id
from schemas.order import Order
from schemas.units import DAY_US
from schemas.warning import Act, Warning

#: Of this world's last day a victim of false police pays 99,000 and 55,000 to one account while the screen is
#: shared; from there it goes on to a second account and a third.
SEED, DAYS, ACCOUNTS = 203, 22, 2_000

FLAGS = ("--policy_file", str(policy.named()), "--language", "en")

_ENCODE = msgspec.json.encode


class Scam:
    """A case of a world: its payments and clues in order of time, and what was before."""

    def __init__(self, world: World) -> None:
        found = _case(world)
        at, case = world.payments["accepted_at_us"], pc.equal(world.truth["case_id"], found)
        self.rows = world.payments.filter(case)
        self.payments: list[dict[str, Any]] = self.rows.to_pylist()
        self.history = world.payments.filter(pc.less(at, self.payments[0]["accepted_at_us"]))
        party = pc.equal(world.clues["party"], self.payments[0]["debtor"])
        near = pc.greater(world.clues["at_us"], self.payments[0]["accepted_at_us"] - DAY_US // 24)
        self.clues = list(clues(world.clues.filter(pc.and_(party, near))))


def _case(world: World) -> str:
    """Return the case of the last day's largest payment of a victim that went on over two more accounts."""
    late = pc.greater(world.payments["accepted_at_us"], world.payments["accepted_at_us"][-1].as_py() - DAY_US)
    deep = set(world.truth.filter(pc.and_(late, pc.equal(world.truth["hop"], 2)))["case_id"].to_pylist())
    paid = pc.and_(late, world.truth["scam"])
    rows = zip(
        world.payments.filter(paid)["amount_minor"].to_pylist(),
        world.truth.filter(paid)["case_id"].to_pylist(),
        strict=True,
    )
    return max(row for row in rows if row[1] in deep)[1]


class Outside:
    """Everybody outside: operator, payment system, banks, police. All of it goes to the broker."""

    def __init__(self, kafka: KafkaSettings, scam: Scam, key: OKPKey, job: watching.Job) -> None:
        self.scam, self.kafka = scam, kafka
        self._key, self._job, self._producer = key, job, open_producer(kafka)
        self._paid = scam.history.num_rows
        self._told: dict[str, int] = {}
        self._upto_us = 0

    def send(self, topic: str, key: str, value: bytes) -> None:
        self._producer.send(topic, key.encode(), value, (), wall_clock_us())
        self._producer.flush()

    def call(self) -> None:
        """Tell the victim's clues, the way an operator does; the caller's number is listed."""
        for clue in self.scam.clues:
            if clue.active:
                self.send(topics.CLUES, clue.party, _ENCODE(msgspec.structs.replace(clue, grade=3)))

    def pay(self, upto: int) -> None:
        """Accept payments of the case up to this one, and wait until they are decided."""
        before = self._paid - self.scam.history.num_rows
        send_at_rate(self.kafka, self.scam.rows.slice(before, upto - before))
        self._paid = self.scam.history.num_rows + upto
        self._upto_us = self.scam.payments[upto - 1]["accepted_at_us"]
        self._job.wait_for(upto, "decided")

    def state(self, accounts: Collection[str], not_booked: Collection[str] = ()) -> None:
        """Say what banks know of these accounts by now, and what was booked on them."""
        payments = pa.concat_tables([self.scam.history, self.scam.rows])
        for account in accounts:
            since = self._told.get(account, 0)
            at = payments["accepted_at_us"]
            new = payments.filter(pc.and_(pc.greater(at, since), pc.less_equal(at, self._upto_us)))
            stated = {account} if since else ()
            for said in account_messages(new, {account}, LAW, stated=stated, not_booked=not_booked):
                self.send(topics.ACCOUNTS, said.token, said.value)
            self._told[account] = self._upto_us

    def answer(self, warning: Warning, act: Act) -> None:
        """Say what the warned party chose at the button."""
        told = Feedback(
            feedback_id=derived_id("feedback", warning.warning_id, act), txn_id=warning.txn_id,
            kind="DIALOGUE", verdict="UNKNOWN", known_at_us=self._upto_us, cause_id=warning.warning_id,
            debtor=warning.party_token, act=act,
        )  # fmt: skip
        self.send(topics.FEEDBACK, warning.txn_id, _ENCODE(told))

    def command(self, account: str, command: InstitutionCommand) -> None:
        message = AccountMessage(account_token=account, jurisdiction=LAW, command=command)
        self.send(topics.ACCOUNTS, account, _ENCODE(message))

    def hold(self, alert: Alert) -> None:
        """Hold what an alert asks for, under the rule it names."""
        at = payer_of(alert) if alert.notices[0].party == "PAYER" else alert.account_token
        held = PlaceHold(
            decision_id=alert.alert_id, rule=alert.measure_rule, reason_code=alert.notices[0].reason_code,
            amount_minor=alert.amount_minor, txn_id=alert.txn_id, received_at_us=alert.at_us,
        )  # fmt: skip
        self.command(at, held)

    def order(self, paper: str | bytes) -> Order:
        """Sign a paper as police and send it."""
        order = msgspec.json.decode(paper, type=Order)
        self.send(topics.ORDERS, order.target.account_token, sign(order, self._key, "key-1"))
        return order


@contextmanager
def living(folder: Path) -> Iterator[Outside]:
    """Start broker and jobs the way `stopline demo` does, and let the world's past go by."""
    with EmbeddedBroker() as broker, ExitStack() as stack:
        kafka = KafkaSettings(broker.address)
        require_topics(kafka, main.wanted_topics(PARTITIONS), create_topics=True)
        keys, key = folder / "keys.json", OKPKey.generate_key("Ed25519")
        write_keys(keys, [police_key(key)])
        stack.enter_context(watching.offices(kafka, FLAGS, keys, folder))
        begins = lately(DAYS, wall_clock_us())
        world = simulate(
            SEED, DAYS, ACCOUNTS, begins, scam_rate=0.005, scam_types=["police"], clues=1.0
        ).paid_in("CNY")
        scam = Scam(world)
        send_at_rate(kafka, scam.history)
        commit_at_end(kafka)
        job = stack.enter_context(watching.running(kafka, SHIPPED, (*FLAGS, *AS_OF_TODAY)))
        job.wait_for(scam.history.num_rows, "observed")
        yield Outside(kafka, scam, key, job)
        stack.close()
        process.close_connections()
