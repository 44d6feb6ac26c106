"""The bank's file of subscriptions says whose an operator's notifications are, and which to renew."""

import json
import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest

from models.ledgers.clues import CLUE_FACT
from pipelines.hot.decode import Decode
from pipelines.kafka.port import Chunk
from pipelines.policy import Policy
from pipelines.streams.clock import window
from pipelines.streams.clues import subscribed
from pipelines.streams.subscriptions import Followed, read
from pipelines.streams.table import STREAMS
from schemas import clue, token_keys, topics
from schemas.clue import Clue
from schemas.errors import ConfigError
from schemas.rows.tokens import token_text, token_words
from schemas.rows.values import Values
from schemas.token_recipe import token
from schemas.units import DAY_US, MINUTE_US, SECOND_US

PARTY, OTHER = "abcdefghijklmnopqrstuvwxya", "abcdefghijklmnopqrstuvwxye"
T0_US = 1_756_721_400_000_000


def line(name: str, party: str = PARTY, expires: str = "") -> str:
    return json.dumps({"subscription": name, "party": party} | ({"expires": expires} if expires else {}))


def at(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).isoformat().replace("+00:00", "Z")


def notified(name: str, what: str = "swapped") -> bytes:
    """A notification as an operator sends it: it names the subscription and the number, not our party."""
    event = {
        "id": f"n-{name}", "source": "https://operator.example", "specversion": "1.0", "time": at(T0_US),
        "type": f"org.camaraproject.sim-swap-subscriptions.v0.{what}",
        "data": {"subscriptionId": name, "phoneNumber": "+346661113334"},
    }  # fmt: skip
    return json.dumps(event).encode()


class Job:
    """The decoding of a main job with a file of subscriptions, fed a chunk at a time."""

    def __init__(self, rules: Policy, file: Path) -> None:
        self._decode = Decode(rules, 1, subscribed(STREAMS, str(file)))
        self._read = 0

    def take(self, topic: str, at_us: int, *values: bytes) -> tuple[list[str], list[dict[str, object]]]:
        """Returns the parties that something became known of, and what went to the topics of trouble."""
        places = np.arange(self._read, self._read + len(values))
        self._read += len(values)
        chunk = Chunk(topic, Values.of(list(values)), places.astype(np.int32), places, places * 0 + at_us)
        found = self._decode.gathered([self._decode.begin(chunk)])
        parties = [
            token_text(key) for kind, blocks in found.parts.items() if kind == CLUE_FACT
            for _, rows in blocks for key in rows["key"]
        ]  # fmt: skip
        return parties, [json.loads(letter.element.value) for letter in found.letters]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "subscriptions.jsonl"
    path.write_text(f"{line('s1')}\n\n{line('s2', OTHER, at(T0_US + 30 * DAY_US))}\n")
    return path


def test_a_notification_is_of_the_party_whose_subscription_it_names(rules: Policy, file: Path) -> None:
    job = Job(rules, file)

    assert job.take(topics.CLUES, T0_US, notified("s1"), notified("s2")) == ([PARTY, OTHER], [])
    nobody, (letter,) = job.take(topics.CLUES, T0_US, notified("s3"))
    assert nobody == [] and "--clues_subscriptions" in str(letter)


def test_a_file_that_is_replaced_is_read_again_and_a_bad_one_changes_nothing(file: Path) -> None:
    followed = Followed(file)
    for number, (text, expected) in enumerate(
        [(line("s3"), {"s3"}), ("no line", {"s3"}), (line("s4"), {"s4"})], start=1
    ):
        file.write_text(text)
        os.utime(file, ns=(number, number))
        assert set(followed.known()) == expected
    file.unlink()
    assert set(followed.known()) == {"s4"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "line 1"),
        (line("s1", "short"), r"line 1.*\$\.party"),
        (f"{line('s1')}\n{line('s2', expires='2026-12-31T00:00:00')}", "line 2.*no offset"),
        ('{"subscription": "s1"}', "line 1.*party"),
        ('{"subscription": "s1", "party": "abcdefghijklmnopqrstuvwxya", "until": 1}', "line 1.*until"),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_line(file: Path, text: str, said: str) -> None:
    file.write_text(text)

    with pytest.raises(ConfigError, match=said):
        read(file)


