"""The features that this release computes, by name, each with a version and the reason it speaks for."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from models.features.legs import LegRow


class Feature(NamedTuple):
    """A column that a bundle may ask for.

    Attributes:
        name: of the column.
        version: another one for every change of what is computed; a bundle holds the one it was trained on.
        compute: from a leg to a number, nan if it is not known; compiled, so plain arithmetic only.
        reasons: leg -> the reason code (`models/scoring/reasons.yaml`) it speaks for there.

    """

    name: str
    version: int
    compute: Callable[[LegRow], float]
    reasons: Mapping[str, str]


LEGS = ("credit", "debit")

#: Every feature by name.
CATALOGUE: dict[str, Feature] = {}


def feature(
    *, credit: str = "", debit: str = "", version: int = 1
) -> Callable[[Callable[[LegRow], float]], Callable[[LegRow], float]]:
    """Enter the function that follows into the catalogue under its own name.

    Args:
        credit: the reason code it speaks for on credit legs; "" if it is no column of theirs.
        debit: the same on debit legs.
        version: see `Feature`.

    Raises:
        ValueError: another function has the name.

    """

    def enter(compute: Callable[[LegRow], float]) -> Callable[[LegRow], float]:
        name = compute.__name__
        if name in CATALOGUE:
            raise ValueError(f"feature {name} is entered twice; take another name or raise its version")
        reasons = {leg: code for leg, code in (("credit", credit), ("debit", debit)) if code}
        CATALOGUE[name] = Feature(name, version, compute, reasons)
        return compute

    return enter


def versions(leg: str) -> dict[str, int]:
    """Return the columns that leg `credit` or `debit` can have, name -> version, reason by reason."""
    return {name: CATALOGUE[name].version for group in groups(leg).values() for name in group}


def remembers(name: str) -> bool:
    """Tell whether a feature asks the ledgers, and not the payment alone: it fills as they run."""
    return bool({"payer", "account"} & set(CATALOGUE[name].compute.__code__.co_names))


def computable() -> dict[str, dict[str, int]]:
    """Return what a bundle may ask for: leg -> name -> version."""
    return {leg: versions(leg) for leg in LEGS}


def groups(leg: str) -> dict[str, tuple[str, ...]]:
    """Return those columns by the reason code they speak for."""
    found: dict[str, tuple[str, ...]] = {}
    for each in CATALOGUE.values():
        if code := each.reasons.get(leg):
            found[code] = (*found.get(code, ()), each.name)
    return found
