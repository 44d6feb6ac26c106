"""ISO 20022 beside JSON on the topic of payments: rows, letters with the element's path, counts."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from models import SHIPPED
from pipelines.jobs.options import JobSettings
from pipelines.policy import Policy, load, named
from pipelines.streams.clock import window
from pipelines.streams.payments import PAYMENTS, Reading, decode, payments_among, read_as
from pipelines.streams.table import STREAMS
from schemas import token_keys
from schemas.dead_letter import HINTS, DeadLetter
from schemas.errors import ConfigError
from schemas.rows import Rows
from schemas.rows.tokens import token_text
from schemas.token_recipe import token
from tests.hotpath.conftest import chunk_of
from tests.iso20022 import IBAN, UETR, Transfer, camt056, pacs002, pacs004, pacs008, pain001

SECRET = bytes(range(32))
AT_US = 1_772_442_930_500_000

RULES = load(named(country="uk"))


def judged(
    *values: bytes, rules: Policy = RULES, at_us: int = AT_US, key: bool = True
) -> tuple[Rows, list[DeadLetter], dict[str, int]]:
    chunk = chunk_of(list(values), timestamps_us=[at_us] * len(values))
    tokens = partial(token, SECRET) if key else None
    rows, letters, counts = decode(chunk, rules, window(chunk, rules.clock, None), tokens)
    return rows, letters, dict(counts)


def test_messages_of_both_forms_become_rows_that_know_their_place() -> None:
    rows, letters, _ = judged(pacs008(), b"{}", pain001(Transfer(uetr="")))
    assert sorted(rows["offset"].tolist()) == [0, 2]
    assert [letter.offset for letter in letters] == [1]
    first = rows[rows["offset"] == 0][0]
    assert (first["txn_id"].decode(), token_text(first["debtor_account"])) == (
        UETR,
        token(SECRET, "IBAN", IBAN),
    )
    assert (first["amount_minor"], first["at_us"], first["received_us"]) == (123450, AT_US, AT_US)


def test_of_several_transactions_the_good_are_scored_and_one_letter_names_the_first_that_is_not() -> None:
    fine = [Transfer(uetr="", txn_id=name) for name in "ABCDE"]
    fine[1], fine[2] = replace(fine[1], amount="1.2.3"), replace(fine[2], currency="SEK")
    fine[4] = replace(fine[4], accepted="1999-01-01T00:00:00Z")
    message = pacs008(*fine)
    rows, (letter,), _ = judged(message)

    assert rows["txn_id"].tolist() == [b"A", b"D"]
    assert (letter.error_code, letter.value) == ("INVALID", message)
    assert "/CdtTrfTxInf[2]/IntrBkSttlmAmt`; 1 of 5 transactions are refused" in letter.message


@pytest.mark.parametrize(
    ("transfer", "code", "at"),
    [
        (Transfer(currency="SEK"), "UNKNOWN_CURRENCY", "CdtTrfTxInf/IntrBkSttlmAmt"),
        (Transfer(accepted="1999-01-01T00:00:00Z"), "PAST", "CdtTrfTxInf/AccptncDtTm"),
        (Transfer(accepted="2030-01-01T00:00:00Z"), "FUTURE", "CdtTrfTxInf/AccptncDtTm"),
        (Transfer(creditor_account="<Othr><Id/></Othr>"), "INVALID", "CdtrAcct/Id/Othr/Id"),
    ],
)  # fmt: skip
def test_what_the_policy_refuses_is_told_by_the_element(transfer: Transfer, code: str, at: str) -> None:
    rows, (letter,), _ = judged(pacs008(transfer))

    assert (len(rows), letter.error_code, letter.hint) == (0, code, HINTS[letter.error_code])
    assert f"/{at}`" in letter.message


def test_without_a_key_and_without_xml_the_letter_says_what_to_do() -> None:
    (none,), (broken,) = judged(pacs008(), key=False)[1], judged(b"<Document>")[1]
    assert (none.error_code, "--token_keys" in none.hint) == ("NO_TOKEN_KEY", True)
    assert (broken.error_code, "well-formed" in broken.hint) == ("NOT_XML", True)


def test_what_is_said_of_earlier_payments_is_counted_and_no_dead_letter(tmp_path: Path) -> None:
    _, letters, counts = judged(pacs002(), pacs004(), camt056(), pacs008())
    assert (letters, counts) == ([], {"REJECTED": 1, "RETURNED": 1, "RECALLED": 1})
    keys = tmp_path / "keys.json"
    token_keys.add(keys, "2026-11")
    chunk = chunk_of([pacs002(), pacs008()], timestamps_us=[AT_US] * 2)
    decoded = Reading(str(keys))(chunk, RULES, window(chunk, RULES.clock, None))
    assert decoded.counts == {"payments": 1, "payments_not_initiated": 1}


def test_local_times_are_those_of_the_law(rules: Policy) -> None:
    chinese = load(named(country="cn"))
    rows, _, _ = judged(pacs008(Transfer(accepted="2026-03-02T17:15:30.5", currency="CNY")), rules=chinese)
    assert rows["at_us"].tolist() == [AT_US]


def test_payments_may_come_on_a_topic_of_another_name_with_a_key(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    token_keys.add(keys, "2026-11")

    def settings(*flags: str) -> JobSettings:
        given = ["--kafka_brokers", "b:9092", "--model_bundle", str(SHIPPED), *flags]
        return JobSettings.of(PipelineOptions(given))

    mine = payments_among(settings("--kafka_payments_topic", "swift.in", "--token_keys", str(keys)).streams)
    assert (mine.topic, mine.decode, mine.facts) == ("swift.in", Reading(str(keys)), PAYMENTS.facts)
    assert payments_among(settings().streams) == PAYMENTS
    for wrong in (
        ("--kafka_payments_topic", "measures"),
        ("--kafka_payments_topic", "a b"),
        ("--token_keys", str(tmp_path / "none.json")),
        ("--token_keys", str(keys), "--token_epoch", "x"),
    ):
        with pytest.raises(ConfigError):
            settings(*wrong)


def test_streams_read_otherwise_are_the_same_wherever_they_are_made() -> None:
    first, second = (read_as(STREAMS, "swift.in", Reading("/keys")) for _ in range(2))
    assert first == second and hash(first) == hash(second)
    assert np.all([stream.topic != "payments" for stream in first])
