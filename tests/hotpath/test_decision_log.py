"""The decision log: daily Parquet, one row per payment and leg, weights for what is left out."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from models import features
from models.features import Legs
from models.ledgers.ledger import DAY_US
from pipelines.hot import decision_log
from pipelines.hot.decision_log import HOUR_US, LogDecisionsFn, block, read, schema
from pipelines.hot.serving import Computed, Scored
from tests.hotpath.conftest import Stream


def logged(stream: Stream, of: slice = slice(0, 2_000), *, share: float = 1.0, flagged: int = 0) -> bytes:
    return block_of(Legs(*(column[of] for column in stream.history.credit)), share, flagged)


def block_of(legs: Legs, share: float, flagged: int, shadow: Scored | None = None) -> bytes:
    names = tuple(features.versions("credit"))[:9]
    computed = Computed("CREDIT", legs, names, features.matrix(names, legs))
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
    table = read(tmp_path, "CREDIT")

    assert table.num_rows == 2_000
    assert table.schema == schema("CREDIT")
    assert table["txn_id"].to_pylist() == stream.rows["txn_id"][:2_000].astype(str).tolist()
    assert not list(tmp_path.rglob("*.arrows"))
    for path in tmp_path.rglob("*.parquet"):
        days = {at // DAY_US for at in pq.read_table(path, partitioning=None)["at_us"].to_pylist()}
        assert [path.parent.name] == [f"day={np.datetime64(day, 'D')}" for day in days]
    assert read(tmp_path, "DEBIT").num_rows == 0


def test_a_crash_loses_nothing_that_was_written_and_half_a_batch_is_left_out(
    stream: Stream, tmp_path: Path
) -> None:
    fn = started(tmp_path)
    fn.process(logged(stream, slice(0, 500)))
    fn.finish_bundle()
    assert read(tmp_path, "CREDIT").num_rows == 500

    fn.start_bundle()
    fn.process(logged(stream, slice(500, 1_000)))
    fn.finish_bundle()
    newest = max(tmp_path.rglob("*.arrows"), key=lambda path: path.name and path.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes()[:-50])
    table = read(tmp_path, "CREDIT")

    assert 500 <= table.num_rows < 1_000
    assert len(set(table["txn_id"].to_pylist())) == table.num_rows


def test_a_retried_bundle_and_a_second_worker_leave_one_row_a_payment(stream: Stream, tmp_path: Path) -> None:
    one, other = started(tmp_path), started(tmp_path)
    for fn in (one, one, other):
        fn.process(logged(stream, slice(0, 300)))
    one.teardown()
    other.finish_bundle()

    assert read(tmp_path, "CREDIT").num_rows == 300


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
    assert read(tmp_path, "CREDIT").num_rows == 400


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
        files.append(len([*tmp_path.rglob("*.arrows")]))
    fn.teardown()

    sealed = list(tmp_path.rglob("*.parquet"))
    assert files[:2] == [1, 1]
    assert {path.parent.name for path in sealed} == {"day=1970-01-02"}
    assert sorted(pq.read_table(path, partitioning=None).num_rows for path in sealed) == [100, 300]


def test_a_large_stream_is_closed_before_its_hour_is_over(
    stream: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision_log, "STREAM_BYTES", 100_000)
    fn = started(tmp_path)
    for start in range(0, 2_000, 500):
        legs = Legs(*(column[start : start + 500].copy() for column in stream.history.credit))
        legs.transfer["at_us"] = DAY_US
        fn.start_bundle()
        fn.process(block_of(legs, share=1.0, flagged=0))
        fn.finish_bundle()
    fn.teardown()

    assert len([*tmp_path.rglob("*.parquet")]) == 4
    assert read(tmp_path, "CREDIT").num_rows == 2_000


def test_streams_stay_open_while_a_bundle_holds_rows_as_old(stream: Stream, tmp_path: Path) -> None:
    fn = started(tmp_path)
    for _ in range(3):
        fn.process(logged(stream, slice(0, 1_000)))
        fn.process(logged(stream, slice(1_000, 2_000)))
    fn.finish_bundle()

    assert not list(tmp_path.rglob("*.parquet"))
    assert read(tmp_path, "CREDIT").num_rows == 2_000


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
    table = read(tmp_path, "CREDIT")
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
    table = read(tmp_path, "CREDIT")

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
    table = read(tmp_path, "CREDIT")

    assert table["model"].to_pylist() == ["f" * 12] * 100
    for name in ("shadow", "shadow_score", "shadow_outcome"):
        assert table[name].null_count == 100
