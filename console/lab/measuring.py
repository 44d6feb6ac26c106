"""What a bundle does to payments whose truth is known."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from console.lab.rows import DecisionLog, labelled_log
from console.lab.rows import of_world as recorded
from fixtures.world import World
from measures.law.rules import HoldRule
from models.features import FloatArray
from models.learning import labels, plots
from models.learning.report import Acted, Texts, age_bands, minutes_to_freeze, report, together
from models.learning.stream import LegRows, of_recorded
from models.scoring.bundle import LEGS, Bundle, LegModel
from pipelines import policy
from pipelines.policy import DELAY, OUTCOMES, STOP, Policy
from schemas.feedback import Feedback


class Measured(NamedTuple):
    """Rows of one leg to measure on.

    Attributes:
        rows: with the labels known today.
        case: the scam case of each row, "" if none, str[n].
        region: the payer's region, str[n]; None where the data do not hold it.
        cleared_us: when the payment was found legitimate, -1 if it was not, int64[n].

    """

    rows: LegRows
    case: Texts
    region: Texts | None
    cleared_us: NDArray[np.int64]

    def take(self, rows: NDArray[np.bool_]) -> "Measured":
        """Return some of the rows."""
        region = None if self.region is None else self.region[rows]
        return Measured(self.rows.take(rows), self.case[rows], region, self.cleared_us[rows])


class Evaluation(NamedTuple):
    """What was measured.

    Attributes:
        measured: what was measured on.
        figures: as `stopline evaluate --json` prints them.
        scores: of each leg's rows.
        minutes: of each case, from its first scam payment to the freeze; nan where nothing was frozen.

    """

    measured: Mapping[str, Measured]
    figures: dict[str, Any]
    scores: Mapping[str, FloatArray]
    minutes: FloatArray


def of_world(world: World, rules: Policy, begins_us: int) -> dict[str, Measured]:
    """Return the payments of a world from `begins_us` on; those before only fill the ledgers."""
    rows = of_recorded(recorded(world, rules))
    shown = rows["credit"].at_us >= begins_us
    case, region = (
        world.truth[name].to_numpy(zero_copy_only=False).astype(str)[shown] for name in ("case_id", "region")
    )
    cleared_us = world.truth["cleared_us"].to_numpy()[shown]
    return {leg: Measured(each.take(shown), case, region, cleared_us) for leg, each in rows.items()}


def of_log(
    rules: Policy, log: DecisionLog, feedback: list[Feedback], known_by: str, delay_days: float
) -> dict[str, Measured]:
    """Return the payments of a decision log with what feedback says of them."""
    return labelled(labelled_log(log, feedback, rules, known_by=known_by, delay_days=delay_days), feedback)


def labelled(rows: Mapping[str, LegRows], feedback: Sequence[Feedback]) -> dict[str, Measured]:
    """Return labelled rows with their cases and when they were found legitimate."""
    found = labels.table(feedback)
    case_of = {each.txn_id.encode(): each.case_family_id for each in feedback if each.case_family_id}
    return {
        leg: Measured(
            each,
            case=np.array([case_of.get(txn_id, "") for txn_id in each.txn_id.tolist()], str),
            region=None,
            cleared_us=labels.cleared_us(found, each.txn_id),
        )
        for leg, each in rows.items()
    }


def _unseen(loaded: Bundle, given: Mapping[str, Measured]) -> tuple[dict[str, Measured], int]:
    """Leave out what the bundle learned from, unless nothing else is there; returns how much that is."""
    apart = {leg: loaded.unseen(of.rows.txn_id, of.rows.at_us) for leg, of in given.items()}
    known = max(int(np.count_nonzero(~rows)) for rows in apart.values())
    if not known or not all(rows.any() for rows in apart.values()):
        return dict(given), known
    return {leg: of.take(apart[leg]) for leg, of in given.items()}, known


def measure(loaded: Bundle, rules: Policy, given: Mapping[str, Measured], source: str) -> Evaluation:
    """Score payments and hold the outcomes of the policy against the truth.

    Those that the bundle learned from, and knows by heart, are left out as long as others are there.
    """
    measured, learned = _unseen(loaded, given)
    scores = {leg: _scores(loaded.leg(leg), measured[leg].rows) for leg in LEGS}
    least = _thresholds(loaded, rules)
    acted = {rank: _acted(measured, scores, least, rank) for rank in range(DELAY, len(OUTCOMES))}
    minutes = _minutes(acted[DELAY])
    figures = {
        "bundle": loaded.version,
        "policy": rules.stamp,
        "source": source,
        "learned_from": {
            "payments": learned,
            "measured": bool(learned) and measured["credit"] is given["credit"],
        },
        "legs": {
            leg: _leg(leg, loaded, rules, measured[leg], score=scores[leg], least=least[leg]) for leg in LEGS
        },
        "together": {f"policy {OUTCOMES[rank]}": together(**legs) for rank, legs in acted.items()},
        "cases": len(minutes),
        "cases_frozen": int((~np.isnan(minutes)).sum()),
        "minutes_to_freeze_median": float(np.nanmedian(minutes)) if (~np.isnan(minutes)).any() else None,
    }
    return Evaluation(measured, figures, scores, minutes)


def draw(folder: Path, evaluation: Evaluation) -> None:
    """Write the curves as PNG and SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in ("png", "svg"):
        for leg, of in evaluation.measured.items():
            used = of.rows.y >= 0
            rows, score = of.rows.take(used), evaluation.scores[leg][used]
            if not (rows.y == 1).any():
                continue
            plots.precision_recall(folder / f"{leg}_precision_recall.{suffix}", rows.y, score, rows.weight)
            plots.calibration(folder / f"{leg}_calibration.{suffix}", rows.y, score, rows.weight)
            plots.value_at_ratio(
                folder / f"{leg}_value_at_ratio.{suffix}", rows.y, score, rows.value, rows.weight
            )
        plots.time_to_freeze(folder / f"time_to_freeze.{suffix}", evaluation.minutes)


