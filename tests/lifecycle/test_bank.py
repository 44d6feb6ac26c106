"""The simulated banks feed topic `accounts`, and orders are carried out on what they say."""

import msgspec
import pytest

from console.views.casework import told
from fixtures.bank import account_messages
from fixtures.world import World, simulate
from measures.engine import intake
from measures.engine.intake import AccountState, Arrival
from schemas.commands import AccountMessage, StateFacts
from schemas.errors import ConfigError
from schemas.measure import Notice
from schemas.order import Direction
from schemas.stored import stored
from tests.command import command


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(seed=2, days=2, accounts=500, scam_rate=0.01)


def test_an_account_ends_with_the_balance_its_bank_stated_last(world: World) -> None:
    rows = world.payments.to_pylist()
    stated = {
        row["debtor_account"]: row["balance_after_minor"] for row in rows if row["balance_after_minor"] >= 0
    }
    kept: dict[str, AccountState] = {}
    for said in account_messages(world.payments, set(stated), "CN"):
        arrival = intake.read_command(said.value, said.at_us)
        assert isinstance(arrival, Arrival)
        kept[said.token] = intake.apply(kept.get(said.token), arrival).kept

    for token, balance in stated.items():
        account, last = kept[token].account, kept[token].account.flows[-1]
        if last.direction is Direction.DEBIT:
            assert account.balance_minor == balance
        assert account.facts is not None and account.facts.institution_id


def test_what_a_bank_writes_follows_the_contract(world: World) -> None:
    account = world.payments["creditor_account"][0].as_py()
    said = list(account_messages(world.payments, {account}, "CN"))

    assert [msgspec.json.decode(each.value, type=AccountMessage).account_token for each in said] == [
        account
    ] * len(said)
    assert [each.at_us for each in said] == sorted(each.at_us for each in said)
    assert "StateFacts" in stored("account.v1")["$defs"]


def test_every_order_of_a_simulated_world_is_answered() -> None:
    ran = command("lifecycle", "demo", "--days", "2", "--accounts", "500")

    assert ran.exit_code == 0, ran.output
    cells = [line.strip("│ ").split("│") for line in ran.output.splitlines()]
    told = {each[0].strip(): each[1].strip() for each in cells if len(each) == 2}
    assert told["unanswered"] == "0"
    assert int(told["ACTIVE"]) > 0


def test_a_holder_is_told_of_a_stop_in_the_language_that_was_asked_for(world: World) -> None:
    account = world.payments["creditor_account"][0].as_py()
    for language in ("zh-Hans", "en"):
        said = next(account_messages(world.payments, {account}, "CN", language=language))
        stated = msgspec.json.decode(said.value, type=AccountMessage).command
        assert isinstance(stated, StateFacts) and stated.facts.language == language


def test_a_language_that_the_law_does_not_speak_is_refused_before_anything_runs() -> None:
    with pytest.raises(ConfigError, match="'fr' is not spoken by CN; use one of zh-Hans, en"):
        command("lifecycle", "demo", "--language", "fr")


def test_what_a_holder_is_told_is_shown_after_what_came_of_the_orders() -> None:
    notice = Notice(
        reason_code="SCAM", reason="stopped", legal_basis="art. 20", remedy_channel="object there",
        documents_needed=("passport",), language="en",
    )  # fmt: skip

    assert told(notice).renderable == "stopped\nart. 20\nobject there\npassport"
