"""Telecom clues join payments in event time; without one nothing is known of the payer."""

import json
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec import ValidationError

from models import features
from models.ledgers.clues import ACTIVE, CLUE_FACT, STRANGE
from models.ledgers.history import history
from models.ledgers.ledger import Keep
from models.ledgers.parties import PAYERS
from models.ledgers.table import Table
from pipelines import policy
from pipelines.kafka.port import Chunk
from pipelines.streams.clock import window
from pipelines.streams.clues import CLUES_STREAM, clue_facts
from pipelines.streams.table import STREAMS, topics_read
from schemas import clue, topics
from schemas.clue import Clue
from schemas.rows import Rows
from schemas.rows.tokens import token_text
from schemas.rows.values import Values
from schemas.units import DAY_US, HOUR_US, MINUTE_US
from tests.hotpath.conftest import Stream

decode = CLUES_STREAM.decode

NAMES = (
    "strange_call_min", "longest_strange_call_min", "strange_callers_1d", "graded_contact_h",
    "unproved_call_h", "screen_shared_min",
    "remote_controlled_min", "app_installed_h", "scam_message_h", "scam_site_h", "sim_swapped_h",
    "device_swapped_h", "calls_forwarded_h",
)  # fmt: skip
OTHER = "abcdefghijklmnopqrstuvwxya"

CAMARA = {
    "id": "83a0d986-0866-4f38-b8c0-fc65bfcda452", "source": "https://notificationSendServer12.supertelco.com",
    "type": "org.camaraproject.sim-swap-subscriptions.v0.swapped", "specversion": "1.0",
    "datacontenttype": "application/json", "time": "2025-09-01T10:11:12.345Z",
    "data": {"subscriptionId": "987654321", "phoneNumber": "+346661113334"},
}  # fmt: skip


def value(party: str, at_us: int, kind: str = "CALL", **stated: Any) -> bytes:
    return msgspec.json.encode(
        Clue(clue_id=f"c-{at_us}-{kind}", kind=kind, party=party, at_us=at_us, **stated)  # type: ignore[arg-type]
    )


def fact(value: bytes) -> list[Rows]:
    """A clue as rows; none of what only concerns a subscription."""
    found = clue.read(value)
    return [] if found is None else [clue_facts([found])]


def seen(stream: Stream, clues: list[bytes], row: int = 50) -> dict[str, float]:
    """The clue features of one payment's credit leg, with clues folded beside the payments before it."""
    facts = [np.concatenate(found) for each in clues if (found := fact(each))]
    rows = stream.rows[: row + 1]
    value_ = rows["amount_minor"].astype(float)
    others: list[Rows] = [np.concatenate(facts)] if facts else []
    legs = history(rows, value_, others).credit
    return dict(zip(NAMES, features.matrix(NAMES, legs)[-1].tolist(), strict=True))


@pytest.fixture
def payer(stream: Stream) -> tuple[str, int]:
    row = stream.rows[50]
    return token_text(row["debtor"]), int(row["at_us"])


def test_without_a_clue_nothing_is_known(stream: Stream) -> None:
    found = seen(stream, [])

    assert found.pop("strange_callers_1d") == 0
    assert all(np.isnan(list(found.values())))


def test_a_call_in_progress_counts_from_its_begin_until_it_ends(
    stream: Stream, payer: tuple[str, int]
) -> None:
    party, at_us = payer
    call = value(party, at_us - 40 * MINUTE_US, counterparty=OTHER)
    end = value(party, at_us - 5 * MINUTE_US, active=False, duration_s=2100, counterparty=OTHER)

    during, after = seen(stream, [call]), seen(stream, [call, end])

    assert during["strange_call_min"] == pytest.approx(40)
    assert np.isnan(after["strange_call_min"])
    assert after["longest_strange_call_min"] == pytest.approx(35)
    assert after["strange_callers_1d"] == pytest.approx(1, abs=0.1)


def test_a_call_with_a_number_the_party_knows_is_none(stream: Stream, payer: tuple[str, int]) -> None:
    party, at_us = payer

    known = seen(stream, [value(party, at_us - MINUTE_US, known=True)])
    foreign = seen(stream, [value(party, at_us - MINUTE_US, known=True, overseas=True)])

    assert np.isnan(known["strange_call_min"])
    assert foreign["strange_call_min"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("SCREEN_SHARE", "screen_shared_min", 120), ("REMOTE_CONTROL", "remote_controlled_min", 120),
        ("APP", "app_installed_h", 2), ("URL", "scam_site_h", 2), ("SMS", "scam_message_h", 2),
        ("SIM_SWAP", "sim_swapped_h", 2), ("DEVICE_SWAP", "device_swapped_h", 2),
        ("FORWARDING", "calls_forwarded_h", 2),
    ],
)  # fmt: skip
def test_each_kind_of_clue_is_a_feature_of_the_payment_after_it_and_not_before(
    stream: Stream, payer: tuple[str, int], kind: str, name: str, expected: float
) -> None:
    party, at_us = payer

    assert seen(stream, [value(party, at_us - 2 * HOUR_US, kind)])[name] == pytest.approx(expected)
    assert np.isnan(seen(stream, [value(party, at_us + MINUTE_US, kind)])[name])
    assert np.isnan(seen(stream, [value(OTHER, at_us - 2 * HOUR_US, kind)])[name])