def _scores(model: LegModel, rows: LegRows) -> FloatArray:
    return model.score(rows.columns(model.features))


def _thresholds(loaded: Bundle, rules: Policy) -> dict[str, FloatArray]:
    """Return the policy's least score for WARN, DELAY, HOLD, STOP, by leg."""
    return {leg: policy.thresholds(getattr(rules, leg), loaded.leg(leg).thresholds) for leg in LEGS}


def _acted(
    measured: dict[str, Measured], scores: dict[str, FloatArray], least: dict[str, FloatArray], rank: int
) -> dict[str, Acted]:
    """Hold each leg's rows whose outcome is that of `rank` or a graver one."""
    return {leg: Acted(of.rows, of.case, scores[leg] >= least[leg][rank - 1]) for leg, of in measured.items()}


def _leg(
    leg: str, loaded: Bundle, rules: Policy, of: Measured, *, score: FloatArray, least: FloatArray
) -> dict[str, Any]:
    points = {
        **loaded.leg(leg).thresholds,
        **{f"policy {outcome}": float(value) for outcome, value in zip(OUTCOMES[1:], least, strict=True)},
    }
    segment = {"age band": age_bands(of.rows)}
    if of.region is not None:
        segment["region"] = of.region
    outcome = policy.decide(score, least)
    return report(
        of.rows,
        score,
        points,
        segment=segment,
        held_at=float(least[DELAY - 1]),
        held_us=_held_us(leg, rules, of, outcome),
    )


def _held_us(leg: str, rules: Policy, of: Measured, outcome: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how long the law of the newest day lets each row be held, or until it was cleared."""
    if not len(outcome):
        return outcome
    now_us = int(of.rows.at_us.max())
    hold = rules.law.on(now_us).named(HoldRule)

    def term_us(rule: str) -> int:
        return rules.law.calendar.add(now_us, hold[rule].term) - now_us if rule in hold else 0

    about_account = (outcome == STOP) | (leg == "debit")
    term = np.where(about_account, term_us("payee_hold"), term_us("payer_delay"))
    return np.where(of.cleared_us >= 0, np.minimum(term, of.cleared_us - of.rows.at_us), term)


def _minutes(acted: dict[str, Acted]) -> FloatArray:
    case, at_us, scam, held = (
        np.concatenate(columns)
        for columns in zip(
            *(
                (
                    of.case,
                    of.rows.at_us,
                    (of.rows.y == 1) & (leg == "credit"),
                    of.held & (of.rows.y == 1),
                )
                for leg, of in acted.items()
            ),
            strict=True,
        )
    )
    known = case != ""
    return minutes_to_freeze(case[known], at_us[known], scam[known], held[known])
