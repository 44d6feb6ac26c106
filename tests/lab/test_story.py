"""The case that shows most is told from its victim's first payment on, and its sums add up."""

from io import StringIO

from rich.console import Console

from console.lab.scoreboard import Scoreboard
from console.lab.story import story
from console.views import demo
from fixtures.world import simulate
from pipelines import policy


def test_a_case_is_told_in_order_from_the_first_payment_of_a_victim() -> None:
    world = simulate(seed=3, days=3, accounts=1_000, scam_rate=0.01).paid_in("GBP")
    board = Scoreboard.of(world.payments, world.truth)
    steps = story(board, world.payments)

    assert steps[0].scam and [step.at_us for step in steps] == sorted(step.at_us for step in steps)
    cases = {board.facts[txn].case_id for txn in board.facts}
    assert len(cases) > 1
    out = StringIO()
    for each in demo.ending(board, steps, policy.load(policy.named(country="uk"))):
        Console(width=100, file=out).print(each)
    said = out.getvalue()
    paid = sum(step.amount_minor for step in steps if step.scam)
    assert f"{paid / 100:,.0f} GBP is gone" in said and "not seen" in said  # nobody was alerted


def test_a_day_without_a_scam_has_no_story() -> None:
    world = simulate(seed=3, days=1, accounts=300, scam_rate=0.0)
    board = Scoreboard(world.payments.num_rows, {})
    assert story(board, world.payments) == []
