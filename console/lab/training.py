"""A model bundle from rows: trained beside its place, then moved into it."""

import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from console.lab.rows import Worlds, of_worlds
from fixtures.world import START_US
from models.learning.card import Segment, card, segments
from models.learning.report import age_bands
from models.learning.stream import LegRows, joined, train
from models.learning.train import Windows, probability
from models.scoring.bundle import MANIFEST, Bundle, LegParts
from pipelines.policy import Policy
from schemas.errors import ConfigError
from schemas.units import DAY_US

ROOT = Path(__file__).resolve().parents[2]

_FILLING_DAYS = 7

#: The card counts innocent holds per segment at this operating point.
CARD_POINT = "innocent_5_per_10k"


def recipe(worlds: Worlds, trees: int, windows: str, choose: str = "") -> str:
    """Say which command simulates the same worlds, of seeds one after the other, and trains on them."""
    count = len(worlds.seeds)
    words = (
        f"stopline train --seed {worlds.seeds[0]} --worlds {count} --days {worlds.days} "
        f"--accounts {worlds.accounts} --scam-rate {worlds.scam_rate} --trees {trees}"
        + (f" --windows {windows}" if windows else "")
        + (f" --mix {worlds.mix}" if worlds.mix else "")
        + (f" --clues {worlds.clues:g}" if worlds.clues else "")
        + (f" --choose {choose}" if choose else "")
    )
    return f"{count} simulated worlds, by `{words}`" if count > 1 else f"a world simulated by `{words}`"


def simulated(
    worlds: Worlds, choose: str, rules: Policy
) -> tuple[dict[str, LegRows], dict[str, LegRows] | None]:
    """Return rows to train on and, if a mix to `choose` on is named, rows of half as many worlds of that mix.

    Of several worlds every third good payment is trained on and counts thrice. In worlds to choose on the
    first week only fills the ledgers.
    """
    many = len(worlds.seeds) > 1
    rows = joined([_thinned(each) if many else each for _, each in of_worlds(worlds, rules)])
    if not choose:
        return rows, None
    first = worlds.seeds[-1] + 1
    other = worlds._replace(seeds=range(first, first + (len(worlds.seeds) + 1) // 2), mix=choose)
    begins_us = START_US + _FILLING_DAYS * DAY_US
    apart = [
        {leg: each.take(each.at_us >= begins_us) for leg, each in rows.items()}
        for _, rows in of_worlds(other, rules)
    ]
    return rows, joined(apart)


def _thinned(rows: Mapping[str, LegRows]) -> dict[str, LegRows]:
    return {leg: each.thinned() for leg, each in rows.items()}


class Settings(NamedTuple):
    """How a bundle is trained: where its rows are from, in words, whether simulated, and settings."""

    source: str
    synthetic: bool
    windows: Windows
    seed: int
    trees: int


def write_bundle(
    out: Path, rows: dict[str, LegRows], how: Settings, apart: Mapping[str, LegRows] | None = None
) -> Bundle:
    """Train both legs and put the bundle at `out`, in place of one that is there.

    Thresholds are chosen on the rows `apart`, if there are any, else on validation days.
    """
    new = out.with_name(f"{out.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    bundle = train(
        rows,
        new,
        card=lambda parts: _card(parts, rows, how),
        git_commit=_commit(),
        windows=how.windows,
        seed=how.seed,
        max_iter=how.trees,
        apart=apart,
    )
    shutil.rmtree(out, ignore_errors=True)
    new.rename(out)
    return bundle


def require_room(out: Path, *, replace: bool) -> None:
    """Refuse a place for the bundle before the work for it begins; only a bundle is ever replaced."""
    if out.exists() and not replace:
        raise ConfigError(
            f"{out} exists; name a new folder with --out, or replace that bundle with --replace"
        )
    if out.exists() and not (out / MANIFEST).is_file():
        raise ConfigError(f"{out} is no bundle, so it is not replaced; name another folder with --out")


def _card(parts: Mapping[str, LegParts], rows: Mapping[str, LegRows], how: Settings) -> str:
    first, last = (
        datetime.fromtimestamp(int(at_us) / 1e6, UTC).date()
        for at_us in (rows["credit"].at_us.min(), rows["credit"].at_us.max())
    )
    return card(
        "Model card",
        parts,
        window=f"{first} to {last}, from {how.source}",
        by_segment={leg: _disturbed(parts[leg], rows[leg], how.windows) for leg in parts},
        synthetic=how.synthetic,
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
