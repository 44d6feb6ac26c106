"""One seed of the warning ladder: warnings, outcomes, forwarding, answers and crashes, in whatever order."""

from collections import Counter
from typing import NamedTuple

import msgspec

from measures.law.calendar import from_iso
from measures.law.country_file import jurisdiction
from measures.victims import ladder
from measures.victims.climb import Rules
from measures.victims.ladder import Answer, Command, Forwarding, held_out
from schemas.alert import Reason
from schemas.contact import Attempt, ContactEntry, ContactOutcome, Party, PartyTick, Planned
from schemas.warning import Warning
from tests.tokens import token_of
from tests.vopr.ladder_oracle import LadderError, LadderOracle, Told
from tests.vopr.world import DAY, HOUR, MINUTE, SECOND, World

START_US = from_iso("2026-11-02T10:00:00+00:00")
COUNTRIES = ("CN", "HK", "SG", "SG", "IN", "UK", "AU", "BR", "KR", "TH", "MY")
REASONS = ("PAYEE_NEW", "AMOUNT_UNUSUAL", "PAYER_GUIDED", "PAYEE_COLLECTS")
ANSWERS = ("DISSUADED", "DISSUADED", "NOT_SCAM", "CONTINUED", "UNKNOWN")
_ENTRY = msgspec.json.Decoder(ContactEntry)


class LadderReport(NamedTuple):
    """What a seed did; `violation` is None when all invariants held."""

    seed: int
    country: str
    violation: LadderError | None
    seen: Counter[str]
    events: int


