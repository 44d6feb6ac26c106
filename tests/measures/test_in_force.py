"""What the hot path reads from the journal."""

import msgspec
import pytest

from measures.in_force import Enforcement, enforcement, read_enforcement, violates
from schemas.order import Scope
from tests.measures.kit import ACCOUNT, DAY, HOUR, PAID, T0, Bench, defrauded, entry_of, make_order


def stated(bench: Bench) -> Enforcement:
    found = [each for event in bench.events if (each := enforcement(event)) is not None]
    return found[-1]


def test_a_stop_lets_nothing_leave_and_says_until_when() -> None:
    bench = defrauded()
    bench.order(make_order("S1"))
    now = stated(bench)
    assert now[:5] == (ACCOUNT, True, None, T0, T0 + 48 * HOUR)
    assert not violates(now, 1, PAID, T0 - 1)
    assert violates(now, 1, PAID, T0 + HOUR)
    assert not violates(now, 1, PAID, T0 + 48 * HOUR)


def test_a_freeze_names_what_must_stay_shortfall_included() -> None:
    bench = defrauded()
    bench.move("out", -2_000_000)
    bench.order(make_order("F1", "FREEZE"))
    now = stated(bench)
    assert now.limit_minor == PAID
    assert violates(now, 1, PAID, T0) and not violates(now, 1, PAID + 1, T0)


def test_all_measures_are_stated_together_and_only_their_change_is_told() -> None:
    bench = defrauded()
    bench.order(make_order("F1", "FREEZE"))
    other = {"authority_id": "police-2", "sender_id": "police-2", "victim_transfer": None}
    bench.order(make_order("F2", "FREEZE", amount_minor=1_000, **other))
    assert stated(bench).limit_minor == PAID + 1_000
    bench.move("salary", 9_000)
    quiet = bench.move("bonus", 10)
    assert [each for event in quiet.events if (each := enforcement(event))] == []


def test_the_end_of_the_last_measure_is_told_at_its_own_time() -> None:
    bench = defrauded()
    bench.order(make_order("S1"))
    bench.tick(T0 + 5 * DAY)
    assert (stated(bench).in_force, stated(bench).limit_minor, stated(bench).until_us) == (False, 0, None)


def test_it_is_read_from_the_wire_and_other_entries_are_passed_over() -> None:
    bench = Bench()
    quiet = entry_of(bench)
    assert read_enforcement(msgspec.json.encode(quiet)) is None
    bench.move("in", PAID)
    bench.order(make_order("S1", scope=Scope.AMOUNT, amount_minor=PAID))
    loud = entry_of(bench)
    assert read_enforcement(msgspec.json.encode(loud)) == stated(bench)
    with pytest.raises(msgspec.DecodeError):
        read_enforcement(b'{"type":"enforcement"')
