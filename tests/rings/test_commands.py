"""`stopline rings` on a broker, as a user runs it."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, open_admin, open_producer
from pipelines.kafka.preflight import new_topics
from pipelines.kafka.reading import process
from schemas import topics
from schemas.alert import Alert
from schemas.errors import ConfigError
from tests.command import command
from tests.rings.ties import AT, token

SAMPLE = Path(__file__).parents[1] / "schemas" / "v1" / "alert.v1.jsonl"


@pytest.fixture(scope="module")
def brokers() -> Iterator[str]:
    """A broker with alerts about two accounts that one victim paid, and one message that is none."""
    alert = msgspec.json.decode(SAMPLE.read_bytes().splitlines()[0], type=Alert)
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        with closing(open_admin(settings)) as admin:
            admin.create_topics(new_topics([topics.ALERTS], 1))
        producer = open_producer(settings)
        for account in ("m1", "m2"):
            each = msgspec.structs.replace(
                alert, alert_id=f"alert_{account}", leg="CREDIT", txn_id=account, at_us=AT,
                account_token=token(account), party_token=token("victim"),
            )  # fmt: skip
            producer.send(topics.ALERTS, account.encode(), msgspec.json.encode(each), (), AT)
        producer.send(topics.ALERTS, b"x", b"{}", (), AT)
        producer.flush()
        yield broker.address
        process.close_connections()


def test_a_ring_is_found_written_once_shown_and_its_evidence_verified(brokers: str, tmp_path: Path) -> None:
    at = ("--kafka_brokers", brokers)
    first = command("rings", "find", "--write", *at, width=200)
    assert "BEGAN: written to topic cases" in first.output
    assert "1 messages of alerts cannot be read" in first.output
    assert "nothing changed since the last look" in command("rings", "find", "--write", *at, width=200).output
    ring = re.search(r"ring_[a-z2-7]{26}", first.output)
    assert ring is not None
    shown = command("rings", "find", "--ring", ring[0], *at, width=250)
    assert token("m1") in shown.output
    assert "COLLECTOR" in shown.output

    command("registry", "keygen", "--registry", tmp_path / "registry", "--key", tmp_path / "k.jwk")
    public, out = tmp_path / "registry" / "public.jwk", tmp_path / "case"
    command("rings", "evidence", ring[0], "--out", out, "--key", tmp_path / "k.jwk", "--who", "lin", *at)
    command("rings", "hand-on", out, "--who", "lin", "--what", "given to the prosecutor")
    assert "is as it was signed" in command("rings", "verify", out, "--key", public).output
    (out / "flows.csv").write_text("at\n")
    with pytest.raises(ConfigError, match=r"flows\.csv was changed"):
        command("rings", "verify", out, "--key", public)


def test_what_cannot_be_done_is_said_in_a_sentence_with_the_next_step(brokers: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="list them with: stopline rings find"):
        command("rings", "find", "--ring", "ring_x", "--kafka_brokers", brokers)
    with pytest.raises(ConfigError, match="stopline rings evidence"):
        command("rings", "hand-on", tmp_path, "--who", "lin", "--what", "x")
