"""Log-structured shard state: the live table is used only where it is the one the log describes."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.ledgers.accounts import ACCOUNT_FACT, ACCOUNTS
from models.ledgers.ledger import Ledger
from models.ledgers.parties import PARTY_FACT, PAYERS
from models.ledgers.table import Table
from pipelines.state import shard_state
from pipelines.state.identity import Identity
from pipelines.state.shard_state import Head, Tables, Version, rebuilt
from pipelines.state.shards import by_shard, pack, shard_of, unpack
from pipelines.state.store import BeamStore
from schemas.errors import StateError
from tests.hotpath.states import Bag, Shard, Value
from tests.hotpath.test_ledger import FACTS, fold, observed, random_facts

each_kind = pytest.mark.parametrize("kind", [PAYERS, ACCOUNTS], ids=lambda kind: kind.name)
_numbers = itertools.count(10_000)

TABLES = Tables()
observe = TABLES.observe


@pytest.fixture
def number() -> int:
    """A shard number that no other test uses: live tables stay in the process."""
    return next(_numbers)


def blocks_of(kind: Ledger, count: int, rows: int = 200, keys: int = 60, seed: int = 0) -> list[np.ndarray]:
    return np.array_split(random_facts(kind, count * rows, keys, seed), count)


def live(kind: Ledger, number: int) -> Table:
    return TABLES.live[kind.name, number][1]


def version(shard: Shard) -> Version:
    return Version(*shard_state._VERSION.unpack(shard.version.read() or b""))


def forget(kind: Ledger, number: int) -> None:
    """As a restart or a move to another worker does."""
    TABLES.live.pop((kind.name, number), None)


@each_kind
@pytest.mark.parametrize("slice_bytes", [1 << 20, 5_000])
@pytest.mark.parametrize("compact_bytes", [1 << 20, 20_000])
def test_a_rebuilt_table_equals_the_live_one_bit_for_bit(
    kind: Ledger, number: int, compact_bytes: int, slice_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_state, "COMPACT_BYTES", compact_bytes)
    monkeypatch.setattr(shard_state, "SLICE_BYTES", slice_bytes)
    shard, halfway = Shard(), 0
    for block in blocks_of(kind, 80, rows=20, keys=400):
        observe(kind, number, [block], shard.version, shard.logs)
        for log in shard.logs:
            log.items.reverse()
        again = rebuilt(kind, shard.logs, version(shard))
        assert again.filled.tobytes() == live(kind, number).filled.tobytes()
        halfway += version(shard).next_rows > 0
    assert (version(shard).snapshots > 0) == (compact_bytes < 1 << 20)
    assert (halfway > 5) == (compact_bytes < 1 << 20 and slice_bytes < 1 << 20)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(["observe", "fail before", "fail after", "restart"]), max_size=15))
def test_failed_bundles_and_restarts_leave_no_trace_in_what_is_seen(steps: list[str]) -> None:
    number, shard = next(_numbers), Shard()
    blocks = iter(blocks_of(ACCOUNTS, 16, rows=20, keys=5))
    done, seen = [], []
    for step in steps:
        if step == "restart":
            forget(ACCOUNTS, number)
            continue
        block = next(blocks)
        try:
            with shard.bundle():
                if step == "fail before":
                    raise OSError
                views = observe(ACCOUNTS, number, [block], shard.version, shard.logs)
                if step == "fail after":
                    raise OSError
        except OSError:
            continue
        done.append(block)
        seen.append(views)
    if done:
        table, views = fold(ACCOUNTS, *done)
        assert np.concatenate(seen).tobytes() == views.tobytes()
        assert rebuilt(ACCOUNTS, shard.logs, version(shard)).filled.tobytes() == table.filled.tobytes()


def test_a_fold_that_fails_half_way_leaves_no_half_table(number: int) -> None:
    shard = Shard()
    first, second, third = blocks_of(PAYERS, 3)
    observe(PAYERS, number, [first], shard.version, shard.logs)

    def half(table: Table, parts: Sequence[np.ndarray]) -> np.ndarray:
        observed(PAYERS, table, parts[0][: len(parts[0]) // 2])
        raise MemoryError

    with pytest.raises(MemoryError), shard.bundle():
        observe(replace(PAYERS, fold=half), number, [second], shard.version, shard.logs)
    observe(PAYERS, number, [third], shard.version, shard.logs)

    assert live(PAYERS, number).filled.tobytes() == fold(PAYERS, first, third)[0].filled.tobytes()


def test_another_workers_table_of_the_same_sequence_is_not_used(number: int) -> None:
    """Two attempts of one bundle end at the same sequence with different facts; one of them is committed."""
    first, mine, other, last = blocks_of(PAYERS, 4)
    shard = Shard()
    observe(PAYERS, number, [first], shard.version, shard.logs)
    lost = shard.copy()
    observe(PAYERS, number, [mine], shard.version, shard.logs)
    forget(PAYERS, number)
    observe(PAYERS, number, [other], lost.version, lost.logs)  # leaves its table live in this process
    assert version(lost).sequence == version(shard).sequence

    views = observe(PAYERS, number, [last], shard.version, shard.logs)

    assert views.tobytes() == fold(PAYERS, first, mine, last)[1][-len(last) :].tobytes()


def test_several_blocks_of_one_bundle_see_each_other(number: int) -> None:
    blocks = blocks_of(PAYERS, 5)
    shard = Shard()
    with shard.bundle():
        seen = [observe(PAYERS, number, [block], shard.version, shard.logs) for block in blocks]

    assert np.concatenate(seen).tobytes() == fold(PAYERS, *blocks)[1].tobytes()


@each_kind
@pytest.mark.parametrize("slice_bytes", [1 << 20, 2_000])
def test_compaction_bounds_what_is_written_and_what_is_kept(
    kind: Ledger, number: int, slice_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a settled set of accounts a fact is written some three times, and the log is three tables at most.

    These rows are random and do not become smaller by compression; real snapshots are under half as large.
    """
    monkeypatch.setattr(shard_state, "COMPACT_BYTES", 10_000)
    monkeypatch.setattr(shard_state, "SLICE_BYTES", slice_bytes)
    shard, facts_bytes, largest = Shard(), 0, 0
    for block in blocks_of(kind, 4_000, rows=10, keys=80):
        observe(kind, number, [block], shard.version, shard.logs)
        facts_bytes += block.nbytes + 64
        largest = max(largest, sum(len(item) for log in shard.logs for item in log.read()))
    table = live(kind, number).filled.nbytes

    assert sum(log.written for log in shard.logs) <= 3.5 * facts_bytes + 2 * table
    assert largest <= 3 * max(table, 20_000) + 100 * (FACTS[kind.name].itemsize + 64)
    assert table < facts_bytes / 20


