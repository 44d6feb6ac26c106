"""`stopline evaluate`: what a bundle does to payments whose truth is known."""

import json
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from console.lab import tables
from console.lab.recorded import (
    FeedbackPlaces,
    KafkaSecurity,
    KnownBy,
    PolicyFile,
    labelled_log,
    log_feedback,
    of_world,
)
from fixtures.world import START_US, World, simulate
from measures.law.rules import HoldRule
from models.features import FloatArray, computable
from models.learning import labels, plots
from models.learning.report import Acted, Texts, age_bands, minutes_to_freeze, report, together
from models.learning.stream import LegRows, of_recorded
from models.learning.train import DAY_US
from models.scoring import bundle
from models.scoring.bundle import LEGS, Bundle, LegModel
from pipelines import policy
from pipelines.policy import DELAY, OUTCOMES, STOP, Policy
from schemas.feedback import Feedback

app = typer.Typer(add_completion=False)


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


@app.command()
def evaluate(
    model_bundle: Annotated[Path, typer.Argument(help="Directory of the bundle.")],
    *,
    decision_log: Annotated[
        Path | None,
        typer.Option("--decision_log", help="Measure on this log; else on a new world."),
    ] = None,
    feedback: FeedbackPlaces = [],  # noqa: B006
    kafka_security: KafkaSecurity = [],  # noqa: B006
    known_by: KnownBy = "",
    delay_days: Annotated[
        float, typer.Option(help="Days until a payment without a label is good.", min=0)
    ] = 7.0,
    seed: Annotated[int, typer.Option(help="Seed of the world; not one trained on.", min=0)] = 2,
    days: Annotated[int, typer.Option(help="Days of the world to measure on.", min=1)] = 7,
    history_days: Annotated[int, typer.Option(help="Days before that only fill the ledgers.", min=0)] = 21,
    accounts: Annotated[int, typer.Option(help="Accounts of the world.")] = 8_000,
    scam_rate: Annotated[float, typer.Option(help="Scam payments per payment.")] = 0.0015,
    policy_file: PolicyFile = policy.DEFAULT,
    plots_to: Annotated[
        Path | None, typer.Option("--plots", help="Folder to write curves to, as PNG and SVG.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure a bundle on a new simulated world, or on a decision log with feedback.

    Thresholds are the bundle's own, chosen before these payments. Per leg: AUC, average precision, scam value
    found, innocents held, wrongful-hold minutes, calibration, alerts, and holds by age band and region.
    Both legs together: scam money held as it arrived, caught leaving a mule, lost.
    Minutes count until a payment was found legitimate, else until the measure lapses by law.

    Example: stopline evaluate models/shipped --seed 5 --plots var/plots
    """
    rules = policy.load(policy_file)
    given = log_feedback(decision_log, feedback, kafka_security, known_by)
    loaded = bundle.load(model_bundle, features=computable())
    if decision_log is None:
        source = f"a world of seed {seed}: {days} days of {accounts:,} accounts after {history_days} days"
        with Console(stderr=True).status(f"simulating {source}"):
            world = simulate(seed=seed, days=history_days + days, accounts=accounts, scam_rate=scam_rate)
            measured = _of_world(world, rules, START_US + history_days * DAY_US)
    else:
        source = f"decision log {decision_log}"
        measured = _of_log(rules, decision_log, given, known_by, delay_days)
    scores = {leg: _scores(loaded.leg(leg), measured[leg].rows) for leg in LEGS}
    least = _thresholds(loaded, rules)
    acted = {rank: _acted(measured, scores, least, rank) for rank in range(DELAY, len(OUTCOMES))}
    minutes = _minutes(acted[DELAY])
    found = {
        "bundle": loaded.version,
        "policy": rules.stamp,
        "source": source,
        "legs": {
            leg: _leg(leg, loaded, rules, measured[leg], score=scores[leg], least=least[leg]) for leg in LEGS
        },
        "together": {f"policy {OUTCOMES[rank]}": together(**legs) for rank, legs in acted.items()},
        "cases": len(minutes),
        "cases_frozen": int((~np.isnan(minutes)).sum()),
        "minutes_to_freeze_median": float(np.nanmedian(minutes)) if (~np.isnan(minutes)).any() else None,
    }
    if plots_to is not None:
        _draw(plots_to, measured, scores, minutes)
    if as_json:
        print(json.dumps(found, indent=1, allow_nan=False))
        return
    _print(found)


def _of_world(world: World, rules: Policy, begins_us: int) -> dict[str, Measured]:
    rows = of_recorded(of_world(world, rules))
    shown = rows["credit"].at_us >= begins_us
    case, region = (
        world.truth[name].to_numpy(zero_copy_only=False).astype(str)[shown] for name in ("case_id", "region")
    )
    never = np.full(len(case), -1, np.int64)
    return {leg: Measured(each.take(shown), case, region, never) for leg, each in rows.items()}


def _of_log(
    rules: Policy, folder: Path, feedback: list[Feedback], known_by: str, delay_days: float
) -> dict[str, Measured]:
    found = labels.table(feedback)
    case_of = {each.txn_id.encode(): each.case_family_id for each in feedback if each.case_family_id}
    rows = labelled_log(folder, feedback, rules, known_by=known_by, delay_days=delay_days)
    return {
        leg: Measured(
            each,
            case=np.array([case_of.get(txn_id, "") for txn_id in each.txn_id.tolist()], str),
            region=None,
            cleared_us=labels.cleared_us(found, each.txn_id),
        )
        for leg, each in rows.items()
    }


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


def _draw(
    folder: Path, measured: dict[str, Measured], scores: dict[str, FloatArray], minutes: FloatArray
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in ("png", "svg"):
        for leg, of in measured.items():
            used = of.rows.y >= 0
            rows, score = of.rows.take(used), scores[leg][used]
            if not (rows.y == 1).any():
                continue
            plots.precision_recall(folder / f"{leg}_precision_recall.{suffix}", rows.y, score, rows.weight)
            plots.calibration(folder / f"{leg}_calibration.{suffix}", rows.y, score, rows.weight)
            plots.value_at_ratio(
                folder / f"{leg}_value_at_ratio.{suffix}", rows.y, score, rows.value, rows.weight
            )
        plots.time_to_freeze(folder / f"time_to_freeze.{suffix}", minutes)


def _print(found: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(f"bundle {found['bundle']}, policy {found['policy']}, on {found['source']}", soft_wrap=True)
    for leg, figures in found["legs"].items():
        table = tables.figures(
            "point", "scam value", "false per true", "innocent per 10,000", "alerts per 10,000",
            title=f"{leg} leg: {figures['payments']:,.0f} payments, {figures['scams']:,.0f} scams",
            names="point",
        )  # fmt: skip
        for name, point in figures["points"].items():
            table.add_row(
                name, f"{point['value_detection']:.1%}", _number(point["false_per_true"], 2),
                f"{point['innocent_holds_per_10k']:.2f}", f"{point['alerts_per_10k']:.2f}",
            )  # fmt: skip
        console.print(table)
        console.print(
            f"AUC {_number(figures['auc'], 4)}, "
            f"average precision {_number(figures['average_precision'], 3)}, wrongful-hold minutes "
            f"per 10,000 good payments {figures['wrongful_hold_minutes_per_10k']:,.0f}",
            soft_wrap=True,
        )
        for group in figures["calibration"][-2:]:
            console.print(
                f"calibration, {group['rows']:,} rows: predicted {group['predicted']:.5f}, "
                f"observed {group['observed']:.5f}"
            )
        for kind, each in figures["segments"].items():
            console.print(f"held per 10,000 good payments by {kind}: {_parity(each)}", soft_wrap=True)
        if "region" not in figures["segments"]:
            console.print("by region: not known, payments do not name the payer's region")
    table = tables.figures(
        "point", "held as it arrived", "caught leaving a mule", "lost", "false per true",
        "innocent per 10,000", title="both legs: scam money, and payments held on either", names="point",
    )  # fmt: skip
    for name, both in found["together"].items():
        shares = (both[key] for key in ("held_as_it_arrived", "caught_leaving_a_mule", "lost"))
        table.add_row(
            name, *("none" if share is None else f"{share:.1%}" for share in shares),
            _number(both["false_per_true"], 2), f"{both['innocent_holds_per_10k']:.2f}",
        )  # fmt: skip
    console.print(table)
    console.print(
        f"{found['cases_frozen']} of {found['cases']} cases frozen, "
        f"median {_number(found['minutes_to_freeze_median'], 1)} minutes after the first scam payment"
    )


def _parity(segments: list[dict[str, Any]]) -> str:
    return ", ".join(
        f"{each['name']} {each['innocent_holds_per_10k']:.2f} of {each['good_payments']:,}"
        for each in segments
    )


def _number(value: float | None, digits: int) -> str:
    return "none" if value is None else f"{value:,.{digits}f}"
