"""Model bundles: a directory that a stream may load, and everything needed to refuse it.

    trees.json                 the trees of each leg as plain numbers: what is scored with
    credit.skops debit.skops   the classifiers of scikit-learn that were fitted, no pickle; no job reads them
    features.json              features of each leg, name -> version, in column order
    thresholds.json            named operating points of each leg -> score; null where none reaches the point
    baseline.json              median of good payments per feature, for explanations; null is missing
    groups.json                reason code -> feature names, per leg
    metrics.json  card.md      what was measured, and for whom it matters
    manifest.json              SHA-256 of each file, origin, versions

The digest of a bundle is the SHA-256 of its manifest, so it names every byte of it.
"""

import hashlib
import json
import platform
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.scoring.learned import Learned
from models.scoring.learned import read as read_learned
from models.scoring.trees import Trees, written
from schemas.errors import ModelError

if TYPE_CHECKING:  # scikit-learn takes a second to load, and only who reads or writes trees needs it
    from sklearn.ensemble import HistGradientBoostingClassifier

FloatArray = NDArray[np.float64]

#: Leg -> name -> version of features.
Features = Mapping[str, Mapping[str, int]]

SCHEMA = 3
LEGS = ("credit", "debit")
MODELS = {leg: f"{leg}.skops" for leg in LEGS}
TREES = "trees.json"
TABLES = ("features.json", "thresholds.json", "baseline.json", "groups.json", "metrics.json")
FILES = (TREES, *MODELS.values(), *TABLES, "card.md")
MANIFEST = "manifest.json"

#: Of a release that scored with what it read from the classifiers.
WITHOUT_TREES = 2

# The one type in fitted boosted trees that skops does not trust by itself: two numpy arrays and three
# methods; models.scoring.trees checks every index in them.
TRUSTED = frozenset({"sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"})


@dataclass(frozen=True)
class LegModel:
    """The classifier of one leg.

    `features` maps the names of its columns, in order, to their versions in the catalogue; `groups` a reason
    code to column numbers; `missing` optional fields of payments to the share of rows trained on that lacked
    them, nothing in bundles of before it was noted.
    """

    features: Mapping[str, int]
    trees: Trees
    thresholds: Mapping[str, float]
    baseline: FloatArray
    groups: Mapping[str, tuple[int, ...]]
    missing: Mapping[str, float] = field(default_factory=dict)

    def score(self, X: FloatArray) -> FloatArray:
        """Score rows, float64[n, features] -> float64[n], 0 to 1; nan is a missing value.

        Raises:
            ModelError: `X` has another number of columns.

        """
        score: FloatArray = 1 / (1 + np.exp(-self.trees.raw(X)))
        return score

    def contributions(self, X: FloatArray) -> FloatArray:
        """Log-odds that each reason group adds to each row, float64[n, features] -> float64[n, groups].

        Difference to baseline: the drop of the log-odds when the group's features are those of a median good
        payment. Columns follow the order of `groups`. Rows are evaluated once a group: flagged only.
        """
        rows = len(X)
        columns = np.tile(X.T, len(self.groups) + 1)
        for position, places in enumerate(map(list, self.groups.values()), 1):
            columns[places, position * rows : (position + 1) * rows] = self.baseline[places, np.newaxis]
        full, *ordinary = self.trees.raw(columns.T).reshape(len(self.groups) + 1, rows)
        return full[:, np.newaxis] - np.array(ordinary).reshape(len(self.groups), rows).T


@dataclass(frozen=True)
class LegParts:
    """What training hands over for one leg: `features` as in `LegModel`, `groups` by feature names."""

    classifier: "HistGradientBoostingClassifier"
    features: Mapping[str, int]
    thresholds: Mapping[str, float]
    baseline: FloatArray
    groups: Mapping[str, Sequence[str]]
    metrics: Mapping[str, Any]


