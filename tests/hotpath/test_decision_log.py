"""The decision log: daily Parquet, one row per payment and leg, weights for what is left out."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.dataset import dataset

from models import features
from models.features import CATALOGUE, LegRow, Legs
from pipelines.hot.decision_log import append, frames
from pipelines.hot.decision_log.append import (
    ROWS_LOST,
    LogDecisionsFn,
    LogWriter,
    check_folder,
    close_all,
)
from pipelines.hot.decision_log.read import read
from pipelines.hot.decision_log.rows import block, schema
from pipelines.hot.serving import Computed, Scored
from pipelines.telemetry import TELEMETRY
from schemas.errors import ConfigError
from schemas.units import DAY_US, HOUR_US
from tests.hotpath.conftest import Stream


def logged(stream: Stream, of: slice = slice(0, 2_000), *, share: float = 1.0, flagged: int = 0) -> bytes:
    return block_of(Legs(*(column[of] for column in stream.history.credit)), share, flagged)


def block_of(legs: Legs, share: float, flagged: int, shadow: Scored | None = None) -> bytes:
    names = tuple(features.versions("credit"))[:9]
    computed = Computed("CREDIT", legs, names, features.matrix(names, legs), features.versions("credit"))
    outcome = np.zeros(len(legs.value), np.int64)
    outcome[:flagged] = 3
    live = Scored("f" * 64, np.linspace(0, 1, len(outcome)), outcome)
    return block(computed, (live, shadow), outcome=outcome, share=share)


def started(folder: Path) -> LogDecisionsFn:
    fn = LogDecisionsFn(folder)
    fn.setup()
    fn.start_bundle()
    return fn


def test_a_day_becomes_a_parquet_file_that_reads_back_as_logged(stream: Stream, tmp_path: Path) -> None:
    fn = started(tmp_path)
    fn.process(logged(stream, slice(0, 1_000)))
    fn.process(logged(stream, slice(1_000, 2_000)))
    fn.teardown()
    table = read(tmp_path, "CREDIT").rows

    assert table.num_rows == 2_000
    assert table.schema.names == schema("CREDIT").names
    assert table["txn_id"].to_pylist() == stream.rows["txn_id"][:2_000].astype(str).tolist()
    assert not list(tmp_path.rglob("*.frames"))
    for path in tmp_path.rglob("*.parquet"):
        days = {at // DAY_US for at in pq.read_table(path, partitioning=None)["at_us"].to_pylist()}
        assert [path.parent.name] == [f"day={np.datetime64(day, 'D')}" for day in days]
    assert read(tmp_path, "DEBIT").rows.num_rows == 0


def test_a_crash_loses_nothing_that_was_written_and_half_a_batch_is_left_out(
    stream: Stream, tmp_path: Path
) -> None:
    fn = started(tmp_path)
    fn.process(logged(stream, slice(0, 500)))
    fn.finish_bundle()
    assert read(tmp_path, "CREDIT").rows.num_rows == 500

    fn.start_bundle()
    fn.process(logged(stream, slice(500, 1_000)))
    fn.finish_bundle()
    newest = max(tmp_path.rglob("*.frames"), key=lambda path: path.name and path.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes()[:-50])
    table = read(tmp_path, "CREDIT").rows

    assert 500 <= table.num_rows < 1_000
    assert len(set(table["txn_id"].to_pylist())) == table.num_rows


def test_a_retried_bundle_and_a_second_worker_leave_one_row_a_payment(stream: Stream, tmp_path: Path) -> None:
    one, other = started(tmp_path), started(tmp_path)
    for fn in (one, one, other):
        fn.process(logged(stream, slice(0, 300)))
    one.teardown()
    other.finish_bundle()

    assert read(tmp_path, "CREDIT").rows.num_rows == 300


def test_late_rows_of_a_sealed_day_are_kept(stream: Stream, tmp_path: Path) -> None:
    fn = started(tmp_path)
    last = slice(len(stream.rows) - 100, None)
    for of in (slice(0, 100), last, slice(100, 200), last, slice(200, 300)):
        fn.start_bundle()
        fn.process(logged(stream, of))
        fn.finish_bundle()
    fn.teardown()
    sealed = list(tmp_path.rglob("*.parquet"))

    assert len(sealed) > len({path.parent for path in sealed})
    assert read(tmp_path, "CREDIT").rows.num_rows == 400


def test_a_stream_is_closed_when_a_bundle_holds_nothing_older_than_the_hour_after_its_first_row(
    stream: Stream, tmp_path: Path
) -> None:
    legs = Legs(*(column[:100].copy() for column in stream.history.credit))
    fn = started(tmp_path)
    files = []
    for hour in (0, 1, 2, 2):
        legs.transfer["at_us"] = DAY_US + hour * HOUR_US
        fn.start_bundle()
        fn.process(block_of(legs, share=1.0, flagged=0))
        fn.finish_bundle()
        files.append(len([*tmp_path.rglob("*.frames")]))
    fn.teardown()

    sealed = list(tmp_path.rglob("*.parquet"))
    assert files[:2] == [1, 1]
    assert {path.parent.name for path in sealed} == {"day=1970-01-02"}
    assert sorted(pq.read_table(path, partitioning=None).num_rows for path in sealed) == [100, 300]


def test_a_large_stream_is_closed_before_its_hour_is_over(
    stream: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(append, "FILE_BYTES", 100_000)
    fn = started(tmp_path)
    for start in range(0, 2_000, 500):
        legs = Legs(*(column[start : start + 500].copy() for column in stream.history.credit))
        legs.transfer["at_us"] = DAY_US
        fn.start_bundle()
        fn.process(block_of(legs, share=1.0, flagged=0))
        fn.finish_bundle()
    fn.teardown()

    assert len([*tmp_path.rglob("*.parquet")]) == 4
    assert read(tmp_path, "CREDIT").rows.num_rows == 2_000


def test_streams_stay_open_while_a_bundle_holds_rows_as_old(stream: Stream, tmp_path: Path) -> None:
    fn = started(tmp_path)
    for _ in range(3):
        fn.process(logged(stream, slice(0, 1_000)))
        fn.process(logged(stream, slice(1_000, 2_000)))
    fn.finish_bundle()

    assert not list(tmp_path.rglob("*.parquet"))
    assert read(tmp_path, "CREDIT").rows.num_rows == 2_000


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_weights_make_up_for_the_accounts_left_out_and_flagged_legs_are_always_kept(
    stream: Stream, tmp_path: Path, share: float
) -> None:
    flagged, draw = 50, np.random.default_rng(0)
    strangers = stream.rows.copy()
    strangers["creditor_account"] = draw.integers(0, 2**64, (len(strangers), 2), np.uint64)
    fn = started(tmp_path)
    fn.process(block_of(stream.history.credit._replace(transfer=strangers), share, flagged))
    fn.finish_bundle()
    table = read(tmp_path, "CREDIT").rows
    outcome, weight = table["outcome"].to_numpy(), table["weight"].to_numpy()

    assert (outcome > 0).sum() == flagged
    assert set(weight[outcome > 0]) == {1.0}
    assert set(weight[outcome == 0]) == {1 / share}
    assert weight.sum() == pytest.approx(len(stream.rows), rel=0.12)


def test_no_legs_to_keep_are_no_block(stream: Stream) -> None:
    assert logged(stream, share=0.0) == b""


def test_legs_that_only_the_shadow_flags_are_kept_with_what_both_models_say(
    stream: Stream, tmp_path: Path
) -> None:
    count = len(stream.rows)
    outcome = np.zeros(count, np.int64)
    outcome[[3, 17]] = 1, 4
    fn = started(tmp_path)
    shadow = Scored("e" * 64, np.linspace(1, 0, count), outcome)
    fn.process(block_of(stream.history.credit, share=0.0, flagged=1, shadow=shadow))
    fn.finish_bundle()
    table = read(tmp_path, "CREDIT").rows

    assert set(zip(table["model"].to_pylist(), table["shadow"].to_pylist(), strict=True)) == {
        ("f" * 12, "e" * 12)
    }
    assert table["txn_id"].to_pylist() == stream.rows["txn_id"][[0, 3, 17]].astype(str).tolist()
    assert table["model_outcome"].to_pylist() == [3, 0, 0]
    assert table["shadow_outcome"].to_pylist() == [0, 1, 4]
    assert table["shadow_score"].to_pylist() == shadow.score[[0, 3, 17]].tolist()
    assert table["weight"].to_pylist() == [1.0, 1.0, 1.0]


def test_without_a_shadow_its_columns_are_empty(stream: Stream, tmp_path: Path) -> None:
    fn = started(tmp_path)
    fn.process(logged(stream, slice(0, 100)))
    fn.finish_bundle()
    table = read(tmp_path, "CREDIT").rows

    assert table["model"].to_pylist() == ["f" * 12] * 100
    for name in ("shadow", "shadow_score", "shadow_outcome"):
        assert table[name].null_count == 100


# A disk that is full, files that are damaged


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Bytes that the disk takes until it is full, under "free"; a write may be cut short."""
    state = {"free": 1 << 40}
    write = os.write

    def limited(file: int, content: bytes) -> int:
        if not state["free"]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(file, bytes(content)[: state["free"]])
        state["free"] -= written
        return written

    monkeypatch.setattr(frames, "os", SimpleNamespace(**{**vars(os), "write": limited}))
    return state


