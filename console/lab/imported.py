"""Rows of both legs from imported payments: the ledgers run over them, as they do live."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
from schemas.feedback import Feedback
from schemas.rows import Rows
from schemas.units import DAY_US

#: Shares of the days that are not spent waiting for labels.
_SHARES = Windows(train=0.7, validation=0.14, test=0.14)

#: How long labels take: this share of them are known by then.
_MOST = 0.8

#: What one wait for labels may take of the days there are.
_WAIT_SHARE = 0.2


class Import(NamedTuple):
    """Imported payments, TRANSFER[n] ordered by time, and what became known of them.

    Attributes:
        folder: where it is.
        transfers: the payments.
        feedback: labels, each with the time it became known.
        found: the same as LABEL[m], but none later than can be waited for.
        delay_days: days that most labels take, or that can be waited for.

    """

    folder: Path
    transfers: Rows
    feedback: Sequence[Feedback]
    found: Rows
    delay_days: float

    def windows(self) -> Windows:
        """Return a split that the days can be cut into; labels are waited for twice."""
        wait_us = self.delay_days * DAY_US
        unlabelled_us = max(int(self.transfers["at_us"][-1]) + wait_us - self.known_by_us(), 0)
        rest = _days(self.transfers) - unlabelled_us / DAY_US - 2 * self.delay_days
        return Windows(_SHARES.train * rest, _SHARES.validation * rest, _SHARES.test * rest, self.delay_days)

    def known_by_us(self, known_by: str = "") -> int:
        """Return up to when labels count; "" is when the newest payment or label of the import was known."""
        if known_by:
            return instant_us(known_by)
        return max(int(self.transfers["at_us"][-1]), int(self.found["known_us"].max()))


def read_import(folder: Path, say: Callable[[str], None]) -> Import:
    """Read what `stopline import` wrote; `say` is told if its labels come too late for the days there are.

    Raises:
        ConfigError: there is no import, or it holds no labels.

    """
    transfers = transfers_of(payments_of(folder))
    feedback = read_feedback([str(folder / FEEDBACK)])
    found = labels.table(feedback)
    if not len(found):
        raise ConfigError(
            f"{folder} holds no labels; name their column under `label` in the mapping and import again"
        )
    at_us = _paid_us(found, transfers)
    sought = np.isin(found["verdict"], list(labels.SOUGHT.values()))
    waits = np.sort((found["known_us"] - at_us)[sought if sought.any() else ...])
    took = waits[int(_MOST * (len(waits) - 1))] / DAY_US
    most = _WAIT_SHARE * _days(transfers)
    if took > most:
        found["known_us"] = np.minimum(found["known_us"], at_us + round(most * DAY_US))
        say(
            f"most labels became known more than {most:.1f} days after the payment, too late for "
            f"{_days(transfers):.1f} days of payments: here they count as known {most:.1f} days after it, "
            "so life will be worse than these figures; import more days"
        )
    return Import(folder, transfers, feedback, np.sort(found), float(min(took, most)))


def labelled_import(given: Import, policy: Policy, *, known_by: str, delay_days: float) -> dict[str, LegRows]:
    """Return both legs of an import with the labels known by `known_by`, or by all that is in it if "".

    A leg whose own kind of label is nowhere in the data learns from the other's: most sets know one kind.

    Raises:
        ConfigError: the policy has no rate for a currency of it.

    """
    transfers = given.transfers
    value = policy.value(transfers)
    if np.isnan(value).any():
        unknown = sorted(set(transfers["currency"][np.isnan(value)].astype(str).tolist()))
        raise ConfigError(
            f"the policy has no rate for {', '.join(unknown)}, which {given.folder} holds; add one"
        )
    none = np.zeros(len(transfers), np.bool_)
    rows = of_recorded(Recorded(transfers, value, none, none, none))
    by_us = given.known_by_us(known_by)
    return {
        leg: of_log(leg, each, _of_leg(given.found, leg), known_by_us=by_us, delay_days=delay_days)
        for leg, each in rows.items()
    }


def measured_import(
    given: Import, policy: Policy, known_by: str, delay_days: float | None
) -> dict[str, Measured]:
    """Return the payments of an import with what is known of them, to measure on."""
    delay = given.delay_days if delay_days is None else delay_days
    rows = labelled_import(given, policy, known_by=known_by, delay_days=delay)
    return labelled(rows, given.feedback)


def _days(transfers: Rows) -> float:
    """Return the days from the first payment to the last."""
    return float(transfers["at_us"][-1] - transfers["at_us"][0]) / DAY_US


def _paid_us(found: Rows, transfers: Rows) -> NDArray[np.int64]:
    """Return when what labels speak of was paid, int64[m]; of another payment when it became known."""
    order = np.argsort(transfers["txn_id"])
    ids = transfers["txn_id"][order]
    place = np.minimum(np.searchsorted(ids, found["txn_id"]), len(ids) - 1)
    paid = transfers["at_us"][order][place]
    return np.where(ids[place] == found["txn_id"], paid, found["known_us"])


def _of_leg(found: Rows, leg: str) -> Rows:
    if (found["verdict"] == labels.SOUGHT[leg]).any():
        return found
    found = found.copy()
    found["verdict"][np.isin(found["verdict"], list(labels.SOUGHT.values()))] = labels.SOUGHT[leg]
    return found
