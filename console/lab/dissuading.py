"""Simulated citizens on the ladder: what warnings do in a world whose truth is known.

How people answer is stated, never fitted: `ANSWERS` says of each channel how many victims stop (anchors
6.1), and `MISTAKEN` how many of the others then abandon a payment that was genuine.
"""

import hashlib
import heapq
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from measures.victims import ladder
from measures.victims.climb import Rules
from measures.victims.ladder import Answer, Command
from schemas.contact import (
    Attempt,
    ContactEvent,
    ContactOutcome,
    ContactState,
    Party,
    PartyTick,
    PartyVerdict,
    Planned,
)
from schemas.errors import ConfigError
from schemas.strict_text import is_number
from schemas.units import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from schemas.warning import Warning

#: Share of victims that stop when they are reached by a channel; `LISTED` where the register hit is named.
ANSWERS: Mapping[str, float] = {
    "IN_APP": 0.12, "SMS": 0.05, "ROBOT_CALL": 0.12, "CALL": 0.46, "FAMILY": 0.46, "VISIT": 0.85,
    "LISTED": 0.32,
}  # fmt: skip

#: Reason of a warning that names what was found out of the payee before.
HIT = "FOUND_BEFORE"

#: Of those whose payment is genuine, share that abandons it as often as a victim would stop.
MISTAKEN = 0.25

#: Share reached of those that are tried, and how long that takes, seconds.
REACHED: Mapping[str, tuple[float, int]] = {
    "IN_APP": (0.9, 20), "SMS": (0.95, 120), "ROBOT_CALL": (0.5, 60), "CALL": (0.6, 90), "FAMILY": (0.6, 120),
    "VISIT": (0.7, 5_400),
}  # fmt: skip

#: What a try costs, in minor units of the policy's currency, as assumed.
COST_MINOR: Mapping[str, int] = {
    "IN_APP": 0, "SMS": 5, "ROBOT_CALL": 20, "CALL": 1_500, "FAMILY": 1_500, "VISIT": 20_000,
}  # fmt: skip


def costs(words: Iterable[str]) -> dict[str, int]:
    """Return what tries cost, with those of words CHANNEL=COST in place of the assumed ones.

    Raises:
        ConfigError: a word is none.

    """
    found = dict(COST_MINOR)
    for word in words:
        channel, _, cost = word.partition("=")
        if channel not in found or not is_number(cost):
            raise ConfigError(f"--cost {word!r} is no CHANNEL=COST; channels are {', '.join(COST_MINOR)}")
        found[channel] = int(cost)
    return found


class Paid(NamedTuple):
    """A payment of a party: when, how much, whether it went to a scammer."""

    at_us: int
    amount_minor: int
    scam: bool


class Lived(NamedTuple):
    """What became of one warning.

    `verdict` is what the party answered within a day, "" if nothing; `first_us` when something first left,
    None if nothing did; `lost_7d` and `lost_30d` are minor units paid to scammers after the warning,
    `averted` what the party then did not pay them any more.
    """

    severity: int
    channel: str
    fraud_class: str
    held_out: bool
    victim: bool
    delivered: bool
    verdict: str
    issued_us: int
    first_us: int | None
    cost_minor: int
    averted_minor: int
    lost_7d_minor: int
    lost_30d_minor: int


