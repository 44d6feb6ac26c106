"""The institution: the lifecycle worker around the real engine, and its core system that moves the money."""

from collections import Counter
from collections.abc import Callable

import msgspec

from measures import in_force
from measures.authority.signing import KeyRing
from measures.engine import intake
from measures.engine.intake import AccountState, Arrival
from measures.refusal import Refusal
from measures.state.account import next_due_us
from measures.state.register import Registered
from schemas.commands import AccountMessage, InstitutionCommand, Move, PaymentFailed, StateFacts
from schemas.journal import JournalEntry, Moved, RefundChanged
from schemas.measure import AccountFacts
from schemas.order import Direction, Flow
from tests.tokens import token_of
from tests.vopr.oracle import Oracle
from tests.vopr.world import DAY, HOUR, MINUTE, OTHER, SECOND, World

_ENTRY = msgspec.json.Decoder(JournalEntry)


class Worker:
    """What the lifecycle job does, with crashes: effect first, position next, rebuilt from the journal."""

    def __init__(self, world: World, oracle: Oracle, ring: KeyRing, calm: bool) -> None:
        self._world, self._oracle, self.ring = world, oracle, ring
        self._crash_rate = 0.0 if calm else 0.01
        self.kept: dict[str, AccountState] = {}
        self._registered: dict[str, Registered] = {}
        self._armed: dict[str, int] = {}
        self._positions = {"orders": 0, "accounts": 0}
        self._skew = 0
        self._up = True
        self.listeners: list[Callable[[bytes], None]] = []

    def arrived(self, topic: str, value: bytes) -> None:
        """Append what the network brought, and let the worker look soon."""
        self._world.append(topic, value)
        if topic == "orders":
            self._oracle.sent(value)
        self._world.later(self._world.between(1_000, 200_000), self.poll)

    def poll(self) -> None:
        """Take in everything not yet taken in."""
        for topic, log in self._world.logs.items():
            while self._up and self._positions.get(topic, len(log)) < len(log):
                self._take(topic, self._positions[topic])

    def revoke(self, ring: KeyRing) -> None:
        """Take over a list of keys in which one is missing."""
        self.ring = ring

    def settle(self) -> None:
        """Come up and take in the rest, at the end of the run."""
        self._crash_rate = 0.0
        if not self._up:
            self.restart()
        self.poll()

    def restart(self) -> None:
        """Come up with nothing but the journal and the committed positions."""
        self._up = True
        self._skew = self._world.random.randint(-2 * SECOND, 2 * SECOND)
        self.kept, self._registered, self._armed = {}, {}, {}
        for message in self._world.logs["measures"]:
            entry = _ENTRY.decode(message.value)
            self.kept[entry.account_token] = intake.recalled(self.kept.get(entry.account_token), entry)
            self._registered |= intake.registrations(entry)
        for token in self.kept:
            self._arm(token)
        self.poll()

    def _take(self, topic: str, position: int) -> None:
        value, at_us = self._world.logs[topic][position]
        signed = topic == "orders"
        read = intake.read_order(value, self.ring, at_us) if signed else intake.read_command(value, at_us)
        if isinstance(read, Refusal):
            self._oracle.dead_letter(topic, position, read)
            self._commit(topic, position)
            return
        if self._crashes():
            return
        self._effect(read, at_us)
        if not self._crashes():
            self._commit(topic, position)

    def _commit(self, topic: str, position: int) -> None:
        self._positions[topic] = position + 1

    def _effect(self, arrival: Arrival, at_us: int) -> None:
        key = arrival.register_key
        entry, arrival = intake.entered(self._registered.get(key), arrival)
        if entry is not None:
            self._registered[key] = entry
        token = arrival.account_token
        self._keep(token, intake.apply(self.kept.get(token), arrival), at_us)

    def _keep(self, token: str, applied: intake.Applied, at_us: int) -> None:
        self.kept[token] = applied.kept
        if applied.entry is not None:
            value = applied.value
            for _ in range(2 if self._world.chance(0.02) else 1):
                self._world.append("measures", value)
            self._oracle.entry(applied.entry, at_us)
            for listener in self.listeners:
                self._world.deliver(listener, value)
        self._arm(token)

    def _arm(self, token: str) -> None:
        due = next_due_us(self.kept[token].account)
        if due is None or self._armed.get(token) == due:
            return
        self._armed[token] = due
        wait = max(0, due - self._world.now)
        early = self._world.chance(0.1)
        slip = -self._world.between(SECOND, HOUR) if early else self._world.between(SECOND, 5 * MINUTE)
        self._world.later(max(0, wait + slip), self._alarm, token, due)

    def _alarm(self, token: str, due: int) -> None:
        """A timer fired: believed only if the clock agrees, like the job's."""
        if not self._up or self._armed.get(token) != due:
            return
        del self._armed[token]
        if due <= self._world.now + self._skew and not self._crashes():
            self._keep(token, intake.tick(self.kept[token], due), due)
        elif self._up:
            self._arm(token)

    def _crashes(self) -> bool:
        if self._up and self._world.chance(self._crash_rate):
            self._up = False
            self._world.later(self._world.between(SECOND, 30 * MINUTE), self.restart)
        return not self._up


