"""What was found out is remembered from when it became known, and never before."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest

from models import features
from models.ledgers.accounts import ACCOUNT_FACT, LEGS
from models.ledgers.findings import FINDING, FINDINGS
from models.ledgers.history import history
from models.ledgers.ledger import Keep, ledger_of
from models.ledgers.parties import PAYERS
from models.ledgers.table import Table
from pipelines.kafka.port import Chunk
from pipelines.policy import USUAL_CLOCK
from pipelines.streams.clock import window
from pipelines.streams.feedback import FEEDBACK
from schemas.feedback import Feedback
from schemas.rows import Rows
from schemas.rows.tokens import token_text
from schemas.rows.values import Values
from schemas.units import DAY_US, HOUR_US
from tests.hotpath.conftest import Stream

LEDGER = ledger_of("accounts_and_findings", LEGS, FINDINGS)
T0_US = 1_756_656_000_000_000


def asked(days: list[float]) -> np.ndarray:
    facts = np.zeros(len(days), ACCOUNT_FACT)
    facts["key"], facts["credit"] = 1, 1
    facts["at_us"] = T0_US + np.array(days) * DAY_US
    return facts


def found(days: list[float], scam: list[int]) -> np.ndarray:
    facts = np.zeros(len(days), FINDING)
    facts["key"], facts["scam"] = 1, scam
    facts["at_us"] = T0_US + np.array(days) * DAY_US
    return facts


def test_a_label_tells_nothing_before_it_is_known() -> None:
    """The leak test: whatever the labels say, what was asked before they were known is the same."""
    questions = asked([0, 3, 6.9, 7.1, 30])
    scam, good = (LEDGER.fold(Table.empty(LEDGER.row), [questions, found([7], [label])]) for label in (1, 0))

    assert scam[:3].tobytes() == good[:3].tobytes()
    assert not scam["found"][:3].any()
    assert math.isnan(scam["scam_gap_s"][2])
    assert scam["found_scam"][3][1] == pytest.approx(1, rel=0.01) and not good["found_scam"].any()
    assert scam["scam_gap_s"][3] == pytest.approx(0.1 * 86_400)


def test_findings_fade_and_count_alike_in_whatever_pieces_they_come() -> None:
    days, labels = [1.0, 2.0, 9.0, 20.0], [1, 0, 1, 1]
    once = LEDGER.fold(Table.empty(LEDGER.row), [asked([40.0]), found(days, labels)])
    table = Table.empty(LEDGER.row)
    for day, label in zip(days, labels, strict=True):
        LEDGER.fold(table, [asked([]), found([day], [label])])
    later = LEDGER.fold(table, [asked([40.0])])

    expected = sum(label * math.exp(-(40 - day) / 30) for day, label in zip(days, labels, strict=True))
    assert once["found_scam"][0][1] == pytest.approx(expected, rel=1e-7)
    assert later["found_scam"][0] == pytest.approx(once["found_scam"][0], rel=1e-7)
    assert later["found"][0][1] > later["found_scam"][0][1]


# As it comes from people


def feedback(stream: Stream, row: int, **stated: Any) -> bytes:
    paid = stream.rows[row]
    parties = {name: token_text(paid[name]) for name in ("debtor", "debtor_account", "creditor_account")}
    usual = {"kind": "LABEL", "verdict": "SCAM", "known_at_us": int(paid["at_us"]) + HOUR_US}
    return msgspec.json.encode(
        Feedback(feedback_id=f"f{row}", txn_id="t", **{**usual, **parties, **stated})  # type: ignore[arg-type]
    )


def decoded(values: list[bytes]) -> Any:
    times = np.array([msgspec.json.decode(each)["known_at_us"] for each in values], np.int64)
    places = np.zeros(len(values), np.int32), np.arange(len(values))
    chunk = Chunk("feedback", Values.of(values), *places, times)
    return FEEDBACK.decode(chunk, None, window(chunk, USUAL_CLOCK, None))  # type: ignore[arg-type]


def credit_features(stream: Stream, others: list[Rows], rows: int = 1_500) -> np.ndarray:
    payments = stream.rows[:rows]
    legs = history(payments, payments["amount_minor"].astype(float), others).credit
    names = [
        name for name in features.versions("credit") if name in features.groups("credit")["FOUND_BEFORE"]
    ]
    return features.matrix([*names, "payer_deceived_h", "payer_deceived_30d"], legs)


@pytest.mark.parametrize("verdict", ["SCAM", "LAUNDERING", "LEGITIMATE"])
def test_no_payment_is_told_of_a_verdict_before_it_is_known(stream: Stream, verdict: str) -> None:
    """The leak test of everything wired: without feedback, and with it, all is the same until it comes."""
    told = [feedback(stream, row, verdict=verdict) for row in range(0, 600, 3)]
    first_us = min(msgspec.json.decode(each)["known_at_us"] for each in told)
    before = stream.rows["at_us"][:1_500] < first_us

    without, known = credit_features(stream, []), credit_features(stream, list(decoded(told).facts))

    assert before.sum() > 5
    np.testing.assert_array_equal(without[before], known[before])
    assert (without[~before] != known[~before])[~np.isnan(known[~before])].any()


def test_an_answer_that_all_is_well_and_feedback_without_parties_say_nothing(stream: Stream) -> None:
    soothing = feedback(stream, 1, kind="ANSWER", verdict="LEGITIMATE")
    nameless = feedback(stream, 2, creditor_account="")
    opened = feedback(stream, 3, verdict="UNKNOWN")

    found = decoded([soothing, nameless, opened])

    assert [len(rows) for rows in found.facts] == [0, 0] and not found.letters
    assert found.counts == {"findings": 1, "feedback_without_finding": 2}


def test_a_payer_found_deceived_is_kept_though_he_was_not_seen_paying() -> None:
    table, fact = Table.empty(PAYERS.row), np.zeros(1, PAYERS.facts[2])
    fact["key"], fact["at_us"], fact["scam"] = 7, T0_US, 1
    paying = np.zeros(1, PAYERS.facts[0])
    paying["key"], paying["at_us"] = 8, T0_US
    PAYERS.fold(table, [fact, paying])

    PAYERS.forget(table, Keep(100, DAY_US))

    assert (table.find(fact["key"]) >= 0).all()
