"""SIM boxes and dens: who calls like one, and who only dials strangers all day."""

import json
from pathlib import Path

import numpy as np
import pytest

from console.lab.numbers import judged, scored
from fixtures.callers import BOXES, COURIERS, callers
from models.callers.boxes import BOX, CALL, hour_of
from models.callers.dens import HUB, dens
from schemas.errors import ConfigError
from schemas.units import HOUR_US, MINUTE_US, SECOND_US


@pytest.mark.slow
def test_nine_of_ten_cards_are_found_within_an_hour_and_one_innocent_of_a_thousand() -> None:
    found = judged(9_010, callers(9_010, people=2_000, dens=3))

    assert found.cards > 40
    assert found.within_h >= 0.9
    assert found.false_share <= 0.001


def test_the_score_of_an_hour_does_not_know_what_comes_after_it() -> None:
    calls = callers(5, people=1_000, dens=2).calls
    now_us = int(np.quantile(calls["at_us"], 0.9))

    early, late = hour_of(calls[calls["at_us"] <= now_us], now_us), hour_of(calls, now_us)

    assert len(early.number) > 50
    for one, other in zip(early, late, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_order_and_the_names_of_calls_do_not_matter() -> None:
    calls = callers(6, people=1_000, dens=2).calls
    now_us = int(calls["at_us"].max()) - 6 * HOUR_US
    shuffled = np.random.default_rng(1).permutation(calls)

    np.testing.assert_allclose(hour_of(calls, now_us).points, hour_of(shuffled, now_us).points)


def test_couriers_are_no_boxes_and_cards_are_in_the_dens_of_their_kind() -> None:
    world = callers(7, people=8_000, dens=2)
    now_us = int(world.calls["at_us"].max()) - 5 * HOUR_US
    hour = hour_of(world.calls, now_us)
    courier = (hour.number >= COURIERS) & (hour.number < COURIERS + np.uint64(10**8))
    box = hour.number >= BOXES
    of_den = dict(zip(world.boxes.tolist(), world.den.tolist(), strict=True))

    assert courier.any() and (hour.points[courier] < BOX).all()
    for found in np.unique(hour.den[box & (hour.den >= 0)]):
        cards = hour.number[box & (hour.den == found)].tolist()
        assert len({of_den[card] for card in cards}) == 1


def test_a_hub_joins_nobody() -> None:
    calls = np.zeros(HUB + 1, CALL)
    calls["number"], calls["imei"] = np.arange(1, HUB + 2), 7

    assert (dens(calls, calls["number"][:0], calls["number"]) == -1).all()
    assert (dens(calls[:-1], calls["number"][:0], calls["number"][:-1]) == 0).all()


def test_call_records_of_a_file_are_scored(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    box = [
        {"number": f"+86{card}", "callee": f"+861{card}{place}", "at_us": 10**15 + place * MINUTE_US,
         "imei": "350000000000001", "cell": "c1", "answered": place % 4 == 0, "duration_s": 20}
        for card in range(5) for place in range(12)
    ]  # fmt: skip
    friend = {"number": "+8699", "callee": "+8698", "at_us": 10**15 + SECOND_US, "answered": True}
    path.write_text("".join(json.dumps(each) + "\n" for each in [*box, friend]))

    found = list(scored(path))

    assert {each["number"] for each in found if each["sim_box"]} == {f"+86{card}" for card in range(5)}
    assert found[-1]["number"] == "+8699" and not found[-1]["sim_box"]


def test_a_line_that_is_no_call_is_named(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text('{"number": "+861", "callee": "+862", "at_us": "noon"}\n')

    with pytest.raises(ConfigError, match=r"calls.jsonl line 1: Expected `int`"):
        list(scored(path))
