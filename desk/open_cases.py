"""Open cases by columns, in memory: what the queue is ordered and counted by at every look."""

import threading
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from desk.sight import Sight
from desk.store import Store

#: What is kept of a case, as table `cases` names it; `law_due_us` is 0 without one, `currency` and
#: `institution` are places in `OpenCases.texts`.
COLUMNS: Mapping[str, str] = {
    "case_id": "S40", "open": "?", "expected": "f8", "law_due_us": "i8", "since_at_us": "i8",
    "since_received_us": "i8", "service_us": "i8", "amount_minor": "i8", "live": "i4", "pending": "i4",
    "appeals": "i4", "escalated": "i4", "currency": "i4", "institution": "i4",
}  # fmt: skip

Cases = Mapping[str, NDArray[Any]]

_QUERY = f"""
SELECT {", ".join(COLUMNS)}, changed FROM cases WHERE changed > ? AND (open = 1 OR ? = 1) ORDER BY changed
""".replace("law_due_us", "coalesce(law_due_us, 0)")


class OpenCases:
    """Follows the changes of a store's cases; a store that is made anew is read anew.

    Attributes:
        texts: currencies and institutions, each once.

    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._forget("")

    def _forget(self, epoch: str) -> None:
        self._epoch, self._changed = epoch, -1
        self._columns = {name: np.zeros(0, kind) for name, kind in COLUMNS.items()}
        self._places: dict[str, int] = {}
        self.texts: dict[str, int] = {}

    def seen(self, sight: Sight) -> Cases:
        """Return the open cases that are seen, by columns, as of the store's last change."""
        with self._lock:
            self._catch_up()
            shown = self._columns["open"].copy()
            if sight.codes is not None:
                own = [self.texts[code] for code in sight.codes if code in self.texts]
                shown &= np.isin(self._columns["institution"], own)
            return {name: column[shown] for name, column in self._columns.items()}

    def _catch_up(self) -> None:
        if (epoch := self._store.epoch) != self._epoch:
            self._forget(epoch)
        rows = self._store.rows(_QUERY, self._changed, int(self._changed >= 0))
        if not rows:
            return
        found = dict(zip((*COLUMNS, "changed"), map(list, zip(*rows, strict=True)), strict=True))
        for name in ("currency", "institution"):
            found[name] = [self.texts.setdefault(text, len(self.texts)) for text in found[name]]
        places = [self._places.setdefault(name, len(self._places)) for name in found["case_id"]]
        more = len(self._places) - len(self._columns["open"])
        for name, kind in COLUMNS.items():
            column = (
                np.concatenate((self._columns[name], np.zeros(more, kind))) if more else self._columns[name]
            )
            column[places] = np.array(found[name], kind)
            self._columns[name] = column
        self._changed = found["changed"][-1]


def open_cases(store: Store) -> OpenCases:
    """Return what is kept of a store in this process."""
    found = store.beside.get(OpenCases) or store.beside.setdefault(OpenCases, OpenCases(store))
    return cast(OpenCases, found)
