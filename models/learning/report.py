"""What a model does to rows whose labels are known: the figures of `stopline evaluate`."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.features import FloatArray
from models.learning.card import segments
from models.learning.stream import LegRows
from models.learning.train import measure
from schemas.payment import AGE_BANDS
from schemas.units import DAY_US, MINUTE_US

Texts = NDArray[np.str_]


def age_bands(rows: LegRows) -> Texts:
    """Return the age band of each row's payer in words, str[n]."""
    words = np.array(["unknown", *AGE_BANDS[1:]])
    return words[np.nan_to_num(rows.columns(["age_band"])[:, 0]).astype(np.int64)]


def report(
    rows: LegRows,
    score: FloatArray,
    points: Mapping[str, float],
    *,
    segment: Mapping[str, Texts],
    held_at: float,
    held_us: NDArray[np.int64],
) -> dict[str, Any]:
    """Return one leg's figures; rows that are neither scam nor good to the leg are left out.

    Args:
        rows: with the labels known today.
        score: of each row, float64[n].
        points: thresholds by name, of the bundle and of the policy.
        segment: kind of segment -> name of each row's segment, str[n].
        held_at: the score from which the policy holds or delays a payment.
        held_us: how long each row stays held if it is, int64[n].

    """
    used = np.flatnonzero(rows.y >= 0)
    rows, score, held_us = rows.take(used), score[used], held_us[used]
    count = rows.payments()
    good, scam = rows.y == 0, rows.y == 1
    wrong = good & (score >= held_at)
    wrong_us = (count * held_us)[wrong].sum()
    return {
        "rows": len(rows.y),
        "payments": float(count.sum()),
        "scams": float(count[scam].sum()),
        "scam_value": float((count * rows.value)[scam].sum()),
        "days": float(np.ptp(rows.at_us) / DAY_US) if len(rows.y) else 0.0,
        **measure(rows.y, score, rows.value, points, count),
        "wrongful_hold_minutes_per_10k": 10_000 * float(wrong_us / MINUTE_US / max(count[good].sum(), 1)),
        "wrongful_hold_minutes": {
            name: float(np.quantile(held_us[wrong], rank)) / MINUTE_US if wrong.any() else None
            for name, rank in (("median", 0.5), ("p95", 0.95))
        },
        "segments": {
            kind: [asdict(each) for each in segments(names[used], rows.y, score, held_at, count)]
            for kind, names in segment.items()
        },
    }


def minutes_to_freeze(
    case: Texts, at_us: NDArray[np.int64], scam: NDArray[np.bool_], held: NDArray[np.bool_]
) -> FloatArray:
    """Return each case's minutes from its first scam payment to its first held leg, float64[cases].

    A case without one is nan. Arrays have one entry per leg of a case; `scam` marks the victims' payments.
    """
    minutes = []
    for name in np.unique(case[scam]):
        mine = case == name
        begin, acts = at_us[mine & scam].min(), at_us[mine & held]
        acts = acts[acts >= begin]
        minutes.append((acts.min() - begin) / MINUTE_US if len(acts) else np.nan)
    return np.array(minutes, np.float64)


class Acted(NamedTuple):
    """One leg and what was done to it.

    Attributes:
        rows: with the labels known today.
        case: the scam case of each row, "" if none, str[n].
        held: whether the row was held, bool[n].

    """

    rows: LegRows
    case: Texts
    held: NDArray[np.bool_]


def together(credit: Acted, debit: Acted) -> dict[str, float | None]:
    """Return what both legs do to the scam money and to the good payments.

    Money counts once: as it arrived, if the victim's payment was held on the credit leg; else as leaving a
    mule, if later debits of its case were held, up to what arrived unheld; else as lost. `false_per_true` and
    `innocent_holds_per_10k` count payments held on either leg. Shares are None without scams.
    """
    victim = credit.rows.y == 1
    missed, leaving = victim & ~credit.held, (debit.rows.y == 1) & debit.held
    names, place = np.unique(np.concatenate((credit.case[missed], debit.case[leaving])), return_inverse=True)
    of_missed, of_leaving = np.split(place, [missed.sum()])
    money, moved = (leg.rows.payments() * leg.rows.value for leg in (credit, debit))
    owed = np.bincount(of_missed, money[missed], minlength=len(names))
    stopped = np.bincount(of_leaving, moved[leaving], minlength=len(names))
    sent, unheld, caught = money[victim].sum(), owed.sum(), np.minimum(owed, stopped).sum()

    def share(money: float) -> float | None:
        return float(money / sent) if sent else None

    false, true = _payments_held(credit, debit, 0), _payments_held(credit, debit, 1)
    good = max(leg.rows.payments()[leg.rows.y == 0].sum() for leg in (credit, debit))
    return {
        "held_as_it_arrived": share(sent - unheld),
        "caught_leaving_a_mule": share(caught),
        "lost": share(unheld - caught),
        "false_per_true": false / true if true else None,
        "innocent_holds_per_10k": 10_000 * false / max(good, 1),
    }


def _payments_held(credit: Acted, debit: Acted, y: int) -> float:
    """Count the payments with label `y` that were held on either leg, each once."""
    held = [(leg.rows, leg.held & (leg.rows.y == y)) for leg in (credit, debit)]
    ids, place = np.unique(np.concatenate([rows.txn_id[mine] for rows, mine in held]), return_inverse=True)
    count = np.zeros(len(ids))
    np.maximum.at(count, place, np.concatenate([rows.payments()[mine] for rows, mine in held]))
    return float(count.sum())
