"""An import is trained on and measured on as a decision log is; labels count from when they were known."""

from pathlib import Path

import numpy as np
import pyarrow.csv
import pytest

from console.lab.imported import labelled_import, read_import
from console.lab.imports.converting import convert
from console.lab.imports.mapping import load
from fixtures.world import simulate
from models.learning.stream import LegRows
from pipelines import policy
from schemas.errors import ConfigError
from schemas.units import DAY_US

MAPPING = """
table: {format: csv}
fields:
  txn_id: {column: txn_id}
  accepted_at_us: {column: accepted_at_us, unit: microseconds}
  amount_minor: {column: amount_minor, unit: minor}
  currency: {column: currency}
  debtor: {column: debtor, token: PARTY}
  debtor_account: {column: debtor_account, token: ACCOUNT}
  creditor_account: {column: creditor_account, token: ACCOUNT}
  payee_added_at_us: {column: payee_added_at_us, unit: microseconds, missing: ["-1"]}
"""
LABEL = "label: {column: truth, scam: [scam], laundering: [laundering], known_after_days: 1}\n"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small world as the table of a bank that has never heard of us."""
    world = simulate(7, days=12, accounts=600, scam_rate=0.01)
    truth = np.where(
        world.truth["scam"].to_numpy(zero_copy_only=False), "scam",
        np.where(world.truth["laundering"].to_numpy(zero_copy_only=False), "laundering", ""),
    )  # fmt: skip
    path = tmp_path_factory.mktemp("bank") / "payments.csv"
    pyarrow.csv.write_csv(world.payments.append_column("truth", [truth.tolist()]), path)
    return path


def imported(table: Path, tmp_path: Path, label: str = LABEL) -> Path:
    (tmp_path / "map.yaml").write_text(MAPPING + label)
    convert(load(str(tmp_path / "map.yaml")), table, tmp_path / "out", bytes(32))
    return tmp_path / "out"


def legs_of(folder: Path, delay_days: float) -> dict[str, LegRows]:
    return labelled_import(read_import(folder, print), policy.load(), known_by="", delay_days=delay_days)


def test_labels_count_from_when_they_were_known(exported: Path, tmp_path: Path) -> None:
    rows = legs_of(imported(exported, tmp_path), delay_days=2)

    for leg in rows.values():
        assert (leg.y == 1).any() and leg.known is not None
        first_us = int(leg.at_us[leg.y == 1][0])
        known = leg.known(first_us + DAY_US / 2)
        assert not (known == 1).any()


def test_a_leg_without_labels_of_its_kind_learns_from_the_others(exported: Path, tmp_path: Path) -> None:
    label = LABEL.replace("laundering: [laundering], ", "")

    rows = legs_of(imported(exported, tmp_path, label), delay_days=1)

    assert (rows["debit"].y == 1).sum() == (rows["credit"].y == 1).sum() > 0


def test_the_usual_split_fits_into_the_days_there_are(exported: Path, tmp_path: Path) -> None:
    split = read_import(imported(exported, tmp_path), print).windows()

    assert split.train + split.validation + split.test + 2 * split.delay <= 12
    assert split.train > split.test > 0 and split.delay == 1


def test_the_wait_for_labels_is_as_long_as_most_of_them_take(exported: Path, tmp_path: Path) -> None:
    said: list[str] = []
    given = read_import(imported(exported, tmp_path, LABEL.replace("days: 1", "days: 2")), said.append)
    split, leg = given.windows(), legs_of(tmp_path / "out", delay_days=given.delay_days)["credit"]
    day = leg.at_us / DAY_US
    test = day > day.max() - split.test
    choosing = (day < day.max() - split.test - split.delay) & ~(
        day < day.max() - split.test - split.delay - 2
    )

    assert given.delay_days == pytest.approx(2) and said == []
    assert (leg.y[test] == 1).any() and (leg.y[choosing] == 1).any()


def test_labels_that_come_too_late_for_the_days_count_earlier_and_it_is_said(
    exported: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    given = read_import(imported(exported, tmp_path, LABEL.replace("days: 1", "days: 90")), said.append)

    assert given.delay_days == pytest.approx(0.2 * np.ptp(given.transfers["at_us"]) / DAY_US)
    assert "more than 2.4 days after the payment" in said[0]
    assert (legs_of(tmp_path / "out", delay_days=given.delay_days)["credit"].y == 1).any()


def test_an_import_without_labels_is_refused_with_the_next_step(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name their column under `label`"):
        read_import(imported(exported, tmp_path, ""), print)