@pytest.mark.parametrize("lost", [0, 3, -1])
def test_a_missing_log_entry_is_noticed(number: int, lost: int) -> None:
    shard = Shard()
    for block in blocks_of(PAYERS, 8, rows=5):
        observe(PAYERS, number, [block], shard.version, shard.logs)
    del shard.logs[0].items[lost]
    forget(PAYERS, number)

    with pytest.raises(StateError, match=r"payers log .* restore an earlier checkpoint"):
        rebuilt(PAYERS, shard.logs, version(shard))
    with pytest.raises(StateError, match="restore an earlier checkpoint"):
        observe(PAYERS, number, [block], shard.version, shard.logs)


def test_every_missing_entry_of_a_log_with_a_snapshot_is_noticed(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_state, "COMPACT_BYTES", 5_000)
    monkeypatch.setattr(shard_state, "SLICE_BYTES", 3_000)
    shard = Shard()
    for block in blocks_of(PAYERS, 60, rows=10, keys=100):
        observe(PAYERS, number, [block], shard.version, shard.logs)
    log = shard.logs[version(shard).snapshots % 2]
    assert version(shard).snapshots and len(log.items) > 10

    for lost in range(len(log.items)):
        rest = Bag()
        rest.items = log.items[:lost] + log.items[lost + 1 :]
        with pytest.raises(StateError, match="restore an earlier checkpoint"):
            rebuilt(PAYERS, (rest, rest), version(shard))


def test_a_snapshot_half_written_goes_on_after_a_restart(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_state, "COMPACT_BYTES", 5_000)
    monkeypatch.setattr(shard_state, "SLICE_BYTES", 3_000)
    shard, blocks, halfway = Shard(), blocks_of(ACCOUNTS, 80, rows=10, keys=100), 0
    for block in blocks:
        observe(ACCOUNTS, number, [block], shard.version, shard.logs)
        halfway += version(shard).next_rows > 0
        forget(ACCOUNTS, number)

    assert halfway > 5 and version(shard).snapshots > 1
    again = rebuilt(ACCOUNTS, shard.logs, version(shard))
    assert again.filled.tobytes() == fold(ACCOUNTS, *blocks)[0].filled.tobytes()


def test_an_empty_log_with_a_version_is_noticed() -> None:
    with pytest.raises(StateError, match="restore an earlier checkpoint"):
        rebuilt(PAYERS, (Bag(), Bag()), Version(sequence=3))


