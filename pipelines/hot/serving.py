"""Which models score: one bundle for good, or what a signed registry calls live and shadow at the moment.

A registry is looked at by one thread of each process, never by the hot path: it verifies and loads what a
changed pointer names, and the next bundle of payments begins with it. What must not be used is refused,
counted and logged, and what was in use goes on.
"""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from models import features
from models.features import Legs
from models.scoring import reasons, trust
from models.scoring.bundle import Bundle, FloatArray, LegModel, load
from models.scoring.pinning import pinned
from models.scoring.shelf import Registry, Role
from pipelines.policy import Policy, decide, thresholds
from pipelines.process import PROCESS
from pipelines.telemetry import TELEMETRY
from schemas.alert import Leg
from schemas.errors import ModelError, StoplineError

_LOGGER = logging.getLogger(__name__)

#: How often a registry's pointers are looked at.
LOOK_S = 0.5

#: A bundle that was refused is tried again, and complained of again, after so long.
RETRY_S = 60.0


class Scored(NamedTuple):
    """What a model says of n legs.

    Attributes:
        model: the bundle's digest.
        score: what the model gives, 0 to 1, float64[n].
        outcome: the outcome by the score alone, its place in `OUTCOMES`, int64[n].

    """

    model: str
    score: FloatArray
    outcome: NDArray[np.int64]


@dataclass(frozen=True)
class Scorer:
    """A verified bundle that fits the policy; `least` is the least score of each outcome, by leg."""

    bundle: Bundle
    least: Mapping[Leg, FloatArray]

    @classmethod
    def of(cls, bundle: Bundle, policy: Policy) -> "Scorer":
        """Check that a bundle can be explained and has the operating points that the policy asks for.

        Raises:
            ModelError: the bundle must not be used.
            ConfigError: policy and bundle do not fit.

        """
        _check_reasons(policy, "CREDIT", bundle.credit)
        _check_reasons(policy, "DEBIT", bundle.debit)
        return cls(
            bundle,
            {
                "CREDIT": thresholds(policy.credit, bundle.credit.thresholds),
                "DEBIT": thresholds(policy.debit, bundle.debit.thresholds),
            },
        )

    def model(self, leg: Leg) -> LegModel:
        """Return the classifier of a leg."""
        return self.bundle.leg(leg.lower())

    def scored(self, leg: Leg, X: FloatArray) -> Scored:
        """Score legs of one kind, float64[n, features of the model]."""
        score = self.model(leg).score(X)
        return Scored(self.bundle.digest, score, decide(score, self.least[leg]))


@dataclass(frozen=True)
class InUse:
    """What scores a bundle of payments: `live` acts, `shadow` is only measured.

    What both ask for is computed once per batch, by loops that are compiled before they are needed.
    """

    live: Scorer
    shadow: Scorer | None = None

    def __post_init__(self) -> None:
        for leg in get_args(Leg):
            names = self.features(leg)
            features.prepare(names)
            features.prepare(features.versions(leg.lower()))

    def features(self, leg: Leg) -> tuple[str, ...]:
        """Return the features of a leg that are computed, the live model's first."""
        scorers = (self.live, self.shadow) if self.shadow else (self.live,)
        return tuple(dict.fromkeys(name for scorer in scorers for name in scorer.model(leg).features))

    def computed(self, leg: Leg, legs: Legs) -> "Computed":
        """Compute the features of legs of one kind."""
        names = self.features(leg)
        return Computed(leg, legs, names, features.matrix(names, legs), features.versions(leg.lower()))


class Computed(NamedTuple):
    """Features of n legs of one kind: `X`, float64[n, names]; `catalogue` has all there are with versions."""

    leg: Leg
    legs: Legs
    names: tuple[str, ...]
    X: FloatArray
    catalogue: Mapping[str, int]

    def scored(self, scorer: Scorer) -> Scored:
        """Score the legs by a model whose features were computed."""
        return scorer.scored(self.leg, self.of(scorer))

    def of(self, scorer: Scorer, rows: slice | NDArray[np.intp] = slice(None)) -> FloatArray:
        """Return the features of a model, float64[rows, features of the model]."""
        return features.columns(self.X[rows], self.names, scorer.model(self.leg).features)

    def whole(self, rows: NDArray[np.intp]) -> FloatArray:
        """Return all features that the catalogue has for some of the legs, in its order.

        To compute them takes a third of gathering those that were computed.
        """
        return features.matrix(self.catalogue, self.legs, rows)