def test_a_subscription_that_ends_within_a_day_or_that_the_operator_ended_is_told_once(
    rules: Policy, file: Path
) -> None:
    file.write_text(f"{line('s1', expires=at(T0_US + DAY_US // 2))}\n{line('s2')}\n")
    job, alarms = Job(rules, file), []
    for minute in range(3):
        alarms += job.take(topics.PAYMENTS, T0_US + minute * MINUTE_US, b"{}")[1]
    alarms += job.take(topics.CLUES, T0_US + 3 * MINUTE_US, notified("s2", "subscription-ended"))[1]

    kinds = [each["kind"] for each in alarms if "alarm_id" in each]
    assert kinds == ["CLUE_SUBSCRIPTION_EXPIRES", "CLUE_SUBSCRIPTION_ENDED"]


def test_when_clues_stop_while_payments_go_on_an_alarm_comes_within_two_minutes(
    rules: Policy, file: Path
) -> None:
    job, told_s = Job(rules, file), []
    for second in range(0, 600, 5):
        if second < 300:
            job.take(topics.CLUES, T0_US + second * SECOND_US, notified("s1"))
        _, told = job.take(topics.PAYMENTS, T0_US + second * SECOND_US, b"{}")
        told_s += [second for each in told if each.get("kind") == "CLUE_FEED_SILENT"]

    assert len(told_s) == 1 and told_s[0] - 295 <= 120


def test_a_number_in_clear_becomes_the_token_of_its_producer_and_four_digits(
    rules: Policy, tmp_path: Path
) -> None:
    keys = tmp_path / "tokens.json"
    token_keys.add(keys, "2026-11")
    mine = partial(token, token_keys.secret(keys), "PHONE")
    clear = {"clue_id": "c-1", "kind": "CALL", "party": PARTY, "at_us": T0_US}
    value, wrong = (
        json.dumps(clear | {"counterparty": number}).encode() for number in ("+86 138 0013 8000", "+8612")
    )

    made, bare = clue.read(value, number_token=mine), clue.read(value, number_token=clue.untold)
    assert made is not None and (made.counterparty, made.tail) == (mine("+8613800138000"), "8000")
    assert bare is not None and (bare.counterparty, bare.tail) == ("", "8000")

    (stream,) = (each for each in subscribed(STREAMS, "", str(keys)) if each.topic == topics.CLUES)
    places = np.arange(2)
    chunk = Chunk(
        topics.CLUES, Values.of([value, wrong]), places.astype(np.int32), places, places * 0 + T0_US
    )
    decoded = stream.decode(chunk, rules, window(chunk, rules.clock, None))
    assert decoded.facts[0]["counterparty"].tolist() == token_words([made.counterparty])[:, 1].tolist()
    assert ["a telephone number" in letter.message for letter in decoded.letters] == [True]
    with pytest.raises(msgspec.ValidationError, match="--token_keys"):
        clue.read(value)
    with pytest.raises(msgspec.ValidationError, match="regex"):
        clue.read(value.replace(b"+86 138 0013 8000", b"unknown"), number_token=clue.untold)


@pytest.mark.parametrize("kind", ["call", "sms", "url", "app", "screen_share", "forwarding"])
def test_our_own_types_of_events_carry_a_clue_as_their_data(kind: str) -> None:
    made = Clue(clue_id="c-1", kind=kind.upper(), party=PARTY, at_us=T0_US)  # type: ignore[arg-type]
    event = {
        "specversion": "1.0", "id": "e-1", "type": f"stopline.clue.{kind}.v1", "source": "urn:bank:app",
        "data": msgspec.to_builtins(made),
    }  # fmt: skip

    assert clue.read(json.dumps(event).encode()) == made
    with pytest.raises(msgspec.ValidationError, match=r"\$\.type"):
        clue.read(json.dumps(event | {"type": f"stopline.clue.{kind}.v2"}).encode())
