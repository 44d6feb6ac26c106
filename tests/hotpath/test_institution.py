"""An institution is told of accounts it keeps, and only what it may do about them."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from models import SHIPPED
from pipelines import policy
from pipelines.hot.alert import alert
from pipelines.hot.decide import Decider
from pipelines.institution import EVERYBODY, Institution
from pipelines.jobs.options import JobSettings
from pipelines.policy import DELAY, HOLD, STOP, Decision, Policy
from schemas.alert import Alert, Leg
from schemas.errors import ConfigError
from schemas.ids import derived_token
from schemas.rows.transfers import Paid
from tests.hotpath.conftest import Stream
from tests.hotpath.test_decisions import alerts, decided

UETR = "eb6305c9-1f7f-49de-aed0-16487c27b42d"
PAYER, PAYER_ACCOUNT, PAYEE_ACCOUNT = (derived_token(name, 1) for name in ("p", "a", "b"))
RULES = policy.load(policy.named(country="uk"))
SENDER, RECEIVER = Institution(("WESTGB22",)), Institution(("COBADEFFXXX",))


def told(who: Institution, leg: Leg, outcome: int, **changed: str) -> Alert | None:
    paid = Paid(
        UETR, PAYER, PAYER_ACCOUNT, PAYEE_ACCOUNT, 480_000, "GBP", 1_772_442_930_500_000, 0, "WESTGB22XXX",
        "COBADEFF", 0, 7, 1_772_442_931_000_000,
    )  # fmt: skip
    rules = replace(RULES, institution=who)
    made = alert(rules, "model", leg, paid._replace(**changed), Decision(outcome, 0.9, ()))
    return made and msgspec.json.decode(msgspec.json.encode(made), type=Alert)


def acted(made: Alert) -> tuple[str, str, str]:
    return made.account_token, made.account_side, made.measure_rule


@pytest.mark.parametrize("outcome", [DELAY, HOLD, STOP])
def test_a_sending_bank_is_told_of_its_payer_and_of_its_hold_alone(outcome: int) -> None:
    made = told(SENDER, "CREDIT", outcome)

    assert made is not None
    assert (made.account_token, made.account_side, made.measure_rule) == (
        PAYER_ACCOUNT,
        "DEBTOR",
        "payer_delay",
    )
    assert made.counterparty_token == PAYEE_ACCOUNT
    assert {notice.party for notice in made.notices} == {"PAYER"}


@pytest.mark.parametrize("outcome", [DELAY, HOLD, STOP])
def test_a_receiving_bank_is_told_of_its_payee_and_of_the_hold_of_what_arrived(outcome: int) -> None:
    made = told(RECEIVER, "CREDIT", outcome)

    assert made is not None
    assert (made.account_token, made.account_side, made.measure_rule) == (
        PAYEE_ACCOUNT,
        "CREDITOR",
        "payee_hold",
    )
    assert {notice.party for notice in made.notices} == {"HOLDER"}


def test_money_that_leaves_is_told_to_who_keeps_the_account_it_leaves() -> None:
    assert told(RECEIVER, "DEBIT", STOP) is None
    made = told(SENDER, "DEBIT", STOP)
    assert made is not None
    assert (made.account_token, made.account_side, made.measure_rule) == (
        PAYER_ACCOUNT,
        "DEBTOR",
        "payee_hold",
    )


def test_nobody_is_told_of_accounts_of_others() -> None:
    other = Institution(("EASTGB22",))
    assert told(other, "CREDIT", STOP) is None and told(other, "DEBIT", STOP) is None


def test_who_keeps_both_or_says_nothing_is_told_as_before_with_agents_to_route_by() -> None:
    both = told(Institution(("WESTGB22", "COBADEFF")), "CREDIT", STOP)
    everybody = told(EVERYBODY, "CREDIT", STOP)

    assert both == everybody and both is not None
    assert (both.account_side, both.measure_rule) == ("CREDITOR", "payee_hold")
    assert (both.debtor_agent, both.creditor_agent, both.uetr) == ("WESTGB22XXX", "COBADEFF", UETR)


def test_a_payment_that_names_no_agent_may_be_ours() -> None:
    made = told(SENDER, "CREDIT", STOP, debtor_agent="", creditor_agent="")
    assert made is not None and made.measure_rule == "payee_hold"


def test_an_id_that_is_no_uetr_is_none() -> None:
    made = told(EVERYBODY, "DEBIT", STOP, txn_id="TX-1")
    assert made is not None and (made.txn_id, made.uetr) == ("TX-1", "")


@pytest.mark.parametrize(
    ("code", "agent", "ours"),
    [
        ("WESTGB22", "WESTGB22XXX", True), ("WESTGB22", "WESTGB22123", True), ("WESTGB22", "westgb22", True),
        ("WESTGB22XXX", "WESTGB22", True), ("WESTGB22123", "WESTGB22", False),
        ("WESTGB22123", "WESTGB22123", True),
        ("WESTGB22", "WESTGB2L", False), ("200000", "200000", True), ("200000", "200001", False),
    ],
)  # fmt: skip
def test_a_bic_of_eight_letters_is_all_branches_and_one_of_eleven_its_own(
    code: str, agent: str, ours: bool
) -> None:
    assert Institution((code,)).keeps(agent) is ours


def test_option_and_policy_name_the_institution_and_are_in_the_stamp(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    text = (policy.POLICIES / "uk.yaml").read_text()
    file.write_text(text + "institution: [westgb22]\n")
    mine = policy.load(file)
    assert mine.institution == SENDER

    given = ["--kafka_brokers", "b:9092", "--model_bundle", str(SHIPPED), "--country", "uk"]
    asked = JobSettings.of(PipelineOptions([*given, "--institution", "WESTGB22, 200000"])).policy
    assert asked.institution == Institution(("WESTGB22", "200000"))
    assert asked.stamp != RULES.stamp != mine.stamp
    with pytest.raises(ConfigError, match="--institution takes BICs or national codes"):
        JobSettings.of(PipelineOptions([*given, "--institution", "My Own Bank of Here"]))


def test_a_decision_is_told_once_to_each_institution_that_may_act(
    stream: Stream, bundle_path: Path, rules: Policy
) -> None:
    agents = sorted({agent.decode() for agent in stream.rows["debtor_agent"]} - {""})
    whole = decided(Decider(rules, bundle_path, 0.0), stream, "CREDIT")
    parts = [
        decided(
            Decider(replace(rules, institution=Institution((agent,))), bundle_path, 0.0), stream, "CREDIT"
        )
        for agent in agents
    ]

    assert len(agents) > 1 and whole.warnings
    told = sorted(each.warning_id for part in parts for each in part.warnings)
    assert told == sorted(each.warning_id for each in whole.warnings)  # one payer, one bank
    for agent, part in zip(agents, parts, strict=True):
        assert all(
            made.debtor_agent == agent if made.account_side == "DEBTOR" else made.creditor_agent == agent
            for made in alerts(part)
        )
