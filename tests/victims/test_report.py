"""What warnings did: shares with intervals, and citizens who answer as is assumed."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from console.lab.dissuading import ANSWERS, MISTAKEN, REACHED, Lived, Paid, lived
from console.lab.talking import Share, discrimination, figures, may_be_named, named_rightly
from console.lab.warned import measured
from console.views.warned import plain, table
from fixtures.scenario import Scenario
from measures.law.country_file import jurisdiction
from measures.victims.climb import Rules
from models import SHIPPED
from pipelines import policy
from schemas.alert import Reason
from tests.tokens import token_of
from tests.victims.test_ladder import DAY, HOUR, T0, warning

STORED = Path(__file__).with_name("figures.json")
RULES = Rules(jurisdiction("CN"), hold_out_percent=5)
PARTIES = [token_of(f"citizen-{n}") for n in range(600)]


def lives(severity: int, *, scam: bool, seed: int = 1) -> list[Lived]:
    """Six hundred parties, each warned once, who pay three times more within ten days."""
    paid = {party: [Paid(T0 + days * DAY + HOUR, 100_000, scam) for days in (0, 3, 9)] for party in PARTIES}
    asked = [warning(severity, party=party, warning_id=f"w-{party}") for party in PARTIES]
    return lived(asked, paid, RULES, seed)


def test_citizens_answer_as_is_assumed_and_others_are_frightened_less() -> None:
    victims, others = (figures(lives(1, scam=scam)) for scam in (True, False))

    for found, share in ((victims, ANSWERS["SMS"]), (others, ANSWERS["SMS"] * MISTAKEN)):
        low, high = found.stop_rate.interval
        assert low <= share <= high and found.stop_rate.of > 500 * REACHED["SMS"][0]
    assert victims.over_caution.of == 0 and others.victims_stopped.of == 0


def test_a_graver_warning_stops_more_and_less_is_lost_after_it() -> None:
    mild, grave = (figures(lives(severity, scam=True)) for severity in (1, 4))

    assert grave.stop_rate.value > 0.6
    assert mild.stop_rate.value < 0.1
    assert grave.lost_30d_minor < mild.lost_30d_minor
    assert grave.lost_7d.value <= grave.lost_30d.value
    assert grave.held_out == 0 and 15 <= mild.held_out <= 45
    assert mild.told_lost.of + mild.held_out_lost.of == len(PARTIES)
    assert 0 < grave.first_contact_s <= 1


def test_what_a_register_hit_names_stops_more_than_a_card_that_names_nothing() -> None:
    hit = (Reason(code="FOUND_BEFORE", contribution=2.0, text=""),)
    paid = {party: [Paid(T0 + HOUR, 1, True)] for party in PARTIES}
    plain_ = [warning(2, party=party, warning_id=f"w-{party}") for party in PARTIES]
    named = [warning(2, party=party, warning_id=f"w-{party}", top_reasons=hit) for party in PARTIES]
    by_app = [
        sum(each.channel == "IN_APP" and each.verdict == "DISSUADED" for each in lived(some, paid, RULES, 1))
        for some in (plain_, named)
    ]

    assert by_app[1] > 1.8 * by_app[0]


def test_a_kind_of_scam_that_shipped_policies_name_is_guessed_rightly_in_four_of_five_warnings() -> None:
    """The shipped policies name none: by today's rules no kind reaches that."""
    world = Scenario(seed=5, days=2, accounts=2_500, scam_rate=0.008)
    found = measured(world, SHIPPED, policy.load())
    good = {row.name for row in found.named if may_be_named(row)}
    named = {kind for path in policy.shipped().values() for kind in policy.load(path).named_classes}

    assert found.named and sum(row.share.of for row in found.named) > 20
    assert named <= good


def test_a_guess_is_right_only_of_a_scam_of_that_kind() -> None:
    told = [
        warning(1, warning_id=f"w{n}", txn_id=txn, fraud_class=kind)
        for n, (txn, kind) in enumerate(
            [("a", "LOAN"), ("b", "LOAN"), ("c", "LOAN"), ("d", "GAME"), ("e", "UNKNOWN")]
        )
    ]
    rows = named_rightly(told, {"a": "LOAN", "b": "GAME", "d": "GAME"})

    assert [(row.name, row.share.count, row.share.of) for row in rows] == [("GAME", 1, 1), ("LOAN", 1, 3)]


def test_a_fixed_seed_gives_the_figures_that_are_stored() -> None:
    """Written anew, on purpose, by running this module: `python -m tests.victims.test_report`."""
    assert stored() == json.loads(STORED.read_text())
    assert table(figures(lives(3, scam=True))).row_count > 10


def stored() -> dict[str, Any]:
    return {
        f"severity {severity}, {'victims' if scam else 'others'}": plain(figures(lives(severity, scam=scam)))
        for severity in (2, 4)
        for scam in (True, False)
    }


@pytest.mark.parametrize(("count", "of"), [(0, 10), (10, 10), (3, 7), (50, 1000)])
def test_an_interval_holds_its_share_and_lies_between_0_and_1(count: int, of: int) -> None:
    low, high = Share(count, of).interval

    assert 0 <= low <= count / of <= high <= 1


def test_caution_alone_is_no_discrimination_and_nothing_counted_is_no_figure() -> None:
    assert discrimination(Share(50, 100), Share(50, 100)) == pytest.approx(0)
    assert discrimination(Share(90, 100), Share(10, 100)) > 2
    assert math.isnan(discrimination(Share(0, 0), Share(1, 2)))
    assert plain(figures([]))["stop_rate"] == {"count": 0, "of": 0, "value": None, "low": None, "high": None}


if __name__ == "__main__":
    STORED.write_text(json.dumps(stored(), indent=1) + "\n")
