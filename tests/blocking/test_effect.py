"""Proof of effect: what operators still see, and how long what was blocked stays up."""

from typing import Any

from msgspec.structs import replace

from console.views.blocking import told
from measures.blocking.effect import HOURS, effect
from schemas.block import BlockEntry
from schemas.casework import AnswerTicket, SightBlocked
from schemas.units import DAY_US, HOUR_US
from tests.casework.kit import T0, Bureau, report, site


def blocked(count: int) -> Bureau:
    """Sites that two banks report, each asked to be taken down at once."""
    at = Bureau()
    for number in range(count):
        for bank in ("bank-1", "bank-2"):
            at.report(report(f"{number}-{bank}", site(f"evil{number}.example"), reporter=bank, origin="BANK"))
    return at


def entries(at: Bureau) -> list[BlockEntry]:
    return sorted(at.all("block"), key=lambda each: str(each.value))


def answer(at: Bureau, entry: BlockEntry, state: Any, after_us: int) -> None:
    at.now = T0 + after_us
    at.say(AnswerTicket(entry_id=entry.entry_id, state=state, at_us=at.now))


def test_the_share_still_up_falls_when_a_site_is_gone_and_not_when_it_comes_back() -> None:
    at = blocked(4)
    one, two, three, _ = entries(at)
    answer(at, one, "GONE", 2 * HOUR_US)
    answer(at, two, "GONE", 20 * HOUR_US)
    answer(at, three, "GONE", 21 * HOUR_US)
    answer(at, three, "AGAIN", 30 * HOUR_US)

    found = effect(entries(at), T0 + 4 * DAY_US)

    assert dict(zip(HOURS, found.up, strict=True)) == {
        1: 1.0, 6: 0.75, 24: 0.5, 72: 0.5, 168: None, 720: None,
    }  # fmt: skip
    assert (found.asked, found.gone, found.again) == (4, 2, 1)


def test_a_block_that_was_lifted_is_watched_until_then_only() -> None:
    at = blocked(2)
    one, two = entries(at)
    lifted = replace(one, state="LIFTED", valid_to_us=T0 + 2 * HOUR_US, blocked_us=0)

    found = effect([lifted, two], T0 + 2 * HOUR_US)

    assert (found.stopping, found.up[:2]) == (1, (1.0, None))


def test_what_each_operator_still_sees_is_added_up_and_told_in_lines() -> None:
    at = blocked(2)
    for entry in entries(at):
        at.say(SightBlocked(entry_id=entry.entry_id, operator="operator-1", count=7))

    lines = list(told(effect(entries(at), T0 + HOUR_US)))

    assert "operator-1 saw what is blocked 14 times" in lines
    assert any("1 h 100%" in line for line in lines)


def test_without_entries_nothing_is_claimed() -> None:
    assert list(told(effect([], T0))) == [
        "0 entries stop something now; stopped wrongly: 0 minutes in all",
        "0 take-downs asked, 0 gone, 0 came back, 0 overdue",
    ]
