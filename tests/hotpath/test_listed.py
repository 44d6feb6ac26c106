"""Listings and suspicions meet payments: from when they are said, on both legs, by the country's steps."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import apache_beam as beam
import msgspec
import numpy as np
import pytest

from measures.registry.codes import LISTED, TIER_BITS
from models import features
from models.ledgers.clues import CLUE_FACT, GRADED
from pipelines import policy
from pipelines.hot import listed
from pipelines.hot.feeds import Feeds
from pipelines.in_process.runner import in_process
from pipelines.jobs.main import build, write
from pipelines.jobs.options import JobSettings
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin, open_producer
from pipelines.kafka.reading import process
from pipelines.kafka.reading.bounded import ReadChunksBounded
from pipelines.lookup.following import READ, STALE_S, Followed, Follower, spoken_rows
from pipelines.lookup.marking import marked
from pipelines.policy import OUTCOMES, ListsPolicy, Policy
from pipelines.streams.table import topics_needed, topics_read
from schemas import topics
from schemas.payment import CHANNELS, Payment
from schemas.rows.tokens import token_words
from schemas.rows.transfers import TRANSFER
from schemas.subject import Suspicion
from tests.casework.test_listings import bureau, decision, signed
from tests.hotpath.conftest import taken
from tests.models.test_features import legs

SECOND_US, HOUR_US = 1_000_000, 3_600_000_000
NOW = 1_790_000_000_000_000
MULE, VICTIM, PARTY = "a" * 26, "b" * 25 + "a", "c" * 25 + "a"


def suspicion(token: str = MULE, tier: int = 2, version: int = 1, **fields: Any) -> bytes:
    given: dict[str, Any] = {
        "kind": "ACCOUNT", "state": "ACTIVE" if tier else "CLEARED", "valid_to_us": NOW + 999 * HOUR_US,
    }  # fmt: skip
    state = Suspicion(
        subject_id="s-1", token=token, tier=tier, since_us=NOW, version=version, **(given | fields)
    )
    return msgspec.json.encode(state)


def listing(kind: str, token: str, country: str = "CN") -> bytes:
    """An authority's listing as the casework job writes it."""
    at = bureau(country)
    at.now = NOW
    grounds = {"CN": "CRIMINAL", "TH": "MULE", "SG": "INVESTIGATION"}
    signed(at, decision(country, kind=kind, token=token, ground=grounds[country]))
    [state] = at.all("listing")
    return msgspec.json.encode(state)


def paid(number: int) -> bytes:
    return msgspec.json.encode(
        Payment(
            txn_id=f"t{number}", accepted_at_us=NOW - 2 * HOUR_US, amount_minor=100_000, currency="CNY",
            debtor=PARTY, debtor_account=VICTIM, creditor_account=MULE, channel="MOBILE",
            balance_after_minor=900_000,
        )
    )  # fmt: skip


@pytest.fixture
def broker() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as started:
        settings = KafkaSettings(started.address)
        names = (*topics_needed(), topics.SUSPICIONS, topics.LISTINGS)
        with closing(open_admin(settings)) as admin:
            admin.create_topics([NewTopic(name, 1) for name in names])
        yield settings
        process.close_connections()


def send(kafka: KafkaSettings, topic: str, value: bytes, at_us: int = NOW) -> None:
    producer = open_producer(kafka)
    producer.send(topic, b"k", value, (), at_us)
    producer.flush()


def looked(follower: Follower, until: Callable[[], bool]) -> None:
    """Let a follower read until something holds, ten seconds at most."""
    deadline = time.monotonic() + 10
    while not until() and time.monotonic() < deadline:
        follower.look()
        time.sleep(0.01)


