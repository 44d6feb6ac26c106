"""The twelve invariants, checked from outside: from messages, the journal's text and the country file's text.

The oracle uses none of the engine's code for a rule it checks: terms and thresholds are read anew from the
YAML, months are counted here, and states are kept from the journal's events.
"""

import base64
import calendar
import json
import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import yaml

from measures.authority.dispatch import Dispatch
from measures.engine import intake
from measures.engine.intake import AccountState
from measures.law.country_file import FOLDER
from measures.refusal import Refusal
from schemas.commands import InstitutionCommand, Move
from schemas.errors import SchemaError
from schemas.journal import AppealChanged, FactsStated, JournalEntry, MeasureChanged, Moved, RefundChanged
from schemas.measure import Measure, Refund
from tests.vopr.world import DAY, HOUR, Message

INVARIANTS = {
    1: "no input lost",
    2: "one live order per (authority, number)",
    3: "a frozen amount never exceeds the balance seen",
    4: "returned is at most frozen, and once per decision",
    5: "no hold outlives its term",
    6: "no warning repeated inside its cool-down",
    7: "every release, reduction and pay-out has a reason and, above a limit, two people",
    8: "replay(log) = state",
    9: "money goes to victims of a decided round, and nobody gets back more than the loss",
    10: "one transfer is held once, however many claim it",
    11: "what comes again changes nothing: the balance seen is the bank's",
    12: "a key taken off the list opens nothing",
    13: "a line is cut for good, or for want of a verification, after its time and over no open objection",
}
ENDED = {
    "DISBURSED", "LIFTED", "CONVERTED", "EXPIRED", "LAPSED", "RELEASED", "CANCELLED_BY_PAYER",
    "RELEASED_AT_TIMER", "RELEASED_BY_CONFIRMATION", "BLOCKED", "ESCALATED", "CURED", "RESTORED",
    "ANSWERED", "UNSUBSCRIBED",
}  # fmt: skip
BY_PEOPLE = {"LIFTED", "RELEASED", "RELEASED_BY_CONFIRMATION"}
BY_LAW = {"TERM_ENDED", "NOT_VERIFIED_IN_TIME", "APPEAL: DEEMED_LIFT"}