def chance(*cause: object) -> float:
    """Return a number from 0 to 1 that hangs on its cause alone."""
    digest = hashlib.sha256("\x1f".join(map(str, cause)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def payments_of(payments: pa.Table, truth: pa.Table) -> dict[str, list[Paid]]:
    """Return the payments of each party, in order of time."""
    found: dict[str, list[Paid]] = {}
    columns = (payments[name].to_pylist() for name in ("debtor", "accepted_at_us", "amount_minor"))
    for party, at_us, amount, scam in zip(*columns, truth["scam"].to_pylist(), strict=True):
        found.setdefault(party, []).append(Paid(at_us, amount, scam))
    return found


def lived(
    warnings: Iterable[Warning], paid: Mapping[str, Sequence[Paid]], rules: Rules, seed: int
) -> list[Lived]:
    """Let every warned party live through its ladders; returns what became of each warning, in order."""
    by_party: dict[str, list[Warning]] = {}
    for warning in warnings:
        by_party.setdefault(warning.party_token, []).append(warning)
    return [
        each
        for party, asked in sorted(by_party.items())
        for each in _Life(party, paid.get(party, ()), rules, seed).through(asked)
    ]


class _Life:
    """One party, the ladder and what the party does."""

    def __init__(self, token: str, paid: Sequence[Paid], rules: Rules, seed: int) -> None:
        self._token, self._paid, self._rules, self._seed = token, paid, rules, seed
        self._agenda: list[tuple[int, int, Command]] = []
        self._count = itertools.count()
        self._named: set[str] = set()
        self._party: Party | None = None
        self._tries: dict[str, list[tuple[int, Attempt]]] = {}
        self._reached: set[str] = set()
        self._said: dict[str, tuple[int, PartyVerdict, str]] = {}
        self._suppressed: dict[str, str] = {}

    def through(self, asked: Sequence[Warning]) -> list[Lived]:
        """Send the warnings in order of time and let a month pass."""
        for warning in asked:
            self._later(warning.issued_at_us, warning)
            if any(reason.code == HIT for reason in warning.top_reasons):
                self._named.add(warning.warning_id)
        while self._agenda:
            at_us, _, command = heapq.heappop(self._agenda)
            self._party, events = ladder.apply(self._party, command, self._rules, at_us)
            for event in events:
                self._on(event, at_us)
            due_us = ladder.next_due_us(self._party)
            if events and due_us is not None:
                self._later(max(due_us, at_us + 1), PartyTick(party_token=self._token))
        return [self._account(warning) for warning in asked]

    def _later(self, at_us: int, command: Command) -> None:
        heapq.heappush(self._agenda, (at_us, next(self._count), command))

    def _on(self, event: ContactEvent, at_us: int) -> None:
        if isinstance(event, Planned):
            self._tries.setdefault(event.attempt.warning_id, []).append((at_us, event.attempt))
            if event.attempt.purpose == "WARN":
                self._answer(event.attempt, at_us)
        elif event.__struct_config__.tag == "suppressed":
            self._suppressed[event.warning_id] = event.reason  # type: ignore[union-attr]

    def _answer(self, attempt: Attempt, at_us: int) -> None:
        """Reach the party or not, and let it stop, go on, or say that all is well."""
        channel = attempt.channel
        share, wait_s = REACHED[channel]
        self._tell(attempt, "SENT", at_us + SECOND_US // 5)
        after_us = at_us + wait_s * SECOND_US
        if chance(self._seed, attempt.key, "reached") >= share:
            if channel in ("CALL", "ROBOT_CALL", "FAMILY", "VISIT"):
                self._tell(attempt, "UNREACHABLE", after_us)
            return
        self._reached.add(attempt.warning_id)
        self._tell(attempt, "DELIVERED", after_us)
        victim = any(each.scam and each.at_us >= at_us - DAY_US for each in self._paid)
        named = channel == "IN_APP" and attempt.warning_id in self._named
        stops = ANSWERS["LISTED" if named else channel] * (1.0 if victim else MISTAKEN)
        drawn = chance(self._seed, attempt.key, "answer")
        verdict: PartyVerdict = "UNKNOWN"
        if drawn < stops:
            verdict = "DISSUADED"
        elif drawn > 0.5:
            verdict = "CONTINUED" if victim else "NOT_SCAM"
        if verdict != "UNKNOWN":
            said_us = after_us + MINUTE_US
            self._said.setdefault(attempt.warning_id, (said_us, verdict, channel))
            if verdict == "DISSUADED":
                self._said[attempt.warning_id] = (said_us, verdict, channel)
            answer = Answer(
                party_token=self._token, warning_id=attempt.warning_id, verdict=verdict, at_us=said_us
            )
            self._later(said_us, answer)

    def _tell(self, attempt: Attempt, state: ContactState, at_us: int) -> None:
        outcome = ContactOutcome(
            key=attempt.key,
            party_token=self._token,
            channel=attempt.channel,
            state=state,
            at_us=at_us,
        )
        self._later(at_us, outcome)

    def _account(self, warning: Warning) -> Lived:
        tries = [each for each in self._tries.get(warning.warning_id, ()) if each[1].purpose == "WARN"]
        at_us = warning.issued_at_us
        said_us, verdict, channel = self._said.get(
            warning.warning_id, (0, "", tries[-1][1].channel if tries else "")
        )
        stopped = [said[0] for said in self._said.values() if said[1] == "DISSUADED"]
        since_us = min((each for each in stopped if each >= at_us), default=None)
        scams = [each for each in self._paid if each.scam and each.at_us >= at_us]
        after = [each for each in scams if since_us is None or each.at_us < since_us]
        in_a_day = said_us and said_us <= at_us + DAY_US
        return Lived(
            severity=tries[0][1].severity if tries else warning.severity,
            channel=channel,
            fraud_class=warning.fraud_class,
            held_out=self._suppressed.get(warning.warning_id) == "HELD_OUT",
            victim=any(each.scam and each.at_us >= at_us - HOUR_US for each in self._paid),
            delivered=warning.warning_id in self._reached,
            verdict=verdict if in_a_day else "",
            issued_us=at_us,
            first_us=tries[0][0] + SECOND_US // 5 if tries else None,
            cost_minor=sum(COST_MINOR[each.channel] for _, each in self._tries.get(warning.warning_id, ())),
            averted_minor=sum(each.amount_minor for each in scams if each not in after),
            lost_7d_minor=sum(
                e.amount_minor for e in after if e.at_us < at_us + 7 * DAY_US and e.at_us > at_us
            ),
            lost_30d_minor=sum(
                e.amount_minor for e in after if e.at_us < at_us + 30 * DAY_US and e.at_us > at_us
            ),
        )
