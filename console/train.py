"""`stopline train`: a model bundle from a simulated world."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer
from rich.console import Console
from rich.table import Table

from fixtures.world import World, simulate
from models.stream import Recorded, train
from pipelines import policy
from schemas.transfers import of_columns

app = typer.Typer(add_completion=False)

ROOT = Path(__file__).resolve().parents[1]


@app.command()
def train_bundle(
    *,
    out: Annotated[Path, typer.Option(help="Directory of the new bundle.")] = Path("var/bundle"),
    seed: Annotated[int, typer.Option(help="Seed of the world and of the trees.")] = 1,
    days: Annotated[int, typer.Option(help="Days to simulate; the split needs 27.")] = 28,
    accounts: Annotated[int, typer.Option(help="Accounts to simulate.")] = 20_000,
    scam_rate: Annotated[float, typer.Option(help="Scam payments per payment.")] = 0.0015,
    trees: Annotated[int, typer.Option(help="Boosted trees per leg.")] = 150,
    replace: Annotated[bool, typer.Option(help="Replace a bundle that is there.")] = False,
) -> None:
    """Simulate a world, train both legs on it and write the bundle.

    Ordered by time: fit on the first days, choose thresholds on validation days, measure on the last ones;
    labels count from the day after. Figures on our own simulator prove little, see docs/models.md.

    Example: stopline train --out var/bundle --days 24 --accounts 20000 --replace
    """
    console = Console()
    if replace:
        shutil.rmtree(out, ignore_errors=True)
    with console.status(f"simulating {days} days of {accounts:,} accounts"):
        recorded = recorded_world(simulate(seed=seed, days=days, accounts=accounts, scam_rate=scam_rate))
    rows = len(recorded.value)
    recipe = (
        f"stopline train --seed {seed} --days {days} --accounts {accounts} "
        f"--scam-rate {scam_rate} --trees {trees}"
    )
    with console.status(f"training on {rows:,} payments"):
        bundle = train(recorded, out, card=_card(recipe), git_commit=_commit(), seed=seed, max_iter=trees)
    console.print(_figures(out))
    console.print(f"bundle {bundle.version} in {out}: {rows:,} payments, {int(recorded.scam.sum()):,} scams")


def recorded_world(world: World) -> Recorded:
    """Return a simulated world as a recorded stream with its labels."""
    transfers = transfers_of(world.payments)
    return Recorded(
        transfers,
        policy.load().value(transfers),
        world.truth["scam"].to_numpy(zero_copy_only=False),
        world.truth["laundering"].to_numpy(zero_copy_only=False),
    )


def transfers_of(payments: pa.Table) -> np.ndarray:
    """Return a table of payments as TRANSFER rows."""
    columns = {name: payments[name].to_pylist() for name in payments.schema.names}
    return of_columns(columns, payments.num_rows)


def _figures(path: Path) -> Table:
    metrics = json.loads((path / "metrics.json").read_text())
    table = Table("leg", "AUC", "AP", "point", "scam value found", "innocent per 10,000", title="last days")
    for leg, found in metrics.items():
        test = found["test"]
        for name, point in test["points"].items():
            table.add_row(
                leg, f"{test['auc']:.4f}", f"{test['average_precision']:.3f}", name,
                f"{point['value_detection']:.1%}", f"{point['innocent_holds_per_10k']:.2f}",
            )  # fmt: skip
    return table


def _card(recipe: str) -> str:
    return (
        "# Model card\n\n"
        f"Trained on a simulated world by `{recipe}`.\n"
        "For demonstrations, tests and as a start before a bank has labels of its own; not for real\n"
        "customers: synthetic scams are easier than real ones.\n\n"
        "Who is harmed by a false stop: a payer whose urgent payment waits, and a payee whose money is\n"
        "held. Every measure says why, on what ground, and where to object.\n"
    )


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
