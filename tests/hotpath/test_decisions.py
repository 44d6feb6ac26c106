"""Decisions: the lattice, the policy file, alerts that can be explained and contested."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measures.law.country_file import jurisdiction
from models import features
from models.features import Legs
from models.scoring import reasons
from models.scoring.bundle import Bundle
from pipelines import policy
from pipelines.hot.decide import Decided, Decider, enforced_minor
from pipelines.policy import DELAY, OUTCOMES, LegPolicy, Policy, decide, thresholds
from pipelines.process import PROCESS
from pipelines.telemetry import TELEMETRY
from schemas.alert import Alert
from schemas.errors import ConfigError, ModelError
from schemas.ids import derived_id
from schemas.rows.tokens import token_text
from tests.hotpath.conftest import POLICY, Stream

#: Before the law that lets a bank in China delay a payment or limit an account.
BEFORE_THE_LAW_US = 1_600_000_000_000_000

each_leg = pytest.mark.parametrize("leg", ["CREDIT", "DEBIT"])


def legs_of(stream: Stream, leg: str) -> Legs:
    return stream.history.credit if leg == "CREDIT" else stream.history.debit


def decided(decider: Decider, stream: Stream, leg: str) -> Decided:
    return decided_of(decider, legs_of(stream, leg), leg)


def decided_of(decider: Decider, legs: Legs, leg: str) -> Decided:
    credit = leg == "CREDIT"
    return decider.decide(decider.models(), legs, credit, enforced_minor(legs, credit))


def alerts(of: Decided) -> list[Alert]:
    return [msgspec.json.decode(record.value, type=Alert) for record in of.alerts]


def outcomes(decider: Decider, stream: Stream, trained: Bundle, leg: str) -> np.ndarray:
    model = trained.credit if leg == "CREDIT" else trained.debit
    scores = model.score(features.matrix(model.features, legs_of(stream, leg)))
    return decide(scores, decider.models().live.least[leg])  # type: ignore[index]


# The lattice


@given(
    st.lists(st.floats(0.001, 1), min_size=4, max_size=4), st.lists(st.floats(0, 1), min_size=1, max_size=20)
)
def test_an_outcome_asks_for_its_own_threshold_and_all_milder_ones(
    asked: list[float], scores: list[float]
) -> None:
    names = ("warn", "delay", "hold", "stop")
    found = decide(np.array(scores), thresholds(LegPolicy(*asked), {}))

    for score, outcome in zip(scores, found.tolist(), strict=True):
        reached = [score >= least for least in asked]
        assert outcome == next((place for place, yes in enumerate(reached) if not yes), len(names))


def test_a_named_operating_point_is_taken_from_the_bundle() -> None:
    asked = LegPolicy("mild", 0.5, "grave", 0.99)

    assert thresholds(asked, {"mild": 0.2, "grave": 0.9}).tolist() == [0.2, 0.5, 0.9, 0.99]


def test_a_point_no_score_reaches_never_fires() -> None:
    least = thresholds(LegPolicy(0.1, 0.2, "never", 0.3), {"never": float("inf")})

    assert decide(np.array([0.0, 0.15, 1.0]), least).tolist() == [0, 1, DELAY]


def test_an_unknown_operating_point_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ConfigError, match="'at_3_to_1' for hold, the bundle has at_5_to_1, grave"):
        thresholds(LegPolicy(0.1, 0.2, "at_3_to_1", 0.3), {"grave": 0.5, "at_5_to_1": 0.4})


@pytest.mark.parametrize("least", [0.0, -0.1, 1.01, float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(least: float) -> None:
    with pytest.raises(ConfigError, match="delay must be above 0 and at most 1"):
        thresholds(LegPolicy(0.1, least, 0.3, 0.4), {})


def test_a_bundle_without_the_points_of_the_policy_is_refused_before_the_first_payment(
    bundle_path: Path,
) -> None:
    with pytest.raises(ConfigError, match="innocent_5_per_10k"):
        Decider(policy.load(), bundle_path, 0.0).models()


def test_a_bundle_that_explains_by_unknown_reasons_is_refused(rules: Policy, bundle_path: Path) -> None:
    known = rules.words.reasons
    fewer = {leg: {c: s for c, s in of.items() if c != "AMOUNT_UNUSUAL"} for leg, of in known.groups.items()}
    rules = replace(rules, words=rules.words._replace(reasons=known._replace(groups=fewer)))
    PROCESS.end("models")

    with pytest.raises(ModelError, match=r"AMOUNT_UNUSUAL, which reasons\.yaml does not put into words"):
        Decider(rules, bundle_path, 0.0).models()


# The policy file


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("language: zh-Hans", "language: fr", "'fr' is not spoken by CN; use one of zh-Hans, en"),
        ("jurisdiction: CN", "jurisdiction: XX", "'XX' has no country file"),
        ("CNY: 1.0", "CNY: 0", "cannot be used"),
        ("CNY: 1.0", "CNY: .nan", "cannot be used"),
        ("CNY: 1.0", "CNY: one", "cannot be used"),
        ("stop: stop_here}\ndebit", "stop: stop_here, block: 1}\ndebit", "block"),
        ("delay: delay_here, ", "", "delay"),
        ("version", "{", "cannot be used"),
    ],
)
def test_a_policy_that_breaks_a_rule_is_refused_in_one_sentence(
    tmp_path: Path, before: str, after: str, complaint: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(POLICY.replace(before, after, 1))

    with pytest.raises(ConfigError, match=complaint):
        policy.load(path)


def test_a_missing_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"compare it with .*cn\.yaml"):
        policy.load(tmp_path / "none.yaml")


def test_a_policy_that_is_no_yaml_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("version: [")

    with pytest.raises(ConfigError) as refused:
        policy.load(tmp_path / "bad.yaml")

    assert str(refused.value).endswith(
        f"bad.yaml:2: this is no YAML: did not find expected node content; compare it with {policy.DEFAULT}"
    )
    assert "\n" not in str(refused.value)


def test_the_stamp_changes_with_every_byte_of_the_policy(tmp_path: Path, rules: Policy) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(POLICY + "# a remark\n")

    stamp = policy.load(path).stamp
    assert stamp.startswith("test-")
    assert stamp != rules.stamp


def test_amounts_are_worth_what_the_policy_says_and_unknown_currencies_nothing_known(
    stream: Stream, rules: Policy
) -> None:
    two = stream.rows[:3].copy()
    two["currency"] = [b"CNY", b"KRW", b"USD"]
    worth = replace(rules, currencies={b"CNY": 1.0, b"KRW": 0.5}).value(two)

    assert worth[:2].tolist() == [two["amount_minor"][0], two["amount_minor"][1] / 2]
    assert np.isnan(worth[2])


# Alerts


@each_leg
def test_there_is_one_alert_for_every_leg_from_delay_on(
    decider: Decider, stream: Stream, trained: Bundle, leg: str
) -> None:
    outcome = outcomes(decider, stream, trained, leg)
    rows = np.flatnonzero(outcome >= DELAY).tolist()
    found = {alert.txn_id: alert for alert in alerts(decided(decider, stream, leg))}

    assert {txn: alert.outcome for txn, alert in found.items()} == {
        stream.rows["txn_id"][row].decode(): OUTCOMES[outcome[row]] for row in rows
    }
    assert {alert.outcome for alert in found.values()} == {"DELAY", "HOLD", "STOP"}
    for row in rows:
        transfer = stream.rows[row]
        alert = found[transfer["txn_id"].decode()]
        payer, payee = token_text(transfer["debtor_account"]), token_text(transfer["creditor_account"])
        both = (alert.account_token, alert.counterparty_token)
        assert both == ((payee, payer) if leg == "CREDIT" else (payer, payee))
        assert alert.party_token == token_text(transfer["debtor"])
        assert (alert.amount_minor, alert.at_us) == (transfer["amount_minor"], transfer["at_us"])
        assert alert.currency == "CNY"


@each_leg
def test_an_alert_says_why_in_words_on_what_ground_and_how_to_object(
    decider: Decider, stream: Stream, rules: Policy, trained: Bundle, leg: str
) -> None:
    found = alerts(decided(decider, stream, leg))

    for alert in found:
        assert (alert.policy, alert.model, alert.leg) == (rules.stamp, trained.digest, leg)
        account = leg == "DEBIT" or alert.outcome == "STOP"
        assert alert.measure_rule == ("payee_hold" if account else "payer_delay")
        notice = alert.notice
        assert notice.reason_code == ("PAYEE_SUSPECT" if account else "SCAM_SUSPECTED")
        assert all((notice.reason, notice.legal_basis, notice.remedy_channel, notice.documents_needed))
        assert all(notice.documents_needed)
        assert notice.language == "zh-Hans"
        assert 1 <= len(alert.reasons) <= reasons.REASONS_MAX
        contributions = [reason.contribution for reason in alert.reasons]
        assert contributions == sorted(contributions, reverse=True)
        for reason in alert.reasons:
            assert reason.text.endswith("。")
            assert not {"{", "}", "nan", "inf"} & set(reason.text)
            assert "nan" not in reason.text
    assert {alert.measure_rule for alert in found} == (
        {"payee_hold", "payer_delay"} if leg == "CREDIT" else {"payee_hold"}
    )


def test_the_payer_whose_payment_is_held_is_told_too_in_every_language_of_the_country(
    decider: Decider, stream: Stream
) -> None:
    stopped = [alert for alert in alerts(decided(decider, stream, "CREDIT")) if alert.outcome == "STOP"]
    assert stopped
    for alert in stopped:
        told = {(notice.party, notice.language): notice for notice in alert.notices}
        assert set(told) == {(party, lang) for party in ("HOLDER", "PAYER") for lang in ("zh-Hans", "en")}
        payer, holder = told["PAYER", "en"], told["HOLDER", "en"]
        assert "the money has not left" in payer.reason and "Until 20" in payer.reason
        assert f"{alert.amount_minor / 100:,.2f} CNY" in payer.reason
        assert payer.reason_code == "SCAM_SUSPECTED" and holder.reason_code == "PAYEE_SUSPECT"
        assert alert.notice == told["HOLDER", "zh-Hans"]


@each_leg
def test_an_alert_names_the_same_thing_when_its_bundle_is_retried(
    decider: Decider, stream: Stream, rules: Policy, leg: str
) -> None:
    first, again = decided(decider, stream, leg), decided(decider, stream, leg)

    assert first.alerts == again.alerts
    assert first.warnings == again.warnings
    for alert in alerts(first):
        assert alert.alert_id == derived_id("alert", alert.txn_id, leg, rules.stamp)


def test_a_record_of_an_alert_is_keyed_by_its_account_and_carries_cloud_events(
    decider: Decider, stream: Stream
) -> None:
    record = decided(decider, stream, "CREDIT").alerts[0]
    alert = msgspec.json.decode(record.value, type=Alert)
    head = {name: value.decode() for name, value in record.headers}

    assert (record.topic, record.key.decode()) == ("alerts", alert.account_token)
    assert record.timestamp_us == alert.at_us
    assert head["ce_id"] == alert.alert_id
    assert head["ce_type"] == f"fp.alert.{alert.outcome.lower()}.v1"
    assert head["ce_subject"] == f"acct:{alert.account_token}"
    assert head["ce_source"] == "urn:fp:CN:stopline"


@each_leg
def test_without_a_legal_ground_there_is_no_alert_and_it_is_counted(
    decider: Decider, stream: Stream, trained: Bundle, leg: str
) -> None:
    legs = legs_of(stream, leg)
    expected = int((outcomes(decider, stream, trained, leg) >= DELAY).sum())
    early = legs.transfer.copy()
    early["at_us"] = BEFORE_THE_LAW_US + np.arange(len(early))
    early["payee_added_at_us"] += BEFORE_THE_LAW_US - legs.transfer["at_us"]
    before = TELEMETRY.counts().get("without_legal_ground", 0)

    found = decided_of(decider, legs._replace(transfer=early), leg)

    counted = TELEMETRY.counts()["without_legal_ground"] - before
    assert alerts(found) == []
    assert counted > expected / 2
    assert not any(warning.hold for warning in found.warnings)


def test_a_warning_says_the_payment_is_held_exactly_where_an_alert_asks_for_it(
    decider: Decider, stream: Stream
) -> None:
    found = decided(decider, stream, "CREDIT")
    held = {alert.txn_id for alert in alerts(found)}

    assert {warning.txn_id for warning in found.warnings if warning.hold} == held
    assert {warning.txn_id for warning in found.warnings if not warning.hold}


# Languages


def test_a_language_without_words_gets_the_english_ones(
    decider: Decider, rules: Policy, bundle_path: Path, stream: Stream
) -> None:
    korean = Decider(replace(rules, law=jurisdiction("KR"), language="ko"), bundle_path, 0.0)
    found = decided(korean, stream, "DEBIT")

    for alert in alerts(found):
        assert all(reason.text.isascii() for reason in alert.reasons)
        assert alert.notice.language == jurisdiction("KR").languages[0]
    assert found.alerts