ModelSource = Path | Registry


def in_use(source: ModelSource, policy: Policy) -> InUse:
    """Return the models to score with now; a source is opened once per process and costs nothing after.

    Raises:
        ModelError: the bundle must not be used.
        ConfigError: policy and bundle do not fit.

    """
    key = (source if isinstance(source, Path) else source.folder), policy.stamp
    found = PROCESS.shared("models", key, lambda: _open(source, policy))
    return found if isinstance(found, InUse) else found.in_use


def trusted(source: ModelSource) -> list[str]:
    """Say whose key is believed if it is not pinned; nothing else."""
    if isinstance(source, Path) or pinned(source):
        return []
    return [
        f"the key that {source.folder} holds is believed; pin it outside: "
        f"{trust.command(source.folder, source.trusted)}"
    ]


def check(source: ModelSource, policy: Policy) -> InUse:
    """Refuse a job that would start badly: of a registry, live and shadow are loaded anew, without mercy.

    Raises:
        ModelError: a bundle must not be used.
        ConfigError: policy and bundle do not fit.

    """
    if isinstance(source, Path):
        return in_use(source, policy)
    live = Scorer.of(source.load("live", features=features.computable()), policy)
    if source.digest("shadow") is None:
        return InUse(live)
    return InUse(live, Scorer.of(source.load("shadow", features=features.computable()), policy))


class Follower:
    """Keeps what a registry calls live and shadow loaded; `look` takes up what changed."""

    def __init__(self, registry: Registry, policy: Policy) -> None:
        """Load the live bundle, or the one before it, which other processes then still use.

        Raises:
            ModelError: neither may be used.

        """
        self._registry = registry
        self._policy = policy
        self._seen: dict[Role, object] = {"live": self._stamp("live"), "shadow": None}
        self._retry_s: dict[Role, float] = {}
        try:
            self.in_use = InUse(self._loaded("live"))
        except StoplineError as error:
            if not self._stamp("previous"):
                raise
            self._refuse("live", error, "the one before")
            self.in_use = InUse(self._loaded("previous"))
        self.look()

    def run(self) -> None:
        """Look for ever; the body of a daemon thread."""
        while True:
            time.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Take up the bundles of pointers that changed since the last look."""
        live = self._current("live", self.in_use.live) or self.in_use.live
        self.in_use = InUse(live, self._current("shadow", self.in_use.shadow))

    def _current(self, role: Role, held: Scorer | None) -> Scorer | None:
        stamp = self._stamp(role)
        due = role in self._retry_s and time.monotonic() >= self._retry_s[role]
        if stamp == self._seen[role] and not due:
            return held
        self._seen[role] = stamp
        try:
            found = None if stamp is None and role == "shadow" else self._loaded(role)
        except Exception as error:  # whatever a damaged folder makes it meet; the thread must go on
            self._refuse(role, error, held.bundle.version if held else "none")
            return held
        self._retry_s.pop(role, None)
        names = [each.bundle.version if each else "none" for each in (held, found)]
        if names[0] != names[1]:
            TELEMETRY.count(f"{role}_models_taken_up", 1)
            _LOGGER.warning("%s model %s follows %s from the next bundle on", role, names[1], names[0])
        return found

    def _loaded(self, role: Role) -> Scorer:
        return Scorer.of(self._registry.load(role, features=features.computable()), self._policy)

    def _refuse(self, role: Role, error: Exception, instead: str) -> None:
        TELEMETRY.count(f"{role}_models_refused", 1)
        self._retry_s[role] = time.monotonic() + RETRY_S
        _LOGGER.error("%s model refused, %s goes on: %s", role, instead, error)

    def _stamp(self, role: Role) -> object:
        """Return what changes whenever a pointer is replaced; None where there is none."""
        try:
            found = (self._registry.folder / f"{role}.json").stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size


def _open(source: ModelSource, policy: Policy) -> InUse | Follower:
    if isinstance(source, Path):
        return InUse(Scorer.of(load(source, features=features.computable()), policy))
    follower = Follower(source, policy)
    threading.Thread(target=follower.run, name="models", daemon=True).start()
    return follower


def _check_reasons(policy: Policy, leg: Leg, model: LegModel) -> None:
    if unknown := policy.words.reasons.missing(leg, tuple(model.groups)):
        raise ModelError(
            f"the bundle explains {leg} by {', '.join(unknown)}, which {reasons.FILE.name} does not "
            "put into words; train again on this release"
        )
