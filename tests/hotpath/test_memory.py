"""Ledgers are bounded by policy: who was seen longest ago is forgotten, unless under a measure."""

import itertools
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from models.ledgers.accounts import ACCOUNT_FACT, ACCOUNTS
from models.ledgers.enforcement import ENFORCEMENT, NOTHING_LEAVES
from models.ledgers.ledger import Keep
from models.ledgers.parties import PARTY_FACT, PAYERS
from models.ledgers.table import NEVER, Table
from pipelines import policy
from pipelines.hot.forgotten import Forgotten
from pipelines.policy import MemoryPolicy
from pipelines.state import shard_state
from pipelines.state.memory import Memory
from pipelines.state.shard_state import Tables, Version, rebuilt
from pipelines.state.store import BeamStore
from pipelines.streams.measures import FOREVER
from pipelines.telemetry import TELEMETRY
from schemas.alarm import Alarm
from schemas.units import DAY_US, HOUR_US
from tests.hotpath.states import Shard

T0 = 1_756_656_000_000_000
_numbers = itertools.count(50_000)


def facts(first: int, count: int, at_us: int, row: np.dtype = PARTY_FACT) -> np.ndarray:
    """Facts of `count` new parties, a microsecond apart."""
    found = np.zeros(count, row)
    found["key"][:, 0] = np.arange(first, first + count)
    found["at_us"] = at_us + np.arange(count)
    found["value"] = 1
    return found


def version(shard: Shard) -> Version:
    return Version(*shard_state._VERSION.unpack(shard.version.read() or b""))


def known(table: Table, *keys: int) -> list[bool]:
    return (table.find(np.array([(key, 0) for key in keys], np.uint64)) >= 0).tolist()


@pytest.mark.parametrize("slice_bytes", [1 << 20, 3_000])
@pytest.mark.parametrize("compact_bytes", [1 << 20, 20_000])
def test_a_ledger_of_nothing_but_new_tokens_stays_bounded_and_is_rebuilt_bit_for_bit(
    compact_bytes: int, slice_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_state, "COMPACT_BYTES", compact_bytes)
    monkeypatch.setattr(shard_state, "SLICE_BYTES", slice_bytes)
    tables = Tables()
    keep, shard, number, before = Keep(200, 400 * DAY_US), Shard(), next(_numbers), TELEMETRY.counts()
    for block in range(60):
        new = facts(50 * block, 50, T0 + block * HOUR_US)
        tables.observe(PAYERS, number, [new], shard.version, shard.logs, keep)
        table = tables.live[PAYERS.name, number][1]
        assert (
            table.used <= 200 + 750
        )  # facts of half a table come before a snapshot, and that is finished first
        assert known(table, 50 * block + 49) == [True]
        again = rebuilt(PAYERS, shard.logs, version(shard))
        assert again.filled.tobytes() == table.filled.tobytes()

    assert table.used < 500 and known(table, 0) == [False]
    assert TELEMETRY.counts()["forgotten"] - before.get("forgotten", 0) == 3_000 - table.used


def test_who_was_not_seen_for_longer_than_the_policy_says_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shard_state, "COMPACT_BYTES", 1)
    tables = Tables()
    keep, shard, number = Keep(10_000, 30 * DAY_US), Shard(), next(_numbers)
    for at_us, first in ((T0, 0), (T0 + 20 * DAY_US, 10), *[(T0 + 31 * DAY_US, 20)] * 20):
        tables.observe(PAYERS, number, [facts(first, 5, at_us)], shard.version, shard.logs, keep)

    table = tables.live[PAYERS.name, number][1]
    assert known(table, 0, 10, 20) == [False, True, True]


