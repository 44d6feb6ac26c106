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
from pipelines.kafka.reading.process import BrokerLine
from pipelines.kafka.sink import OutRecord, WriteFn
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
    "wrong password": (
        "sasl",
        SASL | {"sasl.password": "geheim"},
        "",
        "or its password is wrong; check sasl.username",
    ),
    "wrong mechanism": (
        "sasl",
        SASL | {"sasl.mechanism": "SCRAM-SHA-256"},
        "",
        "it takes no sasl.mechanism=SCRAM-SHA-256; set one of PLAIN",
    ),
    "wrong authority": ("tls", {}, "other", "no authority of ssl.ca.location .* has signed its certificate"),
    "expired": ("expired", {}, "own", "its certificate has expired; renew it on the broker"),
    "plaintext to TLS": ("tls", {}, "", "as one does that speaks TLS; set security.protocol=SSL"),
    "plaintext to SASL": (
        "sasl",
        {},
        "",
        "nobody without a password; set security.protocol=SASL_PLAINTEXT",
    ),
    "TLS to plaintext": ("plain", {}, "own", "it does not speak TLS; give its TLS port"),
    "SASL to plaintext": (
        "plain",
        SASL,
        "",
        "no password there; set security.protocol=PLAINTEXT or SSL",
    ),
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
        producer, reader = open_producer(settings), open_consumer(settings, "payments", 0, 0)
        producer.send("payments", b"key", b"value", (), T0_US)
        producer.flush()
        assert len(drain(reader, 1)) == 1

    with SecuredKafka(tmp_path, "another", ports), closing(reader):
        deadline = time.monotonic() + 60
        with pytest.raises(BrokerError, match="does not let us in: user 'stopline' or its password is wrong"):
            while time.monotonic() < deadline:
                reader.poll(10)
                time.sleep(0.01)
        producer.send("payments", b"key", b"value", (), T0_US)
        with pytest.raises(SinkError, match="or its password is wrong"):
            producer.flush()


@pytest.mark.java
@pytest.mark.slow
@pytest.mark.usefixtures("java")
@pytest.mark.parametrize("client", CLIENTS)
def test_open_readers_writers_and_housekeeping_take_a_password_rotated_on_both_sides(
    client: ClientName, tmp_path: Path, drain: Callable[..., list[Chunk]]
) -> None:
    ports, file = [free_port() for _ in range(4)], tmp_path / "password"
    file.write_text(SASL_PASSWORD)
    security = SASL | {"sasl.password": f"@{file}"}

    def written(value: bytes) -> None:
        sink.start_bundle()
        sink.process(OutRecord("payments", b"key", value, (), T0_US))
        sink.finish_bundle()

    with SecuredKafka(tmp_path / "kafka", ports=ports) as broker:
        settings = KafkaSettings(broker.sasl_address, client=client, security=security, delivery_timeout_s=15)
        with closing(open_admin(settings)) as admin:
            admin.create_topics([NewTopic("payments", 1)])
        sink, line = WriteFn(settings), BrokerLine(settings)
        written(b"before")
        reader = open_consumer(settings, "payments", 0, 0)
        assert len(drain(reader, 1)) == 1
        line.commit(("payments", 0), 1)
        line.exchange()

    with SecuredKafka(tmp_path / "kafka", "another", ports), closing(reader):
        line.commit(("payments", 0), 2)
        line.exchange()
        file.write_text("another")
        written(b"after")
        deadline = time.monotonic() + 60
        while (chunk := reader.poll(10)) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        line.exchange()
        with closing(open_admin(settings)) as admin:
            assert admin.committed(settings.group, [("payments", 0)]) == {("payments", 0): 2}

    assert chunk is not None
    assert (list(chunk.values), chunk.offsets.tolist()) == ([b"after"], [1])