class ViolationError(Exception):
    """An invariant does not hold; `number` names it (0: the engine raised)."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(f"invariant {number} ({INVARIANTS.get(number, 'the engine raised')}): {text}")
        self.number = number


class Oracle:
    """Watches one run."""

    def __init__(self, country: str) -> None:
        self._law: dict[str, Any] = yaml.safe_load((FOLDER / f"{country.lower()}.yaml").read_text())
        self._zone = ZoneInfo(self._law["timezone"])
        four_eyes = str(self._law["people"][-1]["four_eyes_from"]).split()[0]
        self._four_eyes = round(float(four_eyes) * 10 ** self._law["minor_digits"])
        self._versions: Counter[str] = Counter()
        self._measures: dict[str, dict[str, Measure]] = {}
        self._balances: Counter[str] = Counter()
        self._answered: set[str] = set()
        self._dead: set[tuple[str, int]] = set()
        self._moved: Counter[tuple[str, str, str]] = Counter()
        self._moves_told: set[tuple[str, str, str]] = set()
        self._peaks: Counter[str] = Counter()
        self._payouts: Counter[str] = Counter()
        self._stops: Counter[tuple[str, str]] = Counter()
        self._numbers: dict[tuple[str, str], str] = {}
        self._orders: dict[str, dict[str, Any]] = {}
        self._decided: dict[str, tuple[str, int]] = {}
        self._losses: Counter[tuple[str, str, str]] = Counter()
        self._repaid: Counter[tuple[str, str, str]] = Counter()
        self._booked: set[str] = set()
        self._objections: dict[str, str] = {}
        self._warnings: dict[tuple[str, str], list[tuple[int, int]]] = {}
        self.seen: Counter[str] = Counter()

    def told(self, token: str, command: InstitutionCommand) -> None:
        """A command left the core system."""
        if isinstance(command, Move):
            self._moves_told.add((token, command.flow.txn_id, command.flow.direction))

    def sent(self, message: bytes) -> None:
        """A signed order reached the institution."""
        order = _order(message)
        self._orders[order["message_serial"]] = order

    def dead_letter(self, topic: str, position: int, refusal: Refusal) -> None:
        """A message was put aside, visibly."""
        self._dead.add((topic, position))
        self.seen[f"dead letter {refusal.why}"] += 1

    def entry(self, entry: JournalEntry, at_us: int) -> None:
        """An entry was written to the journal at `at_us` of the worker's clock."""
        token = entry.account_token
        self._answered |= {reply.in_reply_to for reply in entry.replies}
        if any(reply.order_no.startswith("stolen") for reply in entry.replies):
            raise ViolationError(12, "an order of a removed key was answered")
        self.seen.update(f"reply {reply.code} {reply.why or ''}".strip() for reply in entry.replies)
        for reply in entry.replies:
            if reply.code == "OK" and reply.in_reply_to in self._orders:
                self._signed(token, self._orders[reply.in_reply_to])
        for event in entry.events:
            if event.version <= self._versions[token]:
                continue
            if event.version != self._versions[token] + 1:
                raise ViolationError(8, f"{token} jumps from {self._versions[token]} to {event.version}")
            self._versions[token] = event.version
            if isinstance(event, MeasureChanged):
                self._changed(event)
            elif isinstance(event, FactsStated):
                self._balances[token] = event.facts.balance_minor or 0
            elif isinstance(event, Moved):
                self._has_moved(token, event)
            elif isinstance(event, AppealChanged):
                self._objections[event.appeal.appeal_id] = (
                    "" if event.appeal.state == "CLOSED" else event.appeal.measure_id
                )
            elif isinstance(event, RefundChanged):
                self._round(token, event.refund)
        self._amounts(token)
        self._terms(token, at_us)

    def refused(self, token: str, now: int) -> None:
        """The core system refused a payment at `now`."""
        counted = [m for m in self._measures[token].values() if m.kind in ("STOP", "FREEZE", "HOLD")]
        ends = [self._legal_end(m) for m in counted if m.executed_at_us is not None]
        self.seen["payment refused"] += 1
        known = [end for end in ends if end is not None]
        if len(known) == len(ends) and (not ends or max(known) <= now):
            raise ViolationError(5, f"a payment of {token} was refused after every term had ended")

    def paid_out(self, payment_id: str, amount: int) -> None:
        """The core system paid a share out."""
        self._payouts[payment_id] += amount
        self.seen["paid out"] += 1

    def warned(self, person: str, family: str, severity: int, now: int) -> None:
        """A warning went out."""
        rule = self._law["warning"][-1]
        given = self._warnings.setdefault((person, family), [])
        as_grave = [at for at, earlier in given if earlier >= severity]
        if any(now < (self._after(at, rule["cooldown"]) or 0) for at in as_grave):
            raise ViolationError(6, f"{person} was warned again within {rule['cooldown']}")
        if sum(now - at < DAY for at in as_grave) >= rule["per_day"]:
            raise ViolationError(6, f"{person} was warned more than {rule['per_day']} times a day")
        given.append((now, severity))
        self.seen["warned"] += 1

    def finish(
        self,
        logs: dict[str, list[Message]],
        kept: dict[str, AccountState],
        orders: Iterable[Dispatch],
        now: int,
    ) -> None:
        """Check what must hold when everything has arrived."""
        for position, message in enumerate(logs["orders"]):
            if ("orders", position) not in self._dead and _serial(message.value) not in self._answered:
                raise ViolationError(1, f"order message {position} has no reply and no dead letter")
        for move in sorted(self._moves_told):
            if self._moved[move] != 1:
                raise ViolationError(1, f"movement {move} was booked {self._moved[move]} times")
        for order in orders:
            self.seen[f"order {order.state}"] += 1
            if order.state in ("ISSUED", "SENT"):
                raise ViolationError(1, f"order {order.order.order_no} is neither settled nor given up")
        for freeze, peak in self._peaks.items():
            measure = self._measure(freeze)
            paid = sum(self._payouts[payment_id] for payment_id in measure.disbursements)
            if paid > peak:
                raise ViolationError(4, f"{paid} was paid out of {freeze}, which never held more than {peak}")
        for token in self._measures:
            self._terms(token, now - HOUR)
        self._rebuilt(logs["measures"], kept)

    def balances(self, kept: dict[str, AccountState], banks: dict[str, int]) -> None:
        """Compare the balances seen with the bank's, where no refund was paid out beside its bookings."""
        for token, balance in banks.items():
            paid = any(m.disbursed_minor for m in self._measures.get(token, {}).values())
            if token in kept and not paid and kept[token].account.balance_minor != balance:
                seen = kept[token].account.balance_minor
                raise ViolationError(11, f"{seen} is seen on {token}, its bank has {balance}")

    def _rebuilt(self, journal: list[Message], kept: dict[str, AccountState]) -> None:
        rebuilt: dict[str, AccountState] = {}
        try:
            for message in journal:
                entry = msgspec.json.decode(message.value, type=JournalEntry)
                rebuilt[entry.account_token] = intake.recalled(rebuilt.get(entry.account_token), entry)
        except SchemaError as error:
            raise ViolationError(8, str(error)) from error
        for token, live in kept.items():
            if token in rebuilt and rebuilt[token] != live:
                raise ViolationError(8, f"{token} rebuilt from the journal is not the account that lives")

    def _changed(self, event: MeasureChanged) -> None:
        measure, token = event.measure, event.account_token
        known = self._measures.setdefault(token, {}).get(measure.measure_id)
        self._measures[token][measure.measure_id] = measure
        self.seen[f"{measure.kind} {measure.state}"] += 1
        if measure.order_no:
            number = (measure.authority_id, measure.order_no)
            where = self._numbers.setdefault(number, token)
            live = [m for m in self._live(token) if (m.authority_id, m.order_no) == number]
            if where != token or len(live) > 1:
                raise ViolationError(2, f"order {number} is in force more than once")
        if measure.kind == "STOP" and (known is None or measure.executed_at_us != known.executed_at_us):
            family = (token, measure.case_family)
            self._stops[family] += 1
            if self._stops[family] > self._law["stop"][-1].get("max_times", 1):
                raise ViolationError(5, f"stop {self._stops[family]} of {family}")
        if measure.kind == "FREEZE":
            paid = measure.disbursed_minor - (known.disbursed_minor if known else 0)
            if paid > (known.held_minor if known else 0):
                raise ViolationError(4, f"{paid} leaves {measure.measure_id}, which held less")
            total = measure.held_minor + measure.disbursed_minor
            self._peaks[measure.measure_id] = max(self._peaks[measure.measure_id], total)
        if measure.state in ("TERMINATED", "SUSPENDED") and known and known.state != measure.state:
            self._cut(measure, event.at_us)
        if measure.converted_to:
            self._gives_way(measure, self._measure(measure.converted_to))
        if measure.state in BY_PEOPLE and measure.ended_why not in BY_LAW:
            self._release(measure, known)

    def _cut(self, measure: Measure, at_us: int) -> None:
        """Check that a line is cut no sooner than the law says, and not while its holder waits."""
        rule = self._law[measure.kind.lower()][-1]
        ends = [
            self._after(measure.executed_at_us or 0, rule[term])
            for term in ("term", "objection")
            if term in rule
        ]
        if at_us < max(end or 0 for end in ends):
            raise ViolationError(13, f"{measure.measure_id} was cut at {at_us}, before {ends}")
        if measure.state == "TERMINATED" and measure.measure_id in self._objections.values():
            raise ViolationError(13, f"{measure.measure_id} was cut while its holder waits for an answer")

    def _release(self, measure: Measure, known: Measure | None) -> None:
        if not measure.ended_why.strip() or not measure.ended_by:
            raise ViolationError(7, f"{measure.measure_id} was released without a reason or by nobody")
        full = measure.scope == "ALL_OUTFLOW"
        held = known.held_minor if known else 0
        weight = max(held, self._balances[measure.account_token]) if full else measure.limit_minor
        if weight >= self._four_eyes and len(set(measure.ended_by)) < 2:
            raise ViolationError(7, f"{measure.ended_by} alone released {weight} of {measure.measure_id}")

    def _signed(self, token: str, order: dict[str, Any]) -> None:
        """Check who signed an order that takes money out of a measure, by the state before it."""
        if order["action"] not in ("LIFT", "REDUCE", "DISBURSE"):
            return
        named = (order["authority_id"], order.get("original_order_no"))
        for measure in self._live(token):
            if (measure.authority_id, measure.order_no) == named:
                weight = self._weight(measure)
                if order["action"] == "DISBURSE":
                    weight = measure.disbursed_minor + order["disbursement"]["amount_minor"]
                self._two(order, weight, measure)

    def _gives_way(self, measure: Measure, fresh: Measure) -> None:
        """Check that a measure gave way to one that holds as much, or that two people said so."""
        narrower = fresh.scope == "AMOUNT" and (
            measure.scope == "ALL_OUTFLOW" or measure.remaining_minor > fresh.remaining_minor
        )
        if narrower:
            named = (fresh.authority_id, fresh.order_no, "ISSUE")
            for order in self._orders.values():
                if (order["authority_id"], order["order_no"], order["action"]) == named:
                    self._two(order, self._weight(measure), measure)

    def _two(self, order: dict[str, Any], weight: int, measure: Measure) -> None:
        people = {officer["officer_token"] for officer in order.get("officers", ())}
        self.seen[f"{order['action']} by {len(people)}"] += 1
        if weight >= self._four_eyes and len(people) < 2:
            raise ViolationError(
                7, f"{len(people)} signed {order['action']} of {weight} of {measure.measure_id}"
            )

    def _weight(self, measure: Measure) -> int:
        full = measure.scope == "ALL_OUTFLOW"
        return max(measure.held_minor, self._balances[measure.account_token]) if full else measure.limit_minor

    def _round(self, token: str, on: Refund) -> None:
        for claim in on.claims:
            loss = (token, on.case_family, claim.victim_id)
            self._losses[loss] = max(self._losses[loss], claim.loss_minor - claim.recovered_minor)
        for share in on.shares if on.decision_no else ():
            self._decided[share.payment_id] = (share.victim_id, share.amount_minor)
            if share.paid and share.payment_id not in self._booked:
                self._booked.add(share.payment_id)
                whose = (token, on.case_family, share.victim_id)
                self._repaid[whose] += share.amount_minor
                if self._repaid[whose] > self._losses[whose]:
                    lost = self._losses[whose]
                    raise ViolationError(
                        9, f"{share.victim_id} got {self._repaid[whose]} of a loss of {lost}"
                    )

    def _has_moved(self, token: str, event: Moved) -> None:
        flow = event.flow
        paid = (flow.counterparty_token, flow.amount_minor)
        if flow.purpose == "DISBURSEMENT" and self._decided.get(flow.txn_id) != paid:
            raise ViolationError(
                9, f"{flow.txn_id} paid {paid}, decided was {self._decided.get(flow.txn_id)}"
            )
        self._balances[token] = event.balance_minor
        self._moved[token, flow.txn_id, flow.direction] += 1
        if flow.purpose == "DISBURSEMENT" and self._moved[token, flow.txn_id, flow.direction] > 1:
            raise ViolationError(4, f"payment {flow.txn_id} was made twice")

    def _amounts(self, token: str) -> None:
        live = self._live(token)
        held = sum(m.held_minor for m in live)
        if held > max(0, self._balances[token]):
            raise ViolationError(3, f"{held} is held on {token}, which has {self._balances[token]}")
        for m in live:
            if m.scope == "AMOUNT" and m.held_minor > m.limit_minor - m.disbursed_minor:
                raise ViolationError(3, f"{m.measure_id} holds {m.held_minor} beyond its limit")
        claims: Counter[tuple[str, int, int]] = Counter()
        for m in self._measures.get(token, {}).values():
            if (sent := m.victim_transfer) and m.scope == "AMOUNT":
                claims[sent.account_token, sent.amount_minor, sent.transferred_at_us] += (
                    m.held_minor + m.disbursed_minor
                )
        for (_, amount, _), claimed in claims.items():
            if claimed > amount:
                raise ViolationError(10, f"{claimed} of one transfer of {amount} is held or paid on {token}")

    def _terms(self, token: str, at_us: int) -> None:
        for m in self._live(token):
            end = self._legal_end(m)
            if m.kind in ("STOP", "FREEZE", "HOLD") and m.state != "WAITING" and not m.clocks:
                raise ViolationError(5, f"{m.measure_id} runs without a term")
            if end is not None and (m.expires_at_us is None or m.expires_at_us > end):
                raise ViolationError(
                    5, f"{m.measure_id} is to run until {m.expires_at_us}, the law ends {end}"
                )
            if end is not None and end <= at_us:
                raise ViolationError(
                    5, f"{m.kind} {m.measure_id} still runs at {at_us}, its term ended {end}"
                )

    def _legal_end(self, m: Measure) -> int | None:
        """Count a measure's term anew; None where it has not begun or rests on business days."""
        if m.executed_at_us is None or m.kind not in ("STOP", "FREEZE", "HOLD"):
            return None
        rules = self._law["hold"][m.rule] if m.kind == "HOLD" else self._law[m.kind.lower()]
        term = rules[-1].get("major_term") if m.major_case else None
        end: int | None = m.executed_at_us if m.counted_from_us is None else m.counted_from_us
        for _ in range(m.sequence if m.kind == "FREEZE" else 1):
            end = end and self._after(end, str(term or rules[-1]["term"]))
        return end

    def _after(self, at_us: int, term: str) -> int | None:
        """Count years, months and days on the local calendar, hours and minutes as they pass."""
        match = re.fullmatch(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?", term)
        if match is None:
            return None
        years, months, days, hours, minutes = (int(part or 0) for part in match.groups())
        local = datetime.fromtimestamp(at_us // 1_000_000, UTC).astimezone(self._zone)
        index = local.year * 12 + local.month - 1 + 12 * years + months
        year, month = index // 12, index % 12 + 1
        day = min(local.day, calendar.monthrange(year, month)[1])
        moved = local.replace(year=year, month=month, day=day) + timedelta(days=days)
        seconds = int(moved.timestamp()) + 3600 * hours + 60 * minutes
        return seconds * 1_000_000 + at_us % 1_000_000

    def _live(self, token: str) -> list[Measure]:
        return [m for m in self._measures.get(token, {}).values() if m.state not in ENDED]

    def _measure(self, measure_id: str) -> Measure:
        return next(found[measure_id] for found in self._measures.values() if measure_id in found)


def _serial(message: bytes) -> str:
    """Read a message's serial without trusting it."""
    return str(_order(message)["message_serial"])


def _order(message: bytes) -> dict[str, Any]:
    payload = message.split(b".")[1]
    order: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
    return order