def test_an_account_under_a_measure_is_never_forgotten_and_stays_enforced() -> None:
    table = Table.empty(ACCOUNTS.row)
    stated = np.zeros(3, ENFORCEMENT)
    stated["key"][:, 0] = 1, 2, 3
    stated["at_us"], stated["version"] = T0, 1
    stated["limit_minor"] = NOTHING_LEAVES, NOTHING_LEAVES, 0
    stated["until_us"] = FOREVER, T0 + DAY_US, FOREVER
    ACCOUNTS.fold(table, [facts(1, 3, T0, ACCOUNT_FACT), stated])
    ACCOUNTS.fold(table, [facts(100, 5, T0 + 500 * DAY_US, ACCOUNT_FACT)])

    ACCOUNTS.forget(table, Keep(1_000, 400 * DAY_US))

    assert known(table, 1, 2, 3, 100) == [True, False, False, True]
    view = ACCOUNTS.fold(table, [facts(1, 1, T0 + 501 * DAY_US, ACCOUNT_FACT)])
    assert view["enforced_minor"].tolist() == [NOTHING_LEAVES]


def test_a_table_that_forgot_gives_its_room_back_and_finds_the_rest() -> None:
    table = Table.empty(PAYERS.row)
    PAYERS.fold(table, [facts(0, 5_000, T0)])
    rows = table.filled.copy()

    table.retain(np.arange(5_000) % 50 == 0)

    assert len(table.rows) == 128
    assert table.filled.tobytes() == rows[::50].tobytes()
    assert known(table, 0, 50, 51) == [True, True, False]


def test_a_table_that_forgot_a_few_begins_the_next_row_anew() -> None:
    table = Table.empty(PAYERS.row)
    PAYERS.fold(table, [facts(0, 100, T0)])
    rows, keep = table.filled.copy(), np.arange(100) % 9 != 4

    table.retain(keep)

    assert len(table.rows) == 128
    assert sorted(row.tobytes() for row in table.filled) == sorted(row.tobytes() for row in rows[keep])
    assert known(table, 3, 4, 99) == [True, False, True]
    place = table.locate(rows["key"][4:5])
    assert table.rows["last_us"][place].tolist() == [NEVER]
    assert not table.rows[table.used :].view(np.uint8).any()


def test_a_full_ledger_is_an_alarm_once_an_hour_of_each_shard_and_no_secret_is_in_it() -> None:
    rules = replace(policy.load(), memory=MemoryPolicy(rows=10_000, days=400))
    keep, forgotten, shard = rules.memory.of_shard(10), Forgotten(rules), Shard()
    store = BeamStore(Tables())
    store.open(3, shard.head, {PAYERS.name: shard.logs})
    told = []
    for block in range(60):
        store.add(PAYERS, 3, facts(500 * block, 500, T0 + block * HOUR_US // 30), keep=keep)
        told += [msgspec.json.decode(record.value, type=Alarm) for record in forgotten.alarms(store)]

    assert [(alarm.kind, alarm.ledger, alarm.shard, alarm.rows_max) for alarm in told] == [
        ("LEDGER_FULL", "payers", 3, 10_000)
    ] * 2
    assert all(alarm.forgotten > 0 and alarm.at_us > T0 for alarm in told)
    assert len({alarm.alarm_id for alarm in told}) == 2


def test_the_bound_is_a_policys_and_shared_by_the_shards() -> None:
    rules = replace(policy.load(), memory=MemoryPolicy(rows=40_000, days=90))

    assert rules.memory.of_shard(4) == Keep(10_000, 90 * DAY_US)


def test_ledgers_in_memory_stay_bounded_too() -> None:
    keep, memory = Keep(200, 400 * DAY_US), Memory()
    nowhere = np.zeros(50, np.uint16)
    for block in range(60):
        memory.begin()
        new = facts(50 * block, 50, T0 + block * HOUR_US)
        views = memory.observe(PAYERS, nowhere, new, np.arange(50), {}, keep=keep)
        memory.save()
        table = memory.known(PAYERS, 0)
        assert len(views) == 50
        assert table.used <= 200
        assert known(table, 50 * block + 49) == [True]