class Watch:
    """Drives one party as the job does: journal before everything, rebuilt after a crash."""

    def __init__(self, world: World, country: str, oracle: LadderOracle, token: str) -> None:
        self.world, self.oracle, self.token = world, oracle, token
        self.rules = Rules(jurisdiction(country), hold_out_percent=5)
        self.party: Party | None = None
        self.journal: list[bytes] = []
        self.recent: list[Command] = []
        self.attempts: list[Attempt] = []
        self.woken_us: int | None = None
        self.commands = 0
        self.answers = world.chance(0.8)

    def take(self, command: Command) -> None:
        """Take a command, write what it led to, do what was planned, set the clock."""
        self.commands += 1
        before = self.party.version if self.party else 0
        self.party, events = ladder.apply(self.party, command, self.rules, self.world.now)
        self.recent = [*self.recent[-5:], command]
        if self.party.version != before:
            entry = ladder.entry(self.party, events)
            value = msgspec.json.encode(entry)
            self.journal.append(value)
            self.oracle.entry(_ENTRY.decode(value), value)
        for event in events:
            if isinstance(event, Planned):
                self.attempts.append(event.attempt)
                self._answer(event.attempt)
        self._wake()

    def crash(self) -> None:
        """Forget everything but the journal, and read the last commands again."""
        found = _ENTRY.decode(self.journal[-1]).party if self.journal else None
        if found is not None and self.party is not None:
            clock = {"clock_us": found.clock_us}
            if msgspec.structs.replace(self.party, **clock) != found:
                raise LadderError(8, "the journal tells of another party")
        self.party, self.woken_us = found, None
        for command in self.recent[-self.world.random.randint(0, 5) :]:
            self.take(command)
        self.take(PartyTick(party_token=self.token))

    def warn(self, number: int) -> None:
        """Send a warning, now and then the same one twice."""
        random, world = self.world.random, self.world
        severity = random.choice([1, 1, 2, 2, 3, 4])
        family, consent = random.choice(["case-a", "case-a", "case-b", "UNKNOWN"]), world.chance(0.5)
        timezone = random.choice(["", "", "Australia/Perth", "America/Manaus"])
        valid = world.now + {1: DAY, 2: DAY, 3: 2 * HOUR, 4: HOUR // 2}[severity]
        codes = random.sample(REASONS, random.randint(1, 3))
        warning = Warning(
            warning_id=f"w{number}", dedup_key="", jurisdiction=self.rules.law.id, party_token=self.token,
            severity=severity, grade="", fraud_class="UNKNOWN", posterior=0.5,
            top_reasons=tuple(Reason(code=code, contribution=1.0, text="") for code in codes), channels=(),
            template_id="UNKNOWN_1", language="en", text="Stop.", txn_id=f"t{number}", amount_minor=1,
            currency="CNY", hold=False, legal_basis="", issued_at_us=world.now, valid_until_us=valid,
            case_family_id=family, timezone=timezone, family_consent=consent,
        )  # fmt: skip
        self.oracle.warned(warning.warning_id, Told(severity, family, consent, timezone, valid))
        world.deliver(self.take, warning)

    def forward(self, *, active: bool) -> None:
        """Calls are forwarded, or no longer; the operator may be late with it."""
        seen = Forwarding(party_token=self.token, active=active, at_us=self.world.now)
        self.world.later(self.world.between(SECOND, 20 * MINUTE), self.take, seen)

    def _answer(self, attempt: Attempt) -> None:
        """Let a channel and a person do something, or nothing."""
        world, random = self.world, self.world.random
        if attempt.channel in ("CALL", "ROBOT_CALL") and world.chance(0.25):
            world.later(world.between(SECOND, 3 * MINUTE), lambda: self.forward(active=True))
            world.later(world.between(HOUR, 2 * DAY), lambda: self.forward(active=False))
        if not self.answers or world.chance(0.15):
            return
        wait = world.between(SECOND, 2 * MINUTE)
        if world.chance(0.25):
            self._tell(attempt, random.choice(["UNREACHABLE", "FAILED", "UNCERTAIN"]), wait)
            return
        for state in ("SENDING", "SENT", "DELIVERED"):
            wait += world.between(SECOND // 10, 20 * SECOND)
            self._tell(attempt, state, wait)
        if world.chance(0.4):
            wait += world.between(SECOND, DAY if attempt.channel == "VISIT" else 20 * MINUTE)
            if world.chance(0.2):
                answer = Answer(
                    party_token=self.token, warning_id=attempt.warning_id, verdict=random.choice(ANSWERS),
                    at_us=world.now + wait,
                )  # fmt: skip
                world.later(wait, world.deliver, self.take, answer)
            else:
                self._tell(attempt, "ANSWERED", wait, random.choice(ANSWERS))

    def _tell(self, attempt: Attempt, state: str, wait: int, verdict: str = "UNKNOWN") -> None:
        outcome = ContactOutcome(
            key=attempt.key, party_token=self.token, channel=attempt.channel, state=state,  # type: ignore[arg-type]
            at_us=self.world.now + wait, verdict=verdict,  # type: ignore[arg-type]
        )  # fmt: skip
        self.world.later(wait, self.world.deliver, self.take, outcome)

    def _wake(self) -> None:
        """Set the clock; ticks come late now and then."""
        due_us = ladder.next_due_us(self.party) if self.party else None
        if due_us is not None and due_us != self.woken_us:
            self.woken_us = due_us
            late = self.world.between(1_000, MINUTE) if self.world.chance(0.1) else 0
            self.world.later(max(due_us - self.world.now, 0) + late, self._tick)

    def _tick(self) -> None:
        if self.woken_us is not None and self.woken_us <= self.world.now:
            self.woken_us = None
            self.take(PartyTick(party_token=self.token))


def climb(seed: int) -> LadderReport:
    """Run one seed to its end or to the first violation."""
    world = World(seed, START_US)
    country = world.random.choice(COUNTRIES)
    token = token_of(f"party-{seed}")
    oracle = LadderOracle(country, held_out=held_out(token, 5))
    watch = Watch(world, country, oracle, token)
    violation: LadderError | None = None
    try:
        _play(world, watch)
        oracle.finish(world.now)
    except LadderError as error:
        violation = error
    except Exception as error:
        violation = LadderError(0, f"{type(error).__name__}: {error}")
        violation.__cause__ = error
    return LadderReport(seed, country, violation, oracle.seen, watch.commands)


def _play(world: World, watch: Watch) -> None:
    for number in range(world.random.randint(1, 40)):
        world.later(world.between(MINUTE, 20 * DAY), watch.warn, number)
    for _ in range(world.random.choice([0, 0, 1, 2, 4])):
        world.later(world.between(MINUTE, 10 * DAY), lambda: watch.forward(active=world.chance(0.6)))
    for _ in range(world.random.choice([0, 1, 3])):
        world.later(world.between(MINUTE, 20 * DAY), watch.crash)
    world.run(START_US + 60 * DAY)
