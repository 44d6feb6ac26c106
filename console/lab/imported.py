"""Rows of both legs from imported payments: the ledgers run over them, as they do live."""

from pathlib import Path

import numpy as np

from console.lab.feedback import read_feedback
from console.lab.imports.converting import FEEDBACK, payments_of
from console.lab.measuring import Measured, labelled
from console.lab.rows import transfers_of
from console.lab.values import instant_us
from models.learning import labels
from models.learning.stream import LegRows, Recorded, of_log, of_recorded
from models.learning.train import Windows
from pipelines.policy import Policy
from schemas.errors import ConfigError
from schemas.rows import Rows
from schemas.units import DAY_US

#: Shares of the days that are not spent waiting for labels.
_SHARES = Windows(train=0.7, validation=0.14, test=0.14)

#: Until a label is known: share of an import's days, at most so many.
_DELAY_SHARE, _DELAY_DAYS_MAX = 0.06, 7.0


def windows_fitting(folder: Path) -> Windows:
    """Return a split that the days of an import can be cut into."""
    at_us = payments_of(folder)["accepted_at_us"]
    days = (at_us[-1].as_py() - at_us[0].as_py()) / DAY_US
    delay = min(_DELAY_SHARE * days, _DELAY_DAYS_MAX)
    rest = days - 3 * delay  # before validation, before the test days, and after them
    return Windows(_SHARES.train * rest, _SHARES.validation * rest, _SHARES.test * rest, delay)


def labelled_import(folder: Path, policy: Policy, *, known_by: str, delay_days: float) -> dict[str, LegRows]:
    """Return both legs of an import with the labels known by `known_by`, or by its newest payment if "".

    A leg whose own kind of label is nowhere in the data learns from the other's: most sets know one kind.

    Raises:
        ConfigError: there is no import, or the policy has no rate for a currency of it.

    """
    transfers = transfers_of(payments_of(folder))
    value = policy.value(transfers)
    if np.isnan(value).any():
        unknown = sorted(set(transfers["currency"][np.isnan(value)].astype(str).tolist()))
        raise ConfigError(f"the policy has no rate for {', '.join(unknown)}, which {folder} holds; add one")
    none = np.zeros(len(transfers), np.bool_)
    rows = of_recorded(Recorded(transfers, value, none, none, none))
    found = labels.table(read_feedback([str(folder / FEEDBACK)]))
    if not len(found):
        raise ConfigError(
            f"{folder} holds no labels; name their column under `label` in the mapping and import again"
        )
    by_us = instant_us(known_by) if known_by else int(transfers["at_us"][-1])
    return {
        leg: of_log(leg, each, _of_leg(found, leg), known_by_us=by_us, delay_days=delay_days)
        for leg, each in rows.items()
    }


def measured_import(folder: Path, policy: Policy, known_by: str, delay_days: float) -> dict[str, Measured]:
    """Return the payments of an import with what is known of them, to measure on."""
    feedback = read_feedback([str(folder / FEEDBACK)])
    rows = labelled_import(folder, policy, known_by=known_by, delay_days=delay_days)
    return labelled(rows, feedback)


def _of_leg(found: Rows, leg: str) -> Rows:
    if (found["verdict"] == labels.SOUGHT[leg]).any():
        return found
    found = found.copy()
    found["verdict"][np.isin(found["verdict"], list(labels.SOUGHT.values()))] = labels.SOUGHT[leg]
    return found