@dataclass(frozen=True)
class Bundle:
    """A verified bundle; `version` is for people, `digest` is what a decision is stamped with.

    `learned` is None in bundles of before it was noted.
    """

    credit: LegModel
    debit: LegModel
    digest: str
    version: str
    learned: Learned | None = None

    def leg(self, name: str) -> LegModel:
        """Return the classifier of leg `credit` or `debit`."""
        return self.credit if name == "credit" else self.debit

    def unseen(self, txn_id: NDArray[np.bytes_], at_us: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which payments it did not learn from, bool[n]; all where that was not noted."""
        if self.learned is None:
            return np.ones(len(at_us), np.bool_)
        return self.learned.unseen(txn_id, at_us)


def save(
    path: Path,
    legs: Mapping[str, LegParts],
    *,
    card: str,
    training_data: str,
    git_commit: str,
    created: int,
    learned: Learned | None = None,
) -> Bundle:
    """Write a new bundle directory at `path` and load it again.

    Args:
        path: a directory that does not exist yet; a bundle is written once.
        legs: the parts of `credit` and `debit`.
        card: text of the model card.
        training_data: SHA-256 of the training rows.
        git_commit: commit of the code that trained.
        created: event time of the newest training row, microseconds UTC.
        learned: which payments were learned from, if that is to be known later.

    Raises:
        ModelError: `path` exists, or the parts do not make a bundle that `load` accepts.

    """
    from skops.io import dumps  # noqa: PLC0415

    if path.exists():
        raise ModelError(f"{path} exists and bundles are never overwritten; choose a new directory.")
    tables = {
        "features.json": {leg: dict(parts.features) for leg, parts in legs.items()},
        "thresholds.json": {leg: _nulls(parts.thresholds) for leg, parts in legs.items()},
        "baseline.json": {leg: _nulls(_named_baseline(parts)) for leg, parts in legs.items()},
        "groups.json": {leg: {k: list(v) for k, v in parts.groups.items()} for leg, parts in legs.items()},
        "metrics.json": {leg: dict(parts.metrics) for leg, parts in legs.items()},
    }
    contents = {name: _json_bytes(table) for name, table in tables.items()}
    trees = {leg: written(parts.classifier) for leg, parts in legs.items()}
    contents[TREES] = json.dumps(trees, separators=(",", ":"), allow_nan=False).encode()
    contents |= {MODELS[leg]: dumps(parts.classifier) for leg, parts in legs.items()}
    contents["card.md"] = card.encode()
    contents[MANIFEST] = _json_bytes(
        {
            "schema": SCHEMA,
            "created": datetime.fromtimestamp(created / 1e6, UTC).isoformat(timespec="seconds"),
            "training_data": training_data,
            **({} if learned is None else {"learned": learned.written()}),
            "git_commit": git_commit,
            "versions": _versions(),
            "files": {name: _sha256(content) for name, content in contents.items()},
        }
    )
    draft = path.with_name(path.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name, content in contents.items():
        (draft / name).write_bytes(content)
    try:
        bundle = load(draft)
    except ModelError:
        shutil.rmtree(draft)
        raise
    draft.rename(path)
    return bundle


def load(path: Path, *, features: Features | None = None, digest: str | None = None) -> Bundle:
    """Verify the bundle at `path` and load it; each file is read once, and the bytes checked are those used.

    Args:
        path: the bundle's directory.
        features: what the caller can compute, leg -> name -> version; None to accept whatever it asks for.
        digest: the digest that the bundle must have, where a signature or a policy names one.

    Raises:
        ModelError: a file is missing or altered, or its schema, versions, features or types differ.

    """
    raw = _read(path, MANIFEST)
    if digest is not None and _sha256(raw) != digest:
        raise ModelError(
            f"{path} is bundle {_sha256(raw)[:12]}, not the expected {digest[:12]}; fetch that bundle again."
        )
    manifest = _parse(path, MANIFEST, raw)
    _check_manifest(path, manifest)
    contents = {name: _read(path, name) for name in manifest["files"]}
    for name, content in contents.items():
        if _sha256(content) != manifest["files"][name]:
            raise ModelError(f"{path / name} does not match its hash in {MANIFEST}; fetch the bundle again.")
    tables = {name: _parse(path, name, contents[name]) for name in TABLES}
    try:
        trees = _trees(path, contents)
        legs = {leg: _leg(path, leg, trees[leg], {n: tables[n][leg] for n in TABLES}) for leg in LEGS}
        seen = read_learned(manifest["learned"]) if "learned" in manifest else None
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ModelError(f"{path} has a malformed table or model ({error!r}); train again.") from error
    for leg, names in (features or {}).items():
        _check_features(path, leg, legs[leg].features, names)
    name = f"{manifest['created'][:10]}-{_sha256(raw)[:8]}"
    return Bundle(**legs, digest=_sha256(raw), version=name, learned=seen)


def _check_manifest(path: Path, manifest: dict[str, Any]) -> None:
    if not all(isinstance(manifest.get(name, {}), dict) for name in ("versions", "files")):
        raise ModelError(f"{path / MANIFEST} is no manifest of a bundle; fetch the bundle again.")
    schema = manifest.get("schema")
    if schema not in (WITHOUT_TREES, SCHEMA):
        raise ModelError(f"{path} has bundle schema {schema!r}, this release reads {SCHEMA}; train again.")
    if schema == WITHOUT_TREES:
        _check_versions(path, manifest)
    if set(manifest.get("files", ())) != set(FILES) - ({TREES} if schema == WITHOUT_TREES else set()):
        raise ModelError(f"{path / MANIFEST} does not list exactly the files of a bundle; train again.")
    if not isinstance(manifest.get("created"), str):
        raise ModelError(f"{path / MANIFEST} has no creation time; train again.")


def _check_versions(path: Path, manifest: Mapping[str, Any]) -> None:
    """Refuse classifiers of other libraries than those here."""
    for name, here in _libraries().items():
        there = manifest.get("versions", {}).get(name)
        if there != here:
            raise ModelError(
                f"{path} was trained with {name} {there}, this process runs {here}; install the locked "
                "requirements or train again."
            )


def _trees(path: Path, contents: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    if TREES in contents:
        return _parse(path, TREES, contents[TREES])
    return {leg: written(_classifier(path / file, contents[file])) for leg, file in MODELS.items()}


def _leg(path: Path, leg: str, table: Mapping[str, Any], tables: dict[str, Any]) -> LegModel:
    features = {str(name): int(version) for name, version in tables["features.json"].items()}
    if (takes := table["n_features"]) != len(features) or set(tables["baseline.json"]) != set(features):
        raise ModelError(
            f"{path} names {len(features)} {leg} features, its model takes {takes}; train again."
        )
    trees = Trees.read(table)
    unknown = {name for names in tables["groups.json"].values() for name in names} - set(features)
    if unknown:
        raise ModelError(
            f"{path} explains {leg} by features it does not have, {sorted(unknown)}; train again."
        )
    baseline = np.array([tables["baseline.json"][name] for name in features], np.float64)
    thresholds = {
        name: float("inf") if value is None else float(value)
        for name, value in tables["thresholds.json"].items()
    }
    column = {name: position for position, name in enumerate(features)}
    groups = {
        reason: tuple(column[name] for name in names) for reason, names in tables["groups.json"].items()
    }
    trees.raw(baseline[np.newaxis])  # compile now, not at the first payment
    missing = {str(name): float(share) for name, share in tables["metrics.json"].get("missing", {}).items()}
    return LegModel(features, trees, thresholds, baseline, groups, missing)


def _classifier(file: Path, content: bytes) -> "HistGradientBoostingClassifier":
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415
    from sklearn.exceptions import InconsistentVersionWarning  # noqa: PLC0415
    from skops.io import get_untrusted_types, loads  # noqa: PLC0415

    try:
        unknown = set(get_untrusted_types(data=content)) - TRUSTED
        if unknown:
            raise ModelError(f"{file} holds the types {sorted(unknown)}, which are not trusted; train again.")
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            classifier = loads(content, trusted=sorted(TRUSTED))
    except ModelError:
        raise
    except Exception as error:  # skops raises whatever a damaged archive makes it meet
        raise ModelError(
            f"{file} cannot be read ({error}); fetch the bundle again or train again."
        ) from error
    if type(classifier) is not HistGradientBoostingClassifier:
        raise ModelError(f"{file} holds a {type(classifier).__name__}, not boosted trees; train again.")
    return classifier


def _check_features(path: Path, leg: str, wanted: Mapping[str, int], computed: Mapping[str, int]) -> None:
    if unknown := sorted(set(wanted) - set(computed)):
        raise ModelError(
            f"{path} asks for {leg} features that this release does not compute ({', '.join(unknown)}); run "
            "the release it was trained on, or train again."
        )
    changed = [
        f"{name} {version}, here {computed[name]}"
        for name, version in wanted.items()
        if version != computed[name]
    ]
    if changed:
        raise ModelError(
            f"{path} was trained on other versions of {leg} features ({', '.join(changed)}); run the release "
            "it was trained on, or train again."
        )


def _read(path: Path, name: str) -> bytes:
    try:
        return (path / name).read_bytes()
    except OSError as error:
        raise ModelError(f"{path / name} cannot be read; give the directory of a complete bundle.") from error


def _parse(path: Path, name: str, content: bytes) -> dict[str, Any]:
    try:
        table = json.loads(content)
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, dict):
        raise ModelError(f"{path / name} is not a JSON object; fetch the bundle again.")
    return table


def _versions() -> dict[str, str]:
    """Return the versions a bundle was made with, to be kept in its manifest."""
    return {"python": ".".join(platform.python_version_tuple()[:2]), **_libraries()}


def _libraries() -> dict[str, str]:
    """Return the libraries whose objects and arrays a classifier holds."""
    return {
        "scikit-learn": version("scikit-learn"),
        "skops": version("skops"),
        "numpy": np.__version__,
    }


def _named_baseline(parts: LegParts) -> dict[str, float]:
    return dict(zip(parts.features, parts.baseline.tolist(), strict=True))


def _nulls(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: float(value) if np.isfinite(value) else None for name, value in values.items()}


def _json_bytes(value: Any) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