def test_what_was_long_ago_says_nothing(stream: Stream, payer: tuple[str, int]) -> None:
    party, at_us = payer

    assert np.isnan(seen(stream, [value(party, at_us - 8 * DAY_US, "SIM_SWAP")])["sim_swapped_h"])


def test_contact_with_a_graded_number_is_told_from_other_contact(
    stream: Stream, payer: tuple[str, int]
) -> None:
    party, at_us = payer
    graded = seen(stream, [value(party, at_us - HOUR_US, "SMS", grade=2)])
    plain = seen(stream, [value(party, at_us - HOUR_US, "SMS", grade=1)])

    assert graded["graded_contact_h"] == pytest.approx(1)
    assert np.isnan(plain["graded_contact_h"])


def test_clues_in_any_order_of_arrival_and_twice_give_the_same(
    stream: Stream, payer: tuple[str, int]
) -> None:
    party, at_us = payer
    kinds = ["CALL", "CALL", "SCREEN_SHARE", "URL", "CALL", "SIM_SWAP"]
    clues = [
        value(
            party, at_us - 9 * MINUTE_US * place, kind,
            counterparty=OTHER, active=place % 3 > 0, duration_s=60 * place,
        )
        for place, kind in enumerate(kinds, 1)
    ]  # fmt: skip
    expected = seen(stream, clues)

    for seed in range(20):
        order = np.random.default_rng(seed).permutation(len(clues) * 2) % len(clues)
        assert seen(stream, [clues[place] for place in order]) == pytest.approx(expected, nan_ok=True)


def test_camaras_own_notification_is_a_clue_and_its_number_goes_nowhere() -> None:
    found = clue.read(json.dumps(CAMARA | {"party": OTHER}).encode())

    assert found is not None
    assert (found.kind, found.party, found.at_us) == ("SIM_SWAP", OTHER, 1_756_721_472_345_000)
    assert "346661113334" not in msgspec.json.encode(found).decode()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, r"\$\.party"),
        ({"party": OTHER, "type": "org.camaraproject.unheard-of.v1.event"}, r"\$\.type"),
        ({"party": OTHER, "type": "com.example.event"}, r"\$\.type"),
        ({"party": OTHER, "time": "2025-09-01T10:11:12"}, r"\$\.time"),
        ({"party": OTHER, "time": "yesterday"}, r"\$\.time"),
        ({"party": "short"}, r"\$\.party"),
    ],
)
def test_a_notification_that_is_no_clue_is_refused_with_its_field(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        clue.read(json.dumps(CAMARA | change).encode())


def test_a_subscription_that_ended_is_counted_and_said_and_is_no_dead_letter(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended = CAMARA | {"type": "org.camaraproject.sim-swap-subscriptions.v0.subscription-ended"}
    values = [json.dumps(ended).encode(), value(OTHER, 1_756_721_472_345_000), b"{}", b"\xff"]
    places = np.arange(len(values))
    chunk = Chunk(
        topics.CLUES, Values.of(values), places.astype(np.int32), places, places * 0 + 1_756_721_472_345_000
    )

    rules = policy.load()
    decoded = decode(chunk, rules, window(chunk, rules.clock, None))

    assert [len(rows) for rows in decoded.facts] == [1]
    assert decoded.facts[0].dtype == CLUE_FACT
    assert dict(decoded.counts) == {"clues": 1, "clues_late": 0, "clue_subscriptions_ended": 1}
    assert len(decoded.letters) == 2
    assert "renew them" in caplog.text


def test_the_main_job_reads_clues() -> None:
    assert topics.CLUES in topics_read(STREAMS)


def test_who_was_called_but_has_not_paid_yet_is_not_forgotten() -> None:
    table, call, paying = Table.empty(PAYERS.row), np.zeros(1, CLUE_FACT), np.zeros(1, PAYERS.facts[0])
    call["key"], call["at_us"], call["flags"] = 7, 1_756_656_000_000_000, ACTIVE | STRANGE
    paying["key"], paying["at_us"] = 8, call["at_us"] + MINUTE_US
    PAYERS.fold(table, [call, paying])

    PAYERS.forget(table, Keep(100, DAY_US))
    assert (table.find(call["key"]) >= 0).all()

    paying["at_us"] += 2 * DAY_US
    PAYERS.fold(table, [paying])
    PAYERS.forget(table, Keep(100, DAY_US))
    assert (table.find(call["key"]) < 0).all()
