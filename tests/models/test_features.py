"""A feature computes what it computed when its version was entered; another meaning takes another version."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from models import features
from models.features import CATALOGUE, Legs
from models.features.legs import ROW_TYPES
from models.scoring import reasons
from schemas.alert import Leg

#: Name and version -> what it gave for the legs below, when it was entered. Only grows.
RECORD = Path(__file__).with_name("features.json")
ROWS = 8


def column(name: str, kind: np.dtype) -> np.ndarray:
    """Values of one column, whatever other columns there are."""
    draw, size = np.random.default_rng(zlib.crc32(name.encode())), (ROWS, *kind.shape)
    base = kind.base
    if base.kind == "S":
        return np.full(ROWS, b"CNY")
    if name.endswith("at_us"):
        return 1_760_000_000_000_000 + draw.integers(-(10**12), 10**11, size)
    if base.kind == "f":
        return np.where(draw.random(size) < 0.15, np.nan, draw.gamma(0.7, 50.0, size))
    return draw.integers(-1 if base.kind == "i" else 0, 7 if base.itemsize == 1 else 400_000, size)


def legs() -> Legs:
    made = []
    for place, row in zip(Legs._fields, ROW_TYPES, strict=True):
        if row.names is None:
            made.append(np.nan_to_num(column(place, row), nan=5.0))
            continue
        rows = np.zeros(ROWS, row)
        for name in row.names:
            rows[name] = column(f"{place}.{name}", row[name])
        made.append(rows)
    return Legs(*made)


def computed() -> dict[str, list[float | None]]:
    X = features.matrix(CATALOGUE, legs())
    return {
        f"{each.name} {each.version}": [float(f"{v:.12g}") if np.isfinite(v) else None for v in X[:, place]]
        for place, each in enumerate(CATALOGUE.values())
    }


def test_every_feature_gives_what_its_version_gave_when_it_was_entered() -> None:
    """If this fails: raise the feature's version, and run `python -m tests.models.test_features`.

    That adds what is not recorded yet: every release does, for its new features.
    """
    recorded, now = json.loads(RECORD.read_text()), computed()
    names = {each.rpartition(" ")[0] for each in recorded}

    assert {each for each in now if each.rpartition(" ")[0] in names} <= set(recorded)
    assert len(names) > 40
    for name, values in now.items():
        if name not in recorded:
            continue
        np.testing.assert_allclose(
            np.array(values, float), np.array(recorded[name], float), rtol=1e-9, equal_nan=True, err_msg=name
        )


@pytest.mark.parametrize("leg", ["CREDIT", "DEBIT"])
def test_every_reason_a_feature_speaks_for_has_words(leg: Leg) -> None:
    assert not reasons.shipped().missing(leg, tuple(features.groups(leg.lower())))


def test_a_name_is_entered_once() -> None:
    with pytest.raises(ValueError, match="feature amount is entered twice"):

        @features.feature(credit="AMOUNT_UNUSUAL")
        def amount(_: features.LegRow) -> float:
            return 0.0


def test_columns_are_taken_by_name_in_any_order_and_one_that_is_not_there_is_nan() -> None:
    X = np.asfortranarray(np.arange(6.0).reshape(2, 3))

    assert features.columns(X, "abc", "ab").base is not None  # a prefix is a view
    np.testing.assert_array_equal(features.columns(X, "abc", "ca"), X[:, [2, 0]])
    np.testing.assert_array_equal(features.columns(X, "abc", "xb"), [[np.nan, 1], [np.nan, 4]])


if __name__ == "__main__":
    known = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    lines = (f" {json.dumps(name)}: {json.dumps(values)}" for name, values in (computed() | known).items())
    RECORD.write_text("{\n" + ",\n".join(lines) + "\n}\n")
