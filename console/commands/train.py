"""`stopline train`: a model bundle from a decision log with feedback, or from simulated worlds."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from console.lab.recorded import (
    FeedbackPlaces,
    KafkaSecurity,
    KnownBy,
    labelled_log,
    log_feedback,
    of_world,
    windows_of,
)
from console.lab.tables import figures
from fixtures.world import simulate
from models.learning.card import Segment, card, segments
from models.learning.report import age_bands
from models.learning.stream import SHORT, LegRows, joined, of_recorded, train
from models.learning.train import DAY_US, Windows, probability
from models.scoring.bundle import MANIFEST, LegParts
from pipelines import policy
from schemas.errors import ConfigError

app = typer.Typer(add_completion=False)

ROOT = Path(__file__).resolve().parents[2]

#: The card counts innocent holds per segment at this operating point.
CARD_POINT = "innocent_5_per_10k"


@app.command()
def train_bundle(
    *,
    out: Annotated[Path, typer.Option(help="Directory of the new bundle.")] = Path("var/bundle"),
    decision_log: Annotated[
        Path | None,
        typer.Option("--decision_log", help="Folder of a decision log to train on."),
    ] = None,
    feedback: FeedbackPlaces = [],  # noqa: B006
    kafka_security: KafkaSecurity = [],  # noqa: B006
    known_by: KnownBy = "",
    windows: Annotated[
        str, typer.Option(help="Days of train,validation,test,delay; default 63,7,7,7, in a world 11,7,7,1.")
    ] = "",
    policy_file: Annotated[
        Path, typer.Option("--policy_file", help="YAML policy with the rates of currencies.")
    ] = policy.DEFAULT,
    seed: Annotated[int, typer.Option(help="Seed of the first world and of the trees.", min=0)] = 1,
    worlds: Annotated[int, typer.Option(help="Worlds to simulate, of seeds one after the other.", min=1)] = 1,
    days: Annotated[int, typer.Option(help="Days to simulate; the split needs 27.")] = 28,
    accounts: Annotated[int, typer.Option(help="Accounts to simulate.")] = 20_000,
    scam_rate: Annotated[float, typer.Option(help="Scam payments per payment.")] = 0.0015,
    trees: Annotated[int, typer.Option(help="Boosted trees per leg.", min=1)] = 150,
    replace: Annotated[bool, typer.Option(help="Replace a bundle that is there.")] = False,
) -> None:
    """Train both legs on a decision log with feedback, or on simulated worlds, and write the bundle.

    Ordered by time: fit on the first days, choose thresholds on validation days, measure on the last ones.
    Of a log, a label counts from the day it became known, a payment without one is good only once the delay
    has passed, and sampled rows count for those left out. Without --decision_log worlds are simulated, whose
    labels count after the delay; figures on our own simulator prove little, see docs/models.md.

    Example: stopline train --decision_log var/log --feedback feedback.jsonl --out var/bundle
    """
    console = Console()
    rules = policy.load(policy_file)
    labels = log_feedback(decision_log, feedback, kafka_security, known_by)
    split = windows_of(windows) if windows else SHORT if decision_log is None else Windows()
    _check_room(out, replace=replace)
    if decision_log is None:
        recipe = (
            f"stopline train --seed {seed} --worlds {worlds} --days {days} --accounts {accounts} "
            f"--scam-rate {scam_rate} --trees {trees}" + (f" --windows {windows}" if windows else "")
        )
        with console.status(f"simulating {days} days of {accounts:,} accounts, {worlds} times"):
            made = (
                simulate(each, days, accounts, scam_rate=scam_rate) for each in range(seed, seed + worlds)
            )
            rows = joined([of_recorded(of_world(world, rules)) for world in made])
        source = (
            f"{worlds} simulated worlds, by `{recipe}`" if worlds > 1 else f"a world simulated by `{recipe}`"
        )
    else:
        with console.status(f"reading {decision_log}"):
            rows = labelled_log(decision_log, labels, rules, known_by=known_by, delay_days=split.delay)
        source = "a decision log"
    new = out.with_name(f"{out.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    legs = rows["credit"]
    with console.status(f"training on {len(legs.y):,} payments"):
        bundle = train(
            rows,
            new,
            card=lambda parts: _card(parts, rows, split, source, synthetic=decision_log is None),
            git_commit=_commit(),
            windows=split,
            seed=seed,
            max_iter=trees,
        )
    shutil.rmtree(out, ignore_errors=True)
    new.rename(out)
    console.print(_figures(out))
    scams = ", ".join(f"{int((each.y == 1).sum()):,} {leg}" for leg, each in rows.items())
    console.print(f"bundle {bundle.version} in {out}: {len(legs.y):,} payments, scams by leg: {scams}")


def _check_room(out: Path, *, replace: bool) -> None:
    """Refuse a place for the bundle before the work for it begins; only a bundle is ever replaced."""
    if out.exists() and not replace:
        raise ConfigError(
            f"{out} exists; name a new folder with --out, or replace that bundle with --replace"
        )
    if out.exists() and not (out / MANIFEST).is_file():
        raise ConfigError(f"{out} is no bundle, so it is not replaced; name another folder with --out")


def _figures(path: Path) -> Table:
    metrics = json.loads((path / "metrics.json").read_text())
    table = figures(
        "leg", "AUC", "AP", "point", "scam value found", "innocent per 10,000",
        title="last days", names="point",
    )  # fmt: skip
    for leg, found in metrics.items():
        test = found["test"]
        for name, point in test["points"].items():
            table.add_row(
                leg, _digits(test["auc"], 4), _digits(test["average_precision"], 3), name,
                f"{point['value_detection']:.1%}", f"{point['innocent_holds_per_10k']:.2f}",
            )  # fmt: skip
    return table


def _digits(value: float | None, digits: int) -> str:
    return "no scams" if value is None else f"{value:.{digits}f}"


def _card(
    parts: Mapping[str, LegParts],
    rows: Mapping[str, LegRows],
    windows: Windows,
    source: str,
    *,
    synthetic: bool,
) -> str:
    first, last = (
        datetime.fromtimestamp(int(at_us) / 1e6, UTC).date()
        for at_us in (rows["credit"].at_us.min(), rows["credit"].at_us.max())
    )
    return card(
        "Model card",
        parts,
        window=f"{first} to {last}, from {source}",
        by_segment={leg: _disturbed(parts[leg], rows[leg], windows) for leg in parts},
        synthetic=synthetic,
    )


def _disturbed(parts: LegParts, rows: LegRows, windows: Windows) -> list[Segment]:
    """Innocent holds of the test days by the payer's age band."""
    newest = rows.at_us > rows.at_us.max() - windows.test * DAY_US
    rows = rows.take(newest & (rows.y >= 0))
    score = probability(parts.classifier, rows.columns(parts.features))
    return segments(age_bands(rows), rows.y, score, parts.thresholds[CARD_POINT], rows.weight)


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
