"""The policy: which score leads to which outcome; a versioned file, stamped on every decision."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from measures.law.country_file import SHIPPED, Laws
from measures.law.jurisdiction import Jurisdiction
from measures.money.taint import LEAST_MINOR
from models.ledgers.ledger import Keep
from pipelines.institution import EVERYBODY, Institution, institution
from pipelines.words import Words
from pipelines.words import load as load_words
from schemas import strict_yaml
from schemas.alert import Reason
from schemas.contract import Token
from schemas.errors import ConfigError
from schemas.scams import FraudClass
from schemas.strict_text import read_bytes
from schemas.units import DAY_US, MINUTE_US

POLICIES = Path(__file__).parent / "policies"
DEFAULT = POLICIES / "cn.yaml"

#: Countries by another of their names.
_ALSO_CALLED = {"gb": "uk"}

#: The lattice: the gravest outcome wins where several apply.
OUTCOMES = ("APPROVE", "WARN", "DELAY", "HOLD", "STOP")
APPROVE, WARN, DELAY, HOLD, STOP = range(5)

Threshold = float | str

_Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]


#: What of the registry asks for an outcome: an authority's listing, a suspicion, or nothing.
Registered = Literal["", "LISTED", "SUSPECTED"]


class Decision(NamedTuple):
    """What was decided about one leg.

    Attributes:
        outcome: its place in `OUTCOMES`.
        score: what the model gives, 0 to 1; no chance (docs/models.md).
        reasons: the strongest ones.
        enforced_minor: what a measure in force keeps on the account, where this debit goes against it.
        registered: what of the registry asks for this outcome, where the model alone would not; "": nothing.

    """

    outcome: int
    score: float
    reasons: tuple[Reason, ...]
    enforced_minor: int = 0
    registered: Registered = ""


class LegPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Least score for each outcome: the name of one of the bundle's operating points, or a number."""

    warn: Threshold
    delay: Threshold
    hold: Threshold
    stop: Threshold


class TracingPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where following tainted money ends: amounts in minor units, accounts by token (`measures.money`)."""

    least_minor: Annotated[int, Meta(ge=1)] = LEAST_MINOR
    good_faith: frozenset[Token] = frozenset()
    pooled: frozenset[Token] = frozenset()


class BrakePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A brake on mass stops, for each leg and each shard of the account ledger.

    Attributes:
        least: the mildest outcome that is counted as held.
        fallback: the milder outcome that a braked leg gets.
        per_10k: at most so many of 10,000 legs of an hour of event time are held by the model.
        min_count: so many are in any case, because a share of few says little.

    """

    least: Literal["DELAY", "HOLD", "STOP"]
    fallback: Literal["APPROVE", "WARN", "DELAY", "HOLD"]
    per_10k: Annotated[int, Meta(ge=1, le=10_000)]
    min_count: Annotated[int, Meta(ge=1, le=1_000_000)]


#: No event is believed that was received later than this after it happened.
PAST_DAYS_MAX = 3_650


class ClockPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which event times can be true (`pipelines.streams.clock`).

    Attributes:
        past_days: an event is received at most so many days after it happened; a week outlasts an outage.
            A history is sent with its own times as record times, which moves the window along.
        ahead_minutes: clocks of producers are ahead by at most so much.

    """

    past_days: Annotated[int, Meta(ge=1, le=PAST_DAYS_MAX)] = 7
    ahead_minutes: Annotated[int, Meta(ge=0, le=60)] = 5

    @property
    def past_us(self) -> int:
        """`past_days` in microseconds."""
        return self.past_days * DAY_US

    @property
    def ahead_us(self) -> int:
        """`ahead_minutes` in microseconds."""
        return self.ahead_minutes * MINUTE_US


class MemoryPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the ledgers of parties and of accounts keep, each; a row takes about a kilobyte with its index.

    Attributes:
        rows: at most so many, over all shards; beyond, those seen longest ago are forgotten.
        days: nobody is kept longer after his last payment. Accounts under a measure always are.

    """

    rows: Annotated[int, Meta(ge=10_000, le=1_000_000_000)] = 4_000_000
    days: Annotated[int, Meta(ge=31, le=3_650)] = 400

    def of_shard(self, shards: int) -> Keep:
        """Return what one of `shards` keeps."""
        return Keep(max(self.rows // shards, 1), self.days * DAY_US)


class ButtonPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is warned at the highest severity whatever the model says (`pipelines.hot.button`).

    Attributes:
        signals: so many of call, shared screen and remote control show while he pays,
        new_payee_h: somebody he has known for less than this.

    """

    signals: Annotated[int, Meta(ge=1, le=3)] = 2
    new_payee_h: Annotated[int, Meta(ge=1, le=720)] = 24


_Step = Literal["APPROVE", "WARN", "DELAY", "HOLD", "STOP"]


class ListsPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What follows from what the registry says of an account, where it is looked up (`pipelines.hot.listed`).

    Attributes:
        suspected: the least outcome for a suspicion of tier 1, 2 and 3.
        listed: for an account, or its holder, that an authority lists.
        cut: for a payment that a listing's cuts forbid.
        exempt_payees: accounts of tax offices, social security and utilities, by token: nothing cuts payments
            to them.

    """

    suspected: tuple[_Step, _Step, _Step] = ("WARN", "DELAY", "HOLD")
    listed: _Step = "WARN"
    cut: _Step = "HOLD"
    exempt_payees: frozenset[Token] = frozenset()


USUAL_CLOCK, USUAL_MEMORY, USUAL_BUTTON = ClockPolicy(), MemoryPolicy(), ButtonPolicy()
USUAL_LISTS = ListsPolicy()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    jurisdiction: str
    language: str
    currencies: Annotated[dict[_Currency, Annotated[float, Meta(gt=0, le=1e9)]], Meta(min_length=1)]
    credit: LegPolicy
    debit: LegPolicy
    tracing: TracingPolicy = TracingPolicy()
    brake: BrakePolicy | None = None
    words: str = ""
    institution: tuple[str, ...] = ()
    named_classes: tuple[FraudClass, ...] = ()
    clock: ClockPolicy = USUAL_CLOCK
    memory: MemoryPolicy = USUAL_MEMORY
    button: ButtonPolicy | None = USUAL_BUTTON
    lists: ListsPolicy = USUAL_LISTS


@dataclass(frozen=True)
class Policy:
    """A policy in force.

    Attributes:
        stamp: version and the first letters of the SHA-256 of the file, of the bank's own words, and of a
            language that is not the file's.
        law: the country file.
        language: of reasons and warnings.
        currencies: what one minor unit is worth in minor units of the reference currency.
        credit: thresholds of the credit leg.
        debit: thresholds of the debit leg.
        tracing: where following tainted money ends.
        brake: how much the model may hold at most; None for no limit.
        words: of reasons and warnings.
        institution: whose accounts alerts are about.
        named_classes: kinds of scam that warnings name: guessed rightly in 80 % of a labelled log.
        clock: which event times can be true.
        memory: what the ledgers keep.
        button: who is warned at the button whatever the model says; None for nobody.
        lists: what follows from the registry.

    """

    stamp: str
    law: Jurisdiction
    language: str
    currencies: Mapping[bytes, float]
    credit: LegPolicy
    debit: LegPolicy
    tracing: TracingPolicy
    brake: BrakePolicy | None
    words: Words
    institution: Institution = EVERYBODY
    named_classes: frozenset[FraudClass] = frozenset()
    clock: ClockPolicy = USUAL_CLOCK
    memory: MemoryPolicy = USUAL_MEMORY
    button: ButtonPolicy | None = USUAL_BUTTON
    lists: ListsPolicy = USUAL_LISTS

    @property
    def currency(self) -> str:
        """The law's own currency, or the first with a rate where that has none; simulated people pay so."""
        own = self.law.currency
        return own if own.encode() in self.currencies else next(iter(self.currencies)).decode()

    @property
    def reference(self) -> str:
        """The currency that values are counted in: whose minor unit counts one."""
        one = next((name.decode() for name, rate in self.currencies.items() if rate == 1), None)
        name, rate = next(iter(self.currencies.items()))
        return one or f"units of which one of {name.decode()} counts {rate:g}"

    def value(self, transfers: NDArray[np.void]) -> NDArray[np.float64]:
        """Return amounts in the reference currency, float64[n]; nan for a currency without a rate."""
        amount: NDArray[np.float64] = transfers["amount_minor"].astype(np.float64)
        rates = np.full(len(transfers), np.nan)
        for currency, rate in self.currencies.items():
            rates[transfers["currency"] == currency] = rate
        value: NDArray[np.float64] = amount * rates
        return value


def named(file: str | Path | None = None, country: str = "") -> Path:
    """Return the policy file asked for: one's own, or the shipped one of a country; China's if neither.

    Raises:
        ConfigError: both are given, or no policy of that country is shipped.

    """
    if file and country:
        raise ConfigError("--policy_file and --country exclude each other; give one of them")
    if not country:
        return Path(file) if file else DEFAULT
    name, known = country.lower(), shipped()
    if (name := _ALSO_CALLED.get(name, name)) not in known:
        raise ConfigError(
            f"no policy is shipped for --country {country[:40]!r}; use one of {', '.join(known)}, or give "
            "your own with --policy_file"
        )
    return known[name]


def shipped() -> dict[str, Path]:
    """Return the shipped policy files by country, such as `uk`."""
    return {path.stem: path for path in sorted(POLICIES.glob("*.yaml"))}


def load(
    path: Path = DEFAULT, laws: Laws = SHIPPED, language: str = "", codes: tuple[str, ...] = ()
) -> Policy:
    """Read a policy file; `laws` has the country it names.

    `language`, and the `codes` of an institution, stand in for the file's unless there are none.

    Raises:
        ConfigError: the file is missing or breaks a rule; names file and field.

    """
    try:
        raw = read_bytes(path)
        file = strict_yaml.parse(raw, str(path)).convert(_File)
    except ConfigError as error:
        raise ConfigError(f"policy cannot be used: {error}; compare it with {DEFAULT}") from error
    law = laws.of(file.jurisdiction)
    spoken = language or file.language
    if spoken not in law.languages:
        where = "--language" if language else f"policy {path.name}: language"
        raise ConfigError(
            f"{where} {spoken!r} is not spoken by {law.id}; use one of {', '.join(law.languages)}"
        )
    if file.brake and OUTCOMES.index(file.brake.fallback) >= OUTCOMES.index(file.brake.least):
        raise ConfigError(
            f"policy {path.name}: the brake's fallback {file.brake.fallback} is not milder than "
            f"{file.brake.least}; use a milder one, such as WARN"
        )
    words, own = load_words(path.parent / file.words if file.words else None, law.words)
    said = raw + own + ",".join(codes).encode() + (language.encode() if language != file.language else b"")
    return Policy(
        stamp=f"{file.version}-{hashlib.sha256(said).hexdigest()[:12]}",
        law=law,
        language=spoken,
        currencies={currency.encode(): rate for currency, rate in file.currencies.items()},
        credit=file.credit,
        debit=file.debit,
        tracing=file.tracing,
        brake=file.brake,
        words=words,
        institution=institution(
            codes or file.institution, "--institution" if codes else f"policy {path.name}"
        ),
        named_classes=frozenset(file.named_classes),
        clock=file.clock,
        memory=file.memory,
        button=file.button,
        lists=file.lists,
    )


def thresholds(leg: LegPolicy, points: Mapping[str, float]) -> NDArray[np.float64]:
    """Return the least score for WARN, DELAY, HOLD, STOP, float64[4].

    A graver outcome asks for the score of every milder one too, so the numbers never decrease.

    Raises:
        ConfigError: a named operating point is not in the bundle, or a number is no score.

    """
    found = []
    for outcome in ("warn", "delay", "hold", "stop"):
        asked = getattr(leg, outcome)
        if isinstance(asked, str) and asked not in points:
            raise ConfigError(
                f"policy asks for operating point {asked!r} for {outcome}, the bundle has "
                f"{', '.join(sorted(points))}; name one of them or give a score above 0 and at most 1"
            )
        least = points[asked] if isinstance(asked, str) else float(asked)
        if isinstance(asked, float) and not 0 < asked <= 1:
            raise ConfigError(f"policy threshold {outcome} must be above 0 and at most 1, got {asked}")
        found.append(least)
    return np.maximum.accumulate(np.array(found))


def decide(score: NDArray[np.float64], least: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the outcome of each score as its place in `OUTCOMES`, int64[n].

    >>> decide(np.array([0.1, 0.5, 0.95]), np.array([0.2, 0.4, 0.9, 0.99])).tolist()
    [0, 2, 3]
    """
    return np.searchsorted(least, score, side="right")
