"""`stopline check`: each of many seeded mistakes is named, with how it is mended."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from console.lab.checking import FEATURES, Checked, checked
from console.lab.sampling import chunk_of, sampled
from fixtures.stream import messages
from fixtures.world import START_US, simulate
from models import SHIPPED
from models.features import versions
from pipelines import policy
from pipelines.hot import serving
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin, open_producer
from pipelines.kafka.reading import process
from pipelines.streams.clock import EARLIEST_US, Window, window
from schemas.errors import ConfigError
from schemas.units import HOUR_US
from tests.command import command
from tests.iso20022 import Transfer, pacs008

RULES = policy.load(policy.named(country="uk"))
NOW_US = START_US + 86_400_000_000
AHEAD_US = 7_200_000_000

Fields = dict[str, Any]


@pytest.fixture(scope="module")
def good() -> list[Fields]:
    """Forty payments that nothing is wrong with but what the world leaves out."""
    world = simulate(seed=5, days=1, accounts=200, scam_rate=0.0).paid_in("GBP")
    values = [value for block in messages(world.payments.slice(0, 40)) for value in block.values]
    return [json.loads(value) for value in values]


def found(values: list[bytes]) -> Checked:
    chunk = chunk_of(list(enumerate(values, 1)))
    window = Window(np.full(len(values), NOW_US), NOW_US - EARLIEST_US, RULES.clock.ahead_us)
    return checked(chunk, window, RULES, serving.in_use(SHIPPED, RULES))


def encoded(payments: list[Fields]) -> list[bytes]:
    return [json.dumps(each).encode() for each in payments]


def put(name: str, value: Any) -> Callable[[Fields], Any]:
    return lambda fields: fields | {name: value}


def called(name: str, other: str) -> Callable[[Fields], Any]:
    def renamed(fields: Fields) -> Fields:
        value = fields.get(name, fields["accepted_at_us"])
        return {key: each for key, each in fields.items() if key != name} | {other: value}

    return renamed


def times(name: str, by: float) -> Callable[[Fields], Any]:
    return lambda fields: fields | {name: int(fields["accepted_at_us"] * by)}


#: What is done to every payment, and what has to be said: of what is wrong, and of its mend.
REFUSED: list[tuple[Callable[[Fields], Any], str, str]] = [
    (put("amount_minor", "12.50"), "`$.amount_minor`", "12.50 GBP is 1250"),
    (put("amount_minor", 12.5), "`$.amount_minor`", "12.50 GBP is 1250"),
    (put("amount_minor", 0), "`$.amount_minor`", "1 or more"),
    (times("accepted_at_us", 1e-3), "looks like milliseconds", "check unit (microseconds)"),
    (times("accepted_at_us", 1e-6), "looks like seconds", "check unit (microseconds)"),
    (put("accepted_at_us", "2026-01-31T08:00:00Z"), "`$.accepted_at_us`", "microseconds since 1970 in UTC"),
    (put("accepted_at_us", NOW_US + AHEAD_US), "FUTURE", "Local time taken for UTC"),
    (put("currency", "gbp"), "`$.currency`", "three capital letters"),
    (put("currency", "HKD"), "UNKNOWN_CURRENCY: No rate - at `$.currency` (HKD)", "--country hk"),
    (put("currency", "XAF"), "(XAF)", "add `XAF` to `currencies`"),
    (put("debtor_account", "GB33BUKB20201555555555"), "`$.debtor_account`", "stopline tokens make"),
    (put("txn_id", "x" * 40), "`$.txn_id`", "1 to 36 printable"),
    (put("status", "NEW"), "`$.status`", "one of INITIATED, HELD"),
    (
        called("debtor_account", "debtorAccount"),
        "required field `debtor_account`",
        "`debtorAccount` is probably",
    ),
    (called("currency", "iso"), "required field `currency`", "send `currency`: three capital letters"),
    (lambda fields: {"payload": fields}, "required field `txn_id`", "stand inside `payload`"),
    (lambda fields: [fields], "Expected `object`", "one JSON object a message"),
    (lambda fields: b"tx1,2026-01-31,12.50", "NOT_JSON", "stopline import"),
    (lambda fields: b'{"txn_id": "t', "NOT_JSON", "in one line"),
    (lambda fields: b"\0\0\0\0\7\2tx", "NOT_JSON", "JSON serializer"),
    (lambda fields: b"<Document/>", "no Document of ISO 20022", "breaks its contract"),
    (lambda fields: b"<Document>", "NOT_XML", "well-formed"),
    (lambda fields: pacs008(Transfer(amount="x")), "IntrBkSttlmAmt", "make `IntrBkSttlmAmt` as"),
    (lambda fields: b"", "NOT_JSON", "without a value"),
    (lambda fields: {"schema": {}, "payload": fields}, "required field `txn_id`", "stand inside `payload`"),
    (times("accepted_at_us", 1e3), "`$.accepted_at_us`", "this looks like nanoseconds"),
    (put("note", "x" * 20_000), "TOO_LARGE", "larger than any such message"),
]

DOUBTFUL: list[tuple[Callable[[Fields], Any], str, str]] = [
    (put("channel", "BRANCH"), "`channel` is not as its contract says", "one of OTHER, MOBILE"),
    (put("age_band", None), "`age_band` is null", "leave it out"),
    (put("call_in_progress", 1), "`call_in_progress` is not as", "true or false"),
    (called("payee_added_at_us", "payee_added_us"), "`payee_added_us` is unknown", "is it `payee_added_at_"),
    (called("payee_check", "payeeCheck"), "`payeeCheck` is unknown", "is it `payee_check`?"),
    (put("teller", "7"), "`teller` is unknown", "leave it out"),
    (put("debtor_name", "x"), "`debtor_name` is unknown", "who somebody is"),
    (put("clearing_serial", "x" * 40), "`clearing_serial` is not as", "docs/schemas.md"),
    (times("payee_added_at_us", 1e-6), "`payee_added_at_us` looks like seconds", "write microseconds"),
    (times("limit_changed_at_us", 1e-3), "`limit_changed_at_us` looks like milli", "write microseconds"),
    (put("creditor_opened_at_us", 0), "`creditor_opened_at_us` is 0", "leave it out"),
    (
        lambda fields: fields | {"payee_added_at_us": fields["accepted_at_us"] + AHEAD_US},
        "`payee_added_at_us` lies after the payment", "times are UTC",
    ),
    (put("new_device_age_h", 3_600 * 24 * 90), "over 20 years", "divide seconds by 3,600"),
    (put("amount_minor", 12), "under 1 GBP", "multiply by 100"),
    (put("amount_minor", 1_200), "multiple of 100", "nothing was rounded"),
    (put("txn_id", "same"), "`txn_id` came before", "an id of its own"),
    (put("status", "SETTLED"), "status SETTLED: not scored", "when it is INITIATED"),
    (
        lambda fields: fields | {"creditor_account": fields["debtor_account"]},
        "`debtor_account` and `creditor_account` are the same", "the debtor pays",
    ),
    (
        lambda fields: fields | {"debtor": fields["debtor_account"]},
        "`debtor` and `debtor_account` have one token", "is one party",
    ),
    (put("accepted_at_us", START_US + 57_600_000_000), "falls on one time of day", "not only its day"),
    (put("debtor", "a" * 26), "`debtor` is the same in all", "the party's own number"),
]  # fmt: skip


@pytest.mark.parametrize(("broken", "what", "mend"), REFUSED, ids=[what for _, what, _ in REFUSED])
def test_a_mistake_that_refuses_payments_is_named_with_its_mend(
    good: list[Fields], broken: Callable[[Fields], Any], what: str, mend: str
) -> None:
    wrong = [broken(each) for each in good[:3]]
    values = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in wrong]
    told = found([*encoded(good[3:]), *values])

    (refused,) = told.refused
    assert what in refused.what and mend in refused.mend
    assert (refused.payments, refused.first, len(told.rows)) == (3, 38, 37)


@pytest.mark.parametrize(("broken", "what", "mend"), DOUBTFUL, ids=[what for _, what, _ in DOUBTFUL])
def test_a_mistake_in_payments_that_are_accepted_is_named_with_its_mend(
    good: list[Fields], broken: Callable[[Fields], Any], what: str, mend: str
) -> None:
    told = found(encoded([broken(each) for each in good]))

    assert (told.refused, len(told.rows)) == ([], 40)
    assert [each.mend for each in told.doubtful if what in each.what and mend in each.mend]


def test_payments_of_a_topic_that_are_all_hours_old_are_named_with_their_mend(good: list[Fields]) -> None:
    now_us = max(each["accepted_at_us"] for each in good) + 8 * HOUR_US
    chunk = chunk_of(list(enumerate(encoded(good))))._replace(timestamps=np.full(len(good), now_us))
    told = checked(chunk, window(chunk, RULES.clock, now_us), RULES, serving.in_use(SHIPPED, RULES))

    (late,) = told.doubtful
    assert "h older than their messages" in late.what and "UTC, not local time" in late.mend


def test_messages_of_iso_20022_are_checked_transaction_by_transaction(tmp_path: Path) -> None:
    one_wrong = Transfer(txn_id="W", uetr="", currency="GBX")
    message = pacs008(*(Transfer(uetr="", txn_id=f"T{n}", amount=f"{n + 1}.07") for n in range(4)), one_wrong)
    (tmp_path / "paid.xml").write_bytes(message)
    done = command("check", tmp_path / "paid.xml", "--country", "uk", width=240)

    assert (done.exit_code, "5 messages: 4 accepted, 1 refused" in done.stdout) == (1, True)
    assert "CdtTrfTxInf[5]/IntrBkSttlmAmt" in done.stdout and "payee_added_at_us" in done.stdout


def test_good_payments_are_accepted_without_a_doubt(good: list[Fields]) -> None:
    told = found(encoded(good))

    assert (told.messages, len(told.rows), told.refused, told.doubtful) == (40, 40, [], [])


def test_fields_nobody_sends_are_named_those_first_that_the_model_was_trained_with(
    good: list[Fields],
) -> None:
    told = found(encoded([{k: v for k, v in each.items() if k != "payee_added_at_us"} for each in good]))
    lacking = {each.field: each for each in told.lacking}

    assert lacking["payee_added_at_us"].share == 1 and lacking["payee_added_at_us"].trained
    assert [each.trained for each in told.lacking] == sorted(
        (each.trained for each in told.lacking), reverse=True
    )


def test_the_features_that_optional_fields_feed_are_in_the_catalogue() -> None:
    assert set(FEATURES.values()) <= {*versions("credit"), *versions("debit")}


def test_what_the_model_would_do_is_told_by_account_without_a_token_in_full() -> None:
    world = simulate(seed=5, days=2, accounts=200, scam_rate=0.02).paid_in("GBP")
    values = [value for block in messages(world.payments.slice(0, 1_000)) for value in block.values]
    acted = found(values).acted
    tokens = set(world.payments["creditor_account"].to_pylist())

    gravest = next(each for each in acted if each.leg == "CREDIT")
    assert gravest.outcome == "STOP" and gravest.legs >= gravest.most >= gravest.legs / gravest.accounts
    assert {token[:4] + "…" for token in tokens} >= {gravest.most_about}
    assert [policy.OUTCOMES.index(each.outcome) for each in acted if each.leg == "CREDIT"] == sorted(
        (policy.OUTCOMES.index(each.outcome) for each in acted if each.leg == "CREDIT"), reverse=True
    )


def test_a_file_is_checked_line_by_line_and_leaves_with_1_if_a_payment_is_refused(
    good: list[Fields], tmp_path: Path
) -> None:
    file = tmp_path / "payments.jsonl"
    file.write_bytes(b"\n".join(encoded(good)) + b"\n\nnonsense\n")
    done = command("check", file, "--country", "uk", width=200)

    assert (done.exit_code, "41 messages: 40 accepted, 1 refused" in done.stdout) == (1, True)
    assert "42" in next(line for line in done.stdout.splitlines() if "NOT_JSON" in line)
    assert good[0]["debtor_account"] not in done.stdout


def test_the_first_payments_of_an_import_are_its_first_thousand(tmp_path: Path) -> None:
    payments = simulate(seed=5, days=3, accounts=400).paid_in("GBP").payments
    pq.write_table(payments, tmp_path / "payments.parquet")
    told = checked(*sampled(str(tmp_path), [], RULES.clock), RULES, serving.in_use(SHIPPED, RULES))

    assert payments.num_rows > 1_000
    assert (told.messages, len(told.rows), told.refused) == (1_000, 1_000, [])
    assert told.rows["txn_id"].astype(str).tolist() == payments["txn_id"].slice(0, 1_000).to_pylist()


def test_every_partition_of_a_topic_gives_its_first_payments(good: list[Fields]) -> None:
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        with closing(open_admin(settings)) as admin:
            admin.create_topics([NewTopic("trial", 2)])
        producer = open_producer(settings)
        for number, value in enumerate(encoded(good)):
            producer.send("trial", None, value, (), NOW_US, partition=number % 2)
        producer.flush()
        chunk, _ = sampled(f"kafka://{broker.address}/trial", [], RULES.clock)
        process.close_connections()

    assert sorted(chunk.values) == sorted(encoded(good))
    assert sorted(chunk.partitions.tolist()) == [0] * 20 + [1] * 20


def test_a_place_that_holds_nothing_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_bytes(b"\n")

    with pytest.raises(ConfigError, match=r"empty\.jsonl holds no payment; send or write some"):
        sampled(str(tmp_path / "empty.jsonl"), [], RULES.clock)