def test_what_is_said_of_an_account_delays_payments_from_then_on_until_it_is_taken_back(
    job: JobSettings, broker: KafkaSettings
) -> None:
    send(broker, topics.SUSPICIONS, suspicion(tier=2), NOW)
    send(broker, topics.SUSPICIONS, suspicion(tier=0, version=2), NOW + 2 * HOUR_US)
    for number, hours in enumerate((-1, 1, 3)):
        send(broker, topics.PAYMENTS, paid(number), NOW + hours * HOUR_US)
    settings = replace(job, kafka=broker, registry=Followed(broker))

    with beam.Pipeline(runner=in_process()) as pipeline:
        chunks = pipeline | "Read" >> ReadChunksBounded(broker, *topics_read())
        write(build(chunks, settings), settings)

    assert "registry" in {thread.name for thread in threading.enumerate()}
    process.close_connections()
    for thread in threading.enumerate():
        if thread.name == "registry":
            thread.join(10)
    assert "registry" not in {thread.name for thread in threading.enumerate()}

    with closing(open_admin(broker)) as admin:
        end = admin.end_offsets([(topics.ALERTS, 0)])[topics.ALERTS, 0]
    alerts = [msgspec.json.decode(each.value) for each in taken(broker, topics.ALERTS, 0, 0, end)]
    told = [each for each in alerts if each["reasons"][0]["code"] == "PAYEE_SUSPECTED"]
    assert [(each["txn_id"], each["leg"], each["outcome"]) for each in told] == [("t1", "CREDIT", "DELAY")]
    assert len(told[0]["lists"]) == 8 and int(told[0]["lists"], 16)
    assert told[0]["notice"]["reason_code"] == "PAYEE_SUSPECTED"
    assert "SEVERAL_SIGNS" not in {each["code"] for each in told[0]["reasons"]}


def test_a_listing_is_looked_up_within_two_seconds_and_again_after_a_restart(broker: KafkaSettings) -> None:
    follower = Follower(Followed(broker))
    keys, at_us = token_words([VICTIM]), np.array([NOW + HOUR_US])
    before = follower.lists.codes(keys, at_us)[0]
    send(broker, topics.LISTINGS, listing("ACCOUNT", VICTIM))
    begin_s = time.monotonic()

    looked(follower, lambda: follower.lists.codes(keys, at_us)[0] > 0)

    assert time.monotonic() - begin_s < 2
    found = follower.lists.codes(keys, at_us)[0]
    assert before == 0 and found & LISTED
    again = Follower(Followed(broker))
    assert again.lists.codes(keys, at_us)[0] == found
    assert again.lists.version == follower.lists.version != 0


def test_an_older_version_changes_nothing_and_what_is_no_state_is_passed_over(
    broker: KafkaSettings, caplog: pytest.LogCaptureFixture
) -> None:
    for value in (suspicion(PARTY, 2, 5), b"{}", b"no json", b"", suspicion(PARTY, 0, 4)):
        send(broker, topics.SUSPICIONS, value)

    follower = Follower(Followed(broker))

    assert follower.lists.codes(token_words([PARTY]), np.array([NOW + HOUR_US]))[0] == TIER_BITS[2]
    assert caplog.text.count("is passed over") == 1


def test_the_number_of_a_call_counts_as_a_scammers_from_tier_two(broker: KafkaSettings) -> None:
    numbers = ["d" * 20 + letter * 5 + "a" for letter in "abc"]
    for tier, token in enumerate(numbers, 1):
        send(broker, topics.SUSPICIONS, suspicion(token, tier, kind="SIM"))
    calls = np.zeros(3, CLUE_FACT)
    calls["counterparty"], calls["at_us"] = token_words(numbers)[:, 1], NOW + HOUR_US

    found = marked(calls, Follower(Followed(broker)).lists)["flags"] & GRADED > 0

    assert found.tolist() == [False, True, True]
    assert not calls["flags"].any()


def test_a_person_is_told_once_when_the_registry_was_not_reached_for_ten_minutes(rules: Policy) -> None:
    feeds = Feeds(rules)
    ages = (0.0, STALE_S + 1, STALE_S + 60, 0.0, STALE_S + 1)

    told = [
        list(feeds.alarms({"payments": NOW + number}, 0, registry_s=age)) for number, age in enumerate(ages)
    ]

    assert [len(each) for each in told] == [0, 1, 0, 0, 1]
    alarm = msgspec.json.decode(told[1][0].value)
    assert (alarm["kind"], alarm["feed"], alarm["silent_s"]) == ("REGISTRY_STALE", "listings", 601)


def transfers(channel: str, payer: int = 0, payee: int = 0, creditor: str = MULE) -> np.ndarray:
    rows = np.zeros(1, TRANSFER)
    rows["channel"], rows["payer_listed"], rows["payee_listed"] = CHANNELS.index(channel), payer, payee
    rows["creditor_account"] = token_words([creditor])
    return rows


def outcome(leg: Any, rule: ListsPolicy, **fields: Any) -> str:
    return OUTCOMES[int(listed.outcomes(transfers(**fields), leg, rule)[0])]


def codes_at(value: bytes, topic: str, second: int = 0) -> int:
    rows, now_s = spoken_rows([], READ[topic](value), topic, NOW), NOW // SECOND_US + second
    said = [row.code for row in rows if row.from_s <= now_s < row.until_s]
    return int(np.bitwise_or.reduce(said, initial=0))


