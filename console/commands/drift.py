"""`stopline drift`: whether the newest days of a decision log still look like the days before."""

import sys
from functools import partial
from typing import Annotated

import typer

from console.lab.rows import DecisionLog, of_decision_log
from console.options import BundleFolder, Country, LogThere, PolicyFile, SkipDamaged
from models.features import computable
from models.features.catalogue import remembers
from models.learning.drift import FILLING_DAYS, to_json, to_markdown
from models.learning.drift import drift as compared
from models.scoring import bundle
from models.scoring.bundle import LEGS
from pipelines import policy
from pipelines.policy import DELAY
from schemas.errors import ConfigError
from schemas.units import DAY_US

app = typer.Typer(add_completion=False)


@app.command()
def drift(
    model_bundle: BundleFolder,
    *,
    decision_log: LogThere,
    days: Annotated[float, typer.Option(help="Newest days to compare with all days before.", min=0.01)] = 7.0,
    ledgers_filled: Annotated[
        bool, typer.Option("--ledgers_filled", help="The ledgers ran for months before the log begins.")
    ] = False,
    policy_file: PolicyFile = None,
    country: Country = "",
    skip_damaged: SkipDamaged = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON per leg.")] = False,
) -> None:
    """Compare a log's newest days with those before: features, scores, alerts.

    Exit code 1 if a leg has shifted: train again before the model acts on.

    Example: stopline drift models/shipped --decision_log var/decisions --days 7
    """
    rules = policy.load(policy.named(policy_file, country))
    loaded = bundle.load(model_bundle, features=computable())
    log = DecisionLog(decision_log, skip_damaged, partial(print, file=sys.stderr))
    shifted = False
    for leg in LEGS:
        model = loaded.leg(leg)
        rows = of_decision_log(log, leg, rules)
        newest = rows.at_us > rows.at_us[-1] - days * DAY_US
        if newest.all():
            raise ConfigError(f"{decision_log} holds no day before the newest {days:g}; give fewer --days")
        before, now = rows.take(~newest), rows.take(newest)
        X_before, X_now = before.columns(model.features), now.columns(model.features)
        found = compared(
            tuple(model.features),
            X_before,
            X_now,
            score_before=model.score(X_before),
            score_now=model.score(X_now),
            threshold=float(policy.thresholds(getattr(rules, leg), model.thresholds)[DELAY - 1]),
            weight_before=before.weight,
            weight_now=now.weight,
            filled=before.at_us >= rows.at_us[0] + (0 if ledgers_filled else FILLING_DAYS * DAY_US),
            remembered=filter(remembers, model.features),
        )
        shifted |= found.verdict == "shifted"
        print(to_json(found) if as_json else to_markdown(found).replace("# Drift", f"# Drift, {leg} leg", 1))
    raise typer.Exit(int(shifted))