class Core:
    """Accounts and money; obeys the enforcement it has heard of, pays decided refunds out."""

    def __init__(self, world: World, oracle: Oracle, worker: Worker, country: str, currency: str) -> None:
        self._world, self._oracle, self._worker = world, oracle, worker
        self._country, self._currency = country, currency
        self._balances: dict[str, int] = {}
        self._enforced: dict[str, in_force.Enforcement] = {}
        self._paid_out: set[str] = set()
        self._numbered, self._said = world.chance(0.5), Counter[str]()
        worker.listeners.append(self.hear)

    def tell(self, token: str, command: InstitutionCommand) -> None:
        """Put a command on topic `accounts`."""
        message = AccountMessage(account_token=token, jurisdiction=self._country, command=command)
        self._oracle.told(token, command)
        value = msgspec.json.encode(message)
        self._world.deliver(self._worker.arrived, "accounts", value)
        if isinstance(command, Move | PaymentFailed):
            self._again(value, 0.1)

    def _again(self, value: bytes, chance: float) -> None:
        """Deliver a message once more, long after."""
        if self._world.chance(chance):
            self._world.later(self._world.between(HOUR, 200 * DAY), self._worker.arrived, "accounts", value)

    def _position(self, token: str) -> int | None:
        """Number what is said of an account, in banks that do."""
        self._said[token] += 1
        return self._said[token] if self._numbered else None

    def open(self, token: str, balance: int) -> None:
        """Open an account and state what is known of it, at once."""
        self._balances[token] = balance
        facts = AccountFacts(
            name_token=token_of(f"name-{token}"),
            institution_id="bank-1",
            currency=self._currency,
            balance_minor=balance,
            language="en",
        )
        stated = StateFacts(facts=facts, position=self._position(token))
        message = AccountMessage(account_token=token, jurisdiction=self._country, command=stated)
        value = msgspec.json.encode(message)
        self._worker.arrived("accounts", value)
        self._again(value, 0.5)

    def balance(self, token: str) -> int:
        """What is on an account."""
        return self._balances.get(token, 0)

    def pay(self, txn_id: str, debtor: str, creditor: str, amount: int) -> bool:
        """Move money unless it is not there or a measure forbids it; other banks' accounts are endless."""
        if debtor in self._balances:
            stated = self._enforced.get(debtor)
            balance = self._balances[debtor]
            if stated and in_force.violates(stated, amount, balance, self._world.now):
                self._oracle.refused(debtor, self._world.now)
                return False
            if amount > balance:
                return False
        for token, direction, other in (
            (debtor, Direction.DEBIT, creditor),
            (creditor, Direction.CREDIT, debtor),
        ):
            if token in self._balances:
                self._book(token, direction, txn_id, amount, other)
        return True

    def charge(self, txn_id: str, token: str, fee: int) -> None:
        """Take the institution's own fee, whatever is held and though the account be overdrawn."""
        self._book(token, Direction.DEBIT, txn_id, fee, "")

    def hear(self, value: bytes) -> None:
        """Read a message of topic `measures`."""
        stated = in_force.read_enforcement(value)
        known = stated and self._enforced.get(stated.account_token)
        if stated and (known is None or stated.version > known.version):
            self._enforced[stated.account_token] = stated
        for event in _ENTRY.decode(value).events:
            if isinstance(event, Moved) and event.flow.purpose == "DISBURSEMENT":
                self._pay_out(event.account_token, event.flow)
            if (
                isinstance(event, RefundChanged)
                and event.refund.shares
                and event.cause == "DISPATCHED"
                and self._world.chance(0.1)
            ):
                share = event.refund.shares[0]
                failed = PaymentFailed(
                    refund_id=event.refund.refund_id, payment_id=share.payment_id, pay_to=OTHER
                )
                self.tell(event.account_token, failed)

    def _pay_out(self, token: str, flow: Flow) -> None:
        if flow.txn_id not in self._paid_out:
            self._paid_out.add(flow.txn_id)
            self._balances[token] -= flow.amount_minor
            self._oracle.paid_out(flow.txn_id, flow.amount_minor)

    def _book(self, token: str, direction: Direction, txn_id: str, amount: int, other: str) -> None:
        sign = 1 if direction is Direction.CREDIT else -1
        self._balances[token] += sign * amount
        flow = Flow(
            txn_id=txn_id,
            at_us=self._world.now,
            direction=direction,
            amount_minor=amount,
            counterparty_token=other,
        )
        self.tell(token, Move(flow=flow, balance_minor=self._balances[token], position=self._position(token)))
