"""Every job that runs for ever tells its figures where `--metrics` says; on Flink it says why not."""

import contextlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from joserfc.jwk import OKPKey
from prometheus_client.parser import text_string_to_metric_families

from console.exposition import HELP, PREFIX
from console.running import run_job
from measures.authority.keys import public_entry, write_keys
from models import SHIPPED
from pipelines.kafka.local.brokers import EmbeddedBroker, free_port
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin
from pipelines.kafka.reading import process
from schemas import topics
from schemas.errors import ConfigError
from schemas.order import Actor

#: Job -> its command, and options that it cannot do without.
JOBS = {
    "stopline": ("run", "--model_bundle", str(SHIPPED)),
    "stopline-lifecycle": ("lifecycle", "run", "--keys", "keys.json"),
    "stopline-casework": ("casework", "run"),
    "stopline-victims": ("warnings", "run", "--sender", "Example Bank"),
    "desk": ("desk", "run"),
}

#: How long a job may take to say that it is ready; no bar of ours, a limit for the test.
READY_S = 180.0


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with EmbeddedBroker() as found:
        with closing(open_admin(KafkaSettings(found.address))) as admin:
            admin.create_topics([NewTopic(topics.PAYMENTS, 1)])
        yield found.address
        process.close_connections()


def asked(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{address}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


@pytest.mark.slow
@pytest.mark.parametrize("name", JOBS)
def test_a_job_is_ready_and_scraped_where_it_was_told_to_be(name: str, broker: str, tmp_path: Path) -> None:
    key = public_entry(
        OKPKey.generate_key("Ed25519"), authority_id="police-1", key_id="k1", actor=Actor.POLICE,
        country="CN",
        good_from="2026-01-01T00:00:00+00:00", good_until="2036-01-01T00:00:00+00:00",
    )  # fmt: skip
    write_keys(tmp_path / "keys.json", [key])
    port = free_port()
    where = ("--port", str(port)) if name == "desk" else ("--metrics", str(port))
    words = [
        sys.executable, "-c", "from console.cli import main; main()", *JOBS[name], "--kafka_brokers", broker,
        "--partitions", "1", "--create-topics", *where,
    ]  # fmt: skip
    with (tmp_path / "said").open("wb") as said:
        child = subprocess.Popen(words, cwd=tmp_path, stdout=said, stderr=said)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + READY_S
        while (ready := asked(address, "/live/ready"))[0] != 200 and time.monotonic() < deadline:
            assert child.poll() is None, (tmp_path / "said").read_text()
            time.sleep(0.5)
        assert ready == (200, "ready"), (ready, (tmp_path / "said").read_text())
        assert asked(address, "/live/alive") == (200, "alive")
        status, text = asked(address, "/metrics")
    finally:
        child.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(30)
        child.kill()
        child.wait()

    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert status == 200
    told = {PREFIX + each.removesuffix("_total") for each in HELP}
    assert families and {each.removesuffix("_total") for each in families} <= told
    if name == "desk":
        assert families[f"{PREFIX}desk_ready"].samples[0].value == 1
    else:
        up = families[f"{PREFIX}job_up"].samples
        assert [(each.labels["job"], each.value) for each in up] == [(name, 1)]


def test_on_flink_the_option_is_refused_in_a_sentence() -> None:
    with pytest.raises(ConfigError, match="--metrics '9101' tells the figures of this process"):
        run_job(None, "flink", (), "none", None, metrics="9101")  # type: ignore[arg-type]
