"""Fields that payments lack and the model was trained with: said soon after the start, then every hour."""

import logging
import threading
import time

import numpy as np

from models.features import fields
from models.scoring.bundle import LegModel
from pipelines.telemetry import TELEMETRY
from schemas.rows import Rows

#: So many payments tell what an institution sends; of each batch so many are looked at.
ENOUGH, LOOKED_AT = 1_000, 200
AGAIN_S = 3_600.0

#: A field is named if it lacks in so much more of the payments than of those trained on.
MORE = 0.2

_LOG = logging.getLogger(__name__)


class Lacking:
    """Counts what payments lack, and says it; no decision depends on it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._payments = 0
        self._lacks = dict.fromkeys(fields.FIELDS, 0)
        self._said_s = -AGAIN_S

    def note(self, rows: Rows, model: LegModel) -> list[str]:
        """Look at TRANSFER[n]; say and return what lacks, if it is time to."""
        looked = rows[:LOOKED_AT]
        lacks = fields.lacking(looked)
        with self._lock:
            self._payments += len(looked)
            for name, count in lacks.items():
                self._lacks[name] += count
            now_s = time.monotonic()
            if self._payments < ENOUGH or now_s < self._said_s + AGAIN_S:
                return []
            shares = {name: count / self._payments for name, count in self._lacks.items()}
            self._payments, self._lacks, self._said_s = 0, dict.fromkeys(fields.FIELDS, 0), now_s
        told = lines(shares, model)
        for name, line in told.items():
            TELEMETRY.count(f"lacks_{name}", 1)
            _LOG.warning("%s; the model is weaker without it", line)
        return list(told.values())


def lines(shares: dict[str, float], model: LegModel) -> dict[str, str]:
    """Say which fields lack in more of the payments than of those a model was trained on, field -> line."""
    found = {}
    for name, share in shares.items():
        trained = lacked(name, model)
        told = (
            f"trained on {trained:.0%}"
            if name in model.missing
            else "trained on payments that mostly have it"
        )
        if share >= trained + MORE:
            found[name] = f"{name} missing in {share:.0%} of payments, {told}"
    return found


def lacked(name: str, model: LegModel) -> float:
    """Return the share of payments trained on that lacked a field; all, if the model does not use it."""
    feature = fields.FIELDS[name].feature
    if feature not in model.features:
        return 1.0
    usual = model.baseline[list(model.features).index(feature)]
    return model.missing.get(name, 0.0 if np.isfinite(usual) else 1.0)
