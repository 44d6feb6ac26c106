"""Money that the scoreboard of the demo counts as saved."""

from types import SimpleNamespace

import pytest

from console.lab.scoreboard import Fact, Scoreboard
from models.learning.stress import STOPS_ASKED

FACTS = {
    "paid": Fact(scam=True, case_id="case", amount_minor=1_000, payer="victim"),
    "moved": Fact(scam=False, case_id="case", amount_minor=900, payer="mule"),
}


def saved(*alerts: tuple[str, str, str]) -> tuple[int, int]:
    board = Scoreboard(10, FACTS)
    board.alerts = {
        str(number): SimpleNamespace(txn_id=txn_id, leg=leg, outcome=outcome)
        for number, (txn_id, leg, outcome) in enumerate(alerts)
    }
    result = board.result()
    return result.stopped_minor, result.caught_minor


def test_what_is_held_or_stopped_stays_and_of_what_is_delayed_only_what_victims_do_not_send_after_all():
    assert saved(("paid", "CREDIT", "HOLD")) == (1_000, 0)
    assert saved(("paid", "CREDIT", "STOP")) == (1_000, 0)
    assert saved(("paid", "CREDIT", "DELAY")) == (round(1_000 * STOPS_ASKED), 0)
    assert saved(("paid", "CREDIT", "DELAY"), ("paid", "CREDIT", "HOLD")) == (1_000, 0)


@pytest.mark.parametrize(("outcome", "caught"), [("HOLD", 900), ("STOP", 900), ("DELAY", 0)])
def test_a_mule_asked_to_wait_a_little_sends_it_all_the_same(outcome, caught):
    assert saved(("moved", "DEBIT", outcome)) == (0, caught)


def test_no_more_is_caught_than_the_case_still_owes():
    stopped, caught = saved(("paid", "CREDIT", "DELAY"), ("moved", "DEBIT", "HOLD"))
    assert stopped + caught == 1_000
