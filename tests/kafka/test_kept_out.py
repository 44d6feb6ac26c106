"""What keeps a job out of a broker is told apart in one sentence, at once, whatever the client."""

from pathlib import Path

import pytest

from pipelines.kafka.admission import kept_out
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.preflight import problems
from tests.kafka.fake_broker import PASSWORD, USER, Authority, kafka, listening


def told(address: str, **security: str) -> str:
    keys = {name.replace("_", "."): value for name, value in security.items()}
    return kept_out(KafkaSettings(address, security=keys)) or "in"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"), "bank")


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_wrong_password_is_told_from_a_right_one(mechanism: str) -> None:
    with listening(kafka(mechanism)) as address:
        known = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": mechanism, "sasl_username": USER}

        assert told(address, **known, sasl_password=PASSWORD) == "in"
        assert told(address, **known, sasl_password="geheim") == (
            f"{address} does not let us in: user 'job' or its password is wrong; "
            "check sasl.username and sasl.password"
        )


def test_a_mechanism_that_is_not_enabled_comes_with_those_that_are() -> None:
    with listening(kafka("SCRAM-SHA-512")) as address:
        said = told(address, security_protocol="SASL_PLAINTEXT", sasl_username=USER, sasl_password="x")

    assert said.endswith("it takes no sasl.mechanism=PLAIN; set one of SCRAM-SHA-512")


def test_certificates_expired_unknown_and_of_another_name_are_told_apart(
    authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")
    said = {}
    for what, context, ca in [
        ("good", authority.context(), authority.file),
        ("expired", authority.context(until=-1), authority.file),
        ("unknown", authority.context(), other.file),
        ("name", authority.context(host="127.0.0.2"), authority.file),
    ]:
        with listening(kafka(), context) as address:
            said[what] = told(address, security_protocol="SSL", ssl_ca_location=ca)

    assert said["good"] == "in"
    assert "its certificate has expired; renew it on the broker" in said["expired"]
    assert f"no authority of ssl.ca.location ({other.file}) has signed its certificate" in said["unknown"]
    assert "its certificate is for another name" in said["name"]


def test_plaintext_against_tls_and_tls_against_plaintext_are_told_apart(authority: Authority) -> None:
    with listening(kafka(), authority.context()) as address:
        assert "as one does that speaks TLS; set security.protocol=SSL" in told(address)
    with listening(kafka()) as address:
        said = told(address, security_protocol="SSL", ssl_ca_location=authority.file)

    assert "it does not speak TLS; give its TLS port" in said


def test_a_password_that_no_protocol_uses_and_a_file_that_is_not_there_are_told() -> None:
    with listening(kafka()) as address:
        unused = told(address, sasl_username=USER, sasl_password="x")
        missing = told(address, security_protocol="SSL", ssl_ca_location="/nowhere/ca.pem")

    assert "security.protocol=PLAINTEXT does not use it; set SASL_SSL" in unused
    assert "cannot be read (No such file or directory): /nowhere/ca.pem" in missing


@pytest.mark.parametrize("client", ["confluent", "kafka-python"])
def test_what_was_found_is_the_one_problem_of_the_preflight_and_names_no_secret(client: str) -> None:
    keys = {"security.protocol": "SASL_PLAINTEXT", "sasl.username": USER, "sasl.password": "geheim"}
    with listening(kafka("PLAIN")) as address:
        (problem,) = problems(KafkaSettings(address, client=client, security=keys), [])  # type: ignore[arg-type]

    assert "password is wrong" in problem
    assert "geheim" not in problem
