"""A file to a topic and a topic to a terminal, as they are."""

import json
from pathlib import Path

import pytest

from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.preflight import new_topics, require_topics
from pipelines.kafka.reading import process
from schemas.errors import ConfigError
from tests.command import command
from tests.iso20022 import pacs008


def test_what_is_sent_is_what_is_heard(tmp_path: Path) -> None:
    (tmp_path / "in.xml").write_bytes(pacs008())
    lines = [json.dumps({"debtor_account": f"a{n}"}).encode() for n in range(3)] + [b"nonsense"]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines))
    with EmbeddedBroker() as broker:
        at = ("--kafka_brokers", broker.address)
        require_topics(KafkaSettings(broker.address), new_topics(["payments"], 2), create_topics=True)
        assert "1 message sent" in command("send", tmp_path / "in.xml", *at).stdout
        assert "4 messages sent" in command("send", tmp_path / "in.jsonl", *at).stdout
        heard = command("listen", "payments", *at).stdout_bytes
        with pytest.raises(ConfigError, match="no topic 'alert', but payments"):
            command("listen", "alert", *at)
        process.close_connections()
    assert pacs008() in heard
    assert all(line in heard.splitlines() for line in lines)
