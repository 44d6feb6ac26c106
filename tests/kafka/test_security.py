"""Secrets are named by their place: nothing that travels or is kept holds one."""

import pickle
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from models import SHIPPED
from pipelines.jobs.options import JobSettings, kafka_settings
from pipelines.kafka.clients import confluent, kafka_python
from pipelines.kafka.port import KafkaSettings
from schemas.errors import ConfigError

SECRET = "geheim-4711"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    file.chmod(0o600)
    return file


def options(*words: str) -> PipelineOptions:
    return PipelineOptions(["--kafka_brokers", "b:9092", "--model_bundle", str(SHIPPED), *words])


@pytest.mark.parametrize("key", ["sasl.password", "ssl.key.password"])
def test_a_secret_on_the_command_line_is_refused_without_being_repeated(key: str) -> None:
    with pytest.raises(ConfigError, match=f"{key}=@FILE, or set STOPLINE_KAFKA_S") as refused:
        kafka_settings(options("--kafka_security", f"{key}={SECRET}"))

    assert SECRET not in str(refused.value)


def test_a_secret_of_a_file_reaches_both_clients_and_nothing_that_is_kept(place: Path) -> None:
    given = options("--kafka_security", f"sasl.password=@{place}", "--kafka_security", "sasl.username=job")

    settings = JobSettings.of(given)

    kept = [pickle.dumps(settings).decode("latin-1"), str(given.get_all_options()), repr(settings)]
    assert not [each for each in kept if SECRET in each]
    assert kafka_python.client_config(settings.kafka)["sasl_plain_password"] == SECRET
    assert confluent.client_config(settings.kafka)["sasl.password"] == SECRET


@pytest.mark.parametrize("option", ["--kafka_security_file {}", "--kafka_security @{}"])
def test_a_file_of_keys_and_the_environment_serve_too_and_the_nearer_counts(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    file = tmp_path / "client.properties"
    file.write_text(f"# of the bank\nsasl.mechanism = PLAIN\nsasl.username=file\nsasl.password=@{place}\n")
    monkeypatch.setenv("STOPLINE_KAFKA_SASL_USERNAME", "environment")
    monkeypatch.setenv("STOPLINE_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")

    settings = kafka_settings(
        options(*option.format(file).split(), "--kafka_security", "sasl.username=words")
    )

    assert settings.client_security() == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "words",
        "sasl.password": SECRET,
    }


def test_a_rotated_secret_counts_from_the_next_connection_on(place: Path) -> None:
    settings = kafka_settings(options("--kafka_security", f"sasl.password=@{place}"))
    place.write_text("new")

    assert settings.client_security()["sasl.password"] == "new"


def test_places_are_absolute_because_workers_run_in_other_folders(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.parent)

    settings = kafka_settings(
        options("--kafka_security", "sasl.password=@password", "--kafka_security", "ssl.ca.location=ca.pem")
    )

    assert settings.security == {
        "sasl.password": f"@{place}",
        "ssl.ca.location": str(place.with_name("ca.pem")),
    }


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, r"names .*client.properties, which cannot be read \(No such file"),
        ("sasl.password\n", r"client.properties, line 1, is not KEY=VALUE"),
        ("sasl.pasword=x\n", "'sasl.pasword' is not supported; use one of sasl"),
        ("sasl.password=@/nowhere\n", "sasl.password names /nowhere, which cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence_before_anything_is_read(
    content: str | None, says: str, tmp_path: Path
) -> None:
    file = tmp_path / "client.properties"
    if content is not None:
        file.write_text(content)

    with pytest.raises(ConfigError, match=says):
        kafka_settings(options("--kafka_security_file", str(file)))


def test_a_settings_object_of_a_program_may_hold_a_secret_and_does_not_show_it() -> None:
    assert SECRET not in repr(KafkaSettings("b:9092", security={"sasl.password": SECRET}))