@pytest.mark.parametrize(
    ("country", "channel", "expected"),
    [
        ("CN", "MOBILE", "cut"), ("CN", "COUNTER", "listed"), ("CN", "ATM", "cut"),
        ("SG", "WEB", "cut"), ("SG", "POS", "cut"), ("SG", "COUNTER", "listed"),
        ("TH", "COUNTER", "cut"), ("TH", "MOBILE", "cut"),
    ],
)  # fmt: skip
def test_a_listing_cuts_what_its_country_cuts_on_that_channel(
    country: str, channel: str, expected: str
) -> None:
    rule = ListsPolicy(listed="WARN", cut="STOP")
    code = codes_at(listing("ACCOUNT", VICTIM, country), topics.LISTINGS)

    assert outcome("DEBIT", rule, channel=channel, payer=code) == getattr(rule, expected)


def test_a_notice_names_the_registry_where_the_model_alone_would_not_have_acted() -> None:
    rule = ListsPolicy(suspected=("WARN", "DELAY", "HOLD"), listed="WARN", cut="STOP")
    listing_ = codes_at(listing("ACCOUNT", VICTIM), topics.LISTINGS)
    said = [0, TIER_BITS[2], TIER_BITS[2], listing_, listing_ | TIER_BITS[3]]
    rows = np.concatenate([transfers("MOBILE", payer=code) for code in said])
    own = np.array([OUTCOMES.index(name) for name in ("STOP", "WARN", "DELAY", "APPROVE", "APPROVE")])

    assert listed.grounds(rows, "DEBIT", rule, own) == ["", "SUSPECTED", "", "LISTED", "LISTED"]
    rows["channel"] = CHANNELS.index("COUNTER")
    assert listed.grounds(rows, "DEBIT", rule, own) == ["", "SUSPECTED", "", "LISTED", "SUSPECTED"]


def test_payments_to_an_exempt_payee_are_not_cut() -> None:
    code = codes_at(listing("ACCOUNT", VICTIM), topics.LISTINGS)
    rule = ListsPolicy(exempt_payees=frozenset({MULE}))

    assert outcome("DEBIT", rule, channel="MOBILE", payer=code, creditor=MULE) == "APPROVE"
    assert outcome("DEBIT", rule, channel="MOBILE", payer=code, creditor=PARTY) == "HOLD"


def test_a_suspicion_never_does_what_only_a_listing_may() -> None:
    rule = ListsPolicy(suspected=("APPROVE", "APPROVE", "APPROVE"), listed="STOP", cut="STOP")

    for tier in (1, 2, 3):
        code = codes_at(suspicion(tier=tier), topics.SUSPICIONS)
        for leg in ("CREDIT", "DEBIT"):
            assert outcome(leg, rule, channel="MOBILE", payer=code, payee=code) == "APPROVE"


def test_a_hold_that_waits_for_a_person_falls_to_a_delay_by_itself() -> None:
    waits = suspicion(tier=3, state="IN_REVIEW", review_due_us=NOW + 1_800 * SECOND_US)

    found = [codes_at(waits, topics.SUSPICIONS, second) for second in (0, 1_799, 1_800)]

    assert found == [TIER_BITS[3], TIER_BITS[3], TIER_BITS[2]]


def test_features_tell_tier_and_listing_of_the_legs_account() -> None:
    row = transfers("MOBILE", payer=TIER_BITS[1] | LISTED, payee=TIER_BITS[3])
    names = ("payee_tier", "payee_listed", "payer_tier", "payer_listed")

    found = features.matrix(names, legs().rows(slice(0, 1))._replace(transfer=row))

    assert found.tolist() == [[3.0, 0.0, 1.0, 1.0]]


@pytest.mark.parametrize(
    ("country", "suspected", "listed"),
    [
        ("cn", "WARN DELAY HOLD", "WARN"), ("th", "WARN DELAY HOLD", "HOLD"),
        ("vn", "WARN WARN HOLD", "WARN"),
        ("in", "WARN DELAY DELAY", "WARN"), ("uk", "WARN DELAY DELAY", "WARN"),
    ],
)  # fmt: skip
def test_a_countrys_policy_says_what_follows(country: str, suspected: str, listed: str) -> None:
    rule = policy.load(policy.shipped()[country]).lists

    assert (" ".join(rule.suspected), rule.listed) == (suspected, listed)
