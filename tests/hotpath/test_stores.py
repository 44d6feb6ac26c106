"""A decision log and a bundle in an object store: what was written there is what is read."""

import itertools
from pathlib import Path

import fsspec
import pytest

from models import SHIPPED
from models.scoring import bundle
from pipelines.hot.decision_log.append import LogWriter, check_folder
from pipelines.hot.decision_log.read import read
from pipelines.jobs.options import JobSettings, in_process_options
from pipelines.stores import Store, local
from schemas.errors import ConfigError
from tests.command import command
from tests.hotpath.conftest import Stream
from tests.hotpath.test_decision_log import logged

NUMBERS = itertools.count()


@pytest.fixture
def url() -> str:
    """A folder in a store that holds nothing."""
    return f"memory://bank-{next(NUMBERS)}/log"


def files(url: str) -> list[str]:
    return sorted(each.rpartition("/")[2] for each in Store(url).files.find(url))


def test_a_finished_file_of_the_log_goes_on_to_the_store_and_is_read_from_there(
    stream: Stream, tmp_path: Path, url: str
) -> None:
    check_folder(tmp_path, url)
    writer = LogWriter(tmp_path, url)
    writer.add(logged(stream, slice(0, 100)))
    writer.close()

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert len(files(url)) == 1
    assert read(local(url), "CREDIT").rows.num_rows > 0


def test_a_file_that_the_store_did_not_take_is_kept_and_sent_by_the_next_start(
    stream: Stream, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Store, "put", refuse)
        writer = LogWriter(tmp_path, url)
        writer.add(logged(stream, slice(0, 100)))
        writer.close()
    kept = [path.name for path in tmp_path.rglob("*.parquet")]
    LogWriter(tmp_path, url).close()

    assert files(url) == kept


def refuse(store: Store, file: Path, name: str) -> None:
    raise OSError(f"{store.url} took no file: quota")


def test_a_store_that_takes_nothing_is_said_before_the_job_starts(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "put", refuse)

    with pytest.raises(
        ConfigError, match=r"--decision_log memory://.*quota; see its name and your permissions"
    ):
        check_folder(tmp_path, url)


def test_a_bundle_of_a_store_is_the_one_that_lies_there(url: str) -> None:
    for path in SHIPPED.iterdir():
        if path.is_file():
            Store(url).put(path, path.name)

    assert bundle.load(local(url)).digest == bundle.load(SHIPPED).digest
    assert "digest" in command("card", url).stdout


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("memory://nowhere/at-all", "no folder there"),
        ("odd://x/y", "nothing is known of odd://"),
        ("s3://bank/log", "Install s3fs"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_in_a_sentence(place: str, says: str) -> None:
    if place.startswith("s3") and "s3" in fsspec.registry:
        pytest.skip("s3fs is installed")
    with pytest.raises(ConfigError, match=says):
        local(place)


def test_a_job_writes_to_a_folder_of_its_own_before_its_files_go_on() -> None:
    words = ["--kafka_brokers", "b:1", "--model_bundle", str(SHIPPED), "--decision_log", "memory://bank/log"]
    settings = JobSettings.of(in_process_options(words))

    assert settings.decision_log_store == "memory://bank/log"
    assert settings.decision_log is not None and "spool" in settings.decision_log.parts
    with pytest.raises(ConfigError, match="reads a folder of this machine"):
        JobSettings.of(in_process_options([*words, "--ledger_warmup_from", "log", "--ledger_shards", "1"]))