def test_every_flipped_bit_of_a_log_or_a_head_is_noticed(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_state, "COMPACT_BYTES", 5_000)
    monkeypatch.setattr(shard_state, "SLICE_BYTES", 3_000)
    shard = Shard()
    for block in blocks_of(PAYERS, 30, rows=10, keys=100):
        observe(PAYERS, number, [block], shard.version, shard.logs)
    written = version(shard)
    assert written.snapshots
    log, draw = shard.logs[written.snapshots % 2], np.random.default_rng(0)
    for _ in range(200):
        entry = int(draw.integers(len(log.items)))
        damaged = bytearray(log.items[entry])
        damaged[int(draw.integers(len(damaged)))] ^= 1 << int(draw.integers(8))
        rest = Bag()
        rest.items = [*log.items[:entry], bytes(damaged), *log.items[entry + 1 :]]
        with pytest.raises(StateError, match="restore an earlier checkpoint"):
            rebuilt(PAYERS, (rest, rest), written)

    stored = Value()
    head = Head(stored)
    head.value("version").write(shard.version.read() or b"")
    head.save()
    for place in range(8 * len(stored.value or b"")):
        damaged = bytearray(stored.value or b"")
        damaged[place // 8] ^= 1 << place % 8
        bad = Value()
        bad.write(bytes(damaged))
        with pytest.raises(StateError, match="checksum differs"):
            Head(bad)


@pytest.mark.parametrize("block", [b"", b"12345678", pack(np.zeros(2, PAYERS.row))])
def test_bytes_that_are_not_rows_of_this_kind_are_refused(block: bytes) -> None:
    with pytest.raises(ValueError, match="holds other rows"):
        unpack(block, PARTY_FACT)


def test_rows_packed_are_rows_unpacked() -> None:
    facts = random_facts(ACCOUNTS, 7, 3)

    assert (unpack(pack(facts), ACCOUNT_FACT) == facts).all()
    assert len(unpack(pack(facts[:0]), ACCOUNT_FACT)) == 0


@given(st.integers(1, 64), st.integers(0, 300))
def test_a_split_by_shard_keeps_every_row_once_and_in_order(shards: int, count: int) -> None:
    rows = random_facts(PAYERS, count, 50)
    rows["at_us"] = np.arange(count)
    shard = shard_of(rows["key"], shards)
    parts = dict(by_shard(rows, shard))

    assert all(len(part) for part in parts.values())
    for number, part in parts.items():
        assert part["at_us"].tolist() == np.flatnonzero(shard == number).tolist()
    assert sum(map(len, parts.values())) == count


def test_hashed_tokens_spread_evenly_over_shards() -> None:
    tokens = np.random.default_rng(1).integers(0, 2**64, (40_000, 2), np.uint64)

    counts = np.bincount(shard_of(tokens, 8), minlength=8)

    assert counts.min() > 4_700


OF = Identity(cluster_id="A", shards=1, currency="CNY", jurisdiction="CN")


def test_state_says_what_it_is_state_of_and_is_refused_at_its_first_read_by_a_job_of_something_else() -> None:
    head = Value()
    for _ in range(2):
        store = BeamStore(TABLES, OF)
        store.open(0, head, {})
        store.save()

    with pytest.raises(StateError, match="state of this job is of the brokers with cluster id A"):
        BeamStore(TABLES, msgspec.structs.replace(OF, cluster_id="B")).open(0, head, {})
    with pytest.raises(StateError, match="give --ledger_shards 1, or begin without state: --fresh"):
        BeamStore(TABLES, msgspec.structs.replace(OF, shards=2)).open(0, head, {})


def test_damage_of_a_ledger_that_is_seldom_asked_for_is_found_at_the_first_read_after_a_restore(
    number: int,
) -> None:
    shard, head = Shard(), Value()
    store = BeamStore(TABLES, OF)
    store.open(number, head, {"payers": shard.logs})
    store.add(PAYERS, number, *blocks_of(PAYERS, 1))
    store.save()
    forget(PAYERS, number)
    BeamStore(TABLES, OF).open(number, head, {"payers": shard.logs})  # and is not looked at again

    damaged = bytearray(shard.logs[0].items[0])
    damaged[-1] ^= 1
    shard.logs[0].items[0] = bytes(damaged)
    BeamStore(TABLES, OF).open(number, head, {"payers": shard.logs})
    with pytest.raises(StateError, match="checksum differs"):
        BeamStore(Tables(), OF).open(number, head, {"payers": shard.logs})
