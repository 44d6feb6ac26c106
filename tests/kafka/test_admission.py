"""Who is not let in: each reason is one sentence, for both clients, at the start and while running."""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from pipelines.kafka.local.brokers import free_port
from pipelines.kafka.port import (
    Chunk,
    ClientName,
    KafkaSettings,
    NewTopic,
    open_admin,
    open_consumer,
    open_producer,
)
from schemas.errors import BrokerError, SinkError
from tests.kafka.conftest import CLIENTS
from tests.kafka.secured import SASL_PASSWORD, SASL_USER, Authority, SecuredKafka

T0_US = 1_700_000_000_000_000

SASL = {
    "security.protocol": "sasl_plaintext",
    "sasl.mechanism": "PLAIN",
    "sasl.username": SASL_USER,
    "sasl.password": SASL_PASSWORD,
}

#: Listener, security, which authority is trusted, and what is said.
CASES: Mapping[str, tuple[str, Mapping[str, str], str, str]] = {
    "wrong password": ("sasl", SASL | {"sasl.password": "geheim"}, "", "wrong user or password"),
    "wrong mechanism": (
        "sasl",
        SASL | {"sasl.mechanism": "SCRAM-SHA-256"},
        "",
        "not know this sasl",
    ),
    "wrong authority": ("tls", {}, "other", "is not from the authority in ssl.ca.location"),
    "expired": ("expired", {}, "own", "a certificate has expired"),
    "plaintext to TLS": ("tls", {}, "", "it may expect TLS or a password: check security.protocol"),
    "plaintext to SASL": ("sasl", {}, "", "it may expect TLS or a password: check security.protocol"),
    "TLS to plaintext": ("plain", {}, "own", "we speak TLS and the listener does not"),
    "SASL to plaintext": ("plain", SASL, "", "the listener asks for no password"),
}


@pytest.mark.java
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("case", CASES)
def test_whoever_is_not_let_in_reads_why(
    apache: SecuredKafka, client: ClientName, case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.kafka.port.REQUEST_TIMEOUT_S", 4.0)
    listener, security, trusted, said = CASES[case]
    if trusted:
        file = tmp_path / "ca.pem"
        file.write_text((apache.authority if trusted == "own" else Authority()).certificate)
        security = {"security.protocol": "ssl", "ssl.ca.location": str(file)}
    address = apache.address if listener == "plain" else getattr(apache, f"{listener}_address")

    with pytest.raises(BrokerError, match=said) as refused:
        open_admin(KafkaSettings(address, client=client, security=security)).partition_counts()
    assert "geheim" not in str(refused.value)


@pytest.mark.java
@pytest.mark.parametrize("client", CLIENTS)
def test_tls_with_the_right_authority_lets_in(
    apache: SecuredKafka, client: ClientName, tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(apache.authority.certificate)
    security = {"security.protocol": "ssl", "ssl.ca.location": str(file)}

    with closing(open_admin(KafkaSettings(apache.tls_address, client=client, security=security))) as admin:
        assert admin.cluster_id()


@pytest.mark.java
@pytest.mark.slow
@pytest.mark.usefixtures("java")
@pytest.mark.parametrize("client", CLIENTS)
def test_a_password_rotated_under_the_job_ends_it_with_the_reason(
    client: ClientName, tmp_path: Path, drain: Callable[..., list[Chunk]]
) -> None:
    ports = [free_port() for _ in range(4)]
    with SecuredKafka(tmp_path, ports=ports) as broker:
        settings = KafkaSettings(broker.sasl_address, client=client, security=SASL, delivery_timeout_s=8)
        with closing(open_admin(settings)) as admin:
            admin.create_topics([NewTopic("payments", 1)])
        producer = open_producer(settings)
        producer.send("payments", b"key", b"value", (), T0_US)
        producer.flush()
        reader = open_consumer(settings, "payments", 0, 0)
        assert len(drain(reader, 1)) == 1

    with SecuredKafka(tmp_path, "another", ports), closing(reader):
        deadline = time.monotonic() + 60
        with pytest.raises(BrokerError, match="does not let us in: wrong user or password"):
            while time.monotonic() < deadline:
                reader.poll(10)
                time.sleep(0.01)
        producer = open_producer(settings)
        producer.send("payments", b"key", b"value", (), T0_US)
        with pytest.raises(SinkError, match="wrong user or password"):
            producer.flush()