def test_a_full_disk_costs_its_rows_and_neither_decisions_nor_what_was_written_before_or_comes_after(
    stream: Stream, tmp_path: Path, disk: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    fn = started(tmp_path)
    lost = TELEMETRY.counts().get(ROWS_LOST, 0)
    for number, free in enumerate((1 << 40, 50_000, 0, 1 << 40)):
        disk["free"] = free
        fn.start_bundle()
        fn.process(logged(stream, slice(500 * number, 500 * number + 500)))
        fn.finish_bundle()
    fn.teardown()

    kept = {*range(500), *range(1_500, 2_000)}
    assert set(read(tmp_path, "CREDIT").rows["txn_id"].to_pylist()) == {
        stream.rows["txn_id"][row].decode() for row in kept
    }
    assert TELEMETRY.counts()[ROWS_LOST] - lost == 1_000
    assert not list(tmp_path.rglob("*.frames"))
    assert [*map(caplog.text.count, ("takes no rows, decisions go on: No space left",))] == [1]


def test_what_could_not_become_parquet_stays_and_becomes_it_later(
    stream: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    fn = started(tmp_path)
    fn.process(logged(stream, slice(0, 500)))
    fn.finish_bundle()
    with monkeypatch.context() as patch:
        patch.setattr(append.pq, "write_table", full)
        fn.teardown()
    assert list(tmp_path.rglob("*.frames")) and not list(tmp_path.rglob("*.part"))
    assert read(tmp_path, "CREDIT").rows.num_rows == 500

    LogWriter(tmp_path).close()

    assert not list(tmp_path.rglob("*.frames"))
    assert read(tmp_path, "CREDIT").rows.num_rows == 500


def test_frames_are_kept_until_the_parquet_made_of_them_was_read_back(
    stream: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = os.fsync

    def broken(file: int) -> None:
        keep(file)
        damage(min(tmp_path.rglob("*.part")), 2_000)

    monkeypatch.setattr(append.os, "fsync", broken)
    fn = started(tmp_path)
    fn.process(logged(stream, slice(0, 500)))
    fn.finish_bundle()
    fn.teardown()

    assert not list(tmp_path.rglob("*.parquet"))
    assert read(tmp_path, "CREDIT").rows.num_rows == 500


def test_a_log_of_a_process_that_was_killed_becomes_parquet_at_the_next_clean_stop_and_a_live_one_is_left(
    stream: Stream, tmp_path: Path
) -> None:
    dead, alive = started(tmp_path), started(tmp_path)
    for fn, of in ((dead, slice(0, 300)), (alive, slice(300, 600))):
        fn.process(logged(stream, of))
        fn.finish_bundle()
    for file, _ in dead._writer._open.values():
        file.close()  # as the system does

    LogWriter(tmp_path).close()

    assert len(list(tmp_path.rglob("*.frames"))) == len(alive._writer._open)
    assert read(tmp_path, "CREDIT").rows.num_rows == 600
    alive.teardown()


def test_any_reader_of_parquet_opens_the_log_even_while_it_is_written(stream: Stream, tmp_path: Path) -> None:
    fn = started(tmp_path)
    fn.process(logged(stream, slice(0, 300)))
    fn.finish_bundle()
    assert dataset(tmp_path, partitioning="hive").count_rows() == 0

    close_all()

    assert dataset(tmp_path, partitioning="hive").count_rows() == 300
    fn.teardown()


def damage(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("kind", ["empty", "cut", "flipped", "foreign", "text"])
def test_a_damaged_or_foreign_file_is_named_and_can_be_left_out(
    stream: Stream, tmp_path: Path, kind: str
) -> None:
    fn = started(tmp_path)
    fn.process(logged(stream, slice(0, 500)))
    fn.teardown()
    whole = min(tmp_path.rglob("*.parquet"))
    bad = whole.with_name(f"credit-bad{'.txt' if kind == 'text' else '.parquet'}")
    if kind == "foreign":
        pq.write_table(pa.table({"txn_id": ["a"], "colour": ["red"]}), bad)
    else:
        content = whole.read_bytes()
        bad.write_bytes({"empty": b"", "cut": content[:-9], "text": b"notes"}.get(kind, content))
        if kind == "flipped":
            bad = bad.rename(whole.with_name(f"credit-bad.{whole.name.split('.')[-2]}.parquet"))
            damage(bad, len(content) // 3)

    with pytest.raises(ConfigError, match=rf"{bad} is damaged or no file of a decision log .*--skip-damaged"):
        read(tmp_path, "CREDIT")

    log = read(tmp_path, "CREDIT", skip_damaged=True)
    assert log.rows.num_rows == 500
    assert [text.partition(":")[0] for text in log.left_out] == [str(bad)]


def test_every_flipped_bit_of_a_finished_file_is_noticed(stream: Stream, tmp_path: Path) -> None:
    fn = started(tmp_path)
    fn.process(logged(stream, slice(0, 60)))
    fn.teardown()
    whole = min(tmp_path.rglob("*.parquet"))
    content = whole.read_bytes()
    for place in range(0, len(content), 97):
        damage(whole, place)
        with pytest.raises(ConfigError, match="is damaged"):
            read(tmp_path, "CREDIT")
        whole.write_bytes(content)
    assert read(tmp_path, "CREDIT").rows.num_rows == 60


def test_every_flipped_bit_of_a_file_that_is_added_to_is_noticed_and_it_is_not_deleted(
    stream: Stream, tmp_path: Path
) -> None:
    fn = started(tmp_path)
    fn.process(logged(stream, slice(0, 60)))
    fn.finish_bundle()
    (path,) = tmp_path.rglob("*.frames")
    whole = path.read_bytes()
    draw = np.random.default_rng(0)
    for place in [*range(48), *draw.integers(0, len(whole), 100).tolist()]:
        damage(path, place)
        with pytest.raises(ConfigError, match="is damaged"):
            read(tmp_path, "CREDIT")
        path.write_bytes(whole)
    damage(path, len(whole) // 2)
    fn.teardown()

    assert path.exists()
    assert read(tmp_path, "CREDIT", skip_damaged=True).left_out


def test_a_folder_that_cannot_be_written_is_refused_before_the_first_payment(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(ConfigError, match=r"--decision_log .*file/log cannot be written \(Not a directory\)"):
        check_folder(tmp_path / "file" / "log")
    check_folder(tmp_path / "new" / "log")
    assert [*(tmp_path / "new" / "log").iterdir()] == []


# Releases


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A release with a feature more, and another one changed."""
    before = dict(CATALOGUE)

    @features.feature(credit="AMOUNT_UNUSUAL")
    def half_amount(leg: LegRow) -> float:
        return leg.value / 2

    CATALOGUE["roundness"] = CATALOGUE["roundness"]._replace(version=2)
    yield
    CATALOGUE.clear()
    CATALOGUE.update(before)


@pytest.mark.slow
def test_a_log_reads_as_one_over_releases_and_says_what_is_missing_where(
    stream: Stream, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    fn = started(tmp_path)
    fn.process(logged(stream, slice(0, 300)))
    fn.teardown()
    days = sorted(path.parent.name.removeprefix("day=") for path in tmp_path.rglob("*.parquet"))
    request.getfixturevalue("released")
    fn = started(tmp_path)
    fn.process(logged(stream, slice(len(stream.rows) - 300, None)))
    fn.teardown()

    log = read(tmp_path, "CREDIT")

    assert log.rows.num_rows == 600
    first, last = (log.rows[name].to_numpy() for name in ("half_amount", "roundness"))
    assert np.isnan(first[:300]).all() and np.isnan(last[:300]).all()
    assert (first[300:] == stream.history.credit.value[-300:] / 2).all()
    assert not np.isnan(last[300:]).any()
    assert set(log.lacking) == {"half_amount", "roundness"}
    assert log.lacking["half_amount"] == days
