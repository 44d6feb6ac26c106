"""Changes inside other libraries: made for the versions they were written for, left out aloud on others."""

import logging
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, NamedTuple

_LOGGER = logging.getLogger(__name__)


class Change(NamedTuple):
    """One attribute of a library that is replaced.

    Attributes:
        owner: module or class that has it.
        name: of the attribute.
        value: what takes its place.
        without: what a user notices where the change is left out.

    """

    owner: Any
    name: str
    value: Any
    without: str


def change(package: str, written_for: str, changes: Iterable[Change]) -> bool:
    """Make changes inside a package if it is of the version they were written for, or a patch of it.

    On another version none is made, and a warning says what that costs: what they replace may have another
    meaning there. Nothing depends on them but speed and memory. Returns whether they were made.

    >>> import json, types
    >>> library = types.SimpleNamespace(limit=1)
    >>> change("msgspec", "0.0", [Change(library, "limit", 2, "it is slow")]), library.limit
    (False, 1)
    """
    found = version(package)
    if not f"{found}.".startswith(f"{written_for}."):
        costs = "; ".join(dict.fromkeys(each.without for each in changes))
        _LOGGER.warning(
            "%s %s is installed, our changes inside it are written for %s and left out: %s",
            package, found, written_for, costs,
        )  # fmt: skip
        return False
    for owner, name, value, _ in changes:
        getattr(owner, name)  # an attribute that is gone is an error here, not a change without effect
        setattr(owner, name, value)
    return True
