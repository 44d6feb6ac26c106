"""An owner's folder of country files: a whole country, its words included, through the steps of the job."""

from pathlib import Path

import msgspec
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from console.lab.lawbook import checked
from measures.engine import intake
from measures.law import notices
from measures.law.country_file import FOLDER, Laws, read_laws
from measures.refusal import Refusal
from models import SHIPPED
from pipelines import policy
from pipelines.jobs.options import JobSettings
from schemas.commands import AccountMessage, PlaceHold, StateFacts
from schemas.errors import ConfigError
from schemas.journal import MeasureChanged
from schemas.measure import AccountFacts
from tests.measures.kit import ACCOUNT, T0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A made-up country outside the package: two files."""
    text = (FOLDER / "uk.yaml").read_text().replace("id: UK", "id: XX").replace("[en]", "[tlh]")
    text = text.replace("    en: Cancel it", "    tlh: Cancel it").replace("GBP", "XXD")
    (tmp_path / "xx.yaml").write_text(text)
    (tmp_path / "words").mkdir()
    words = (FOLDER / "words/en.yaml").read_text().replace("language: en", "language: tlh")
    words = words.replace("This payment matches", "DIbogh Huch")
    (tmp_path / "words/tlh.yaml").write_text(f"{words}warnings: {{UNKNOWN: 'yIQong! {{hotline}}'}}\n")
    return tmp_path


def message(command: StateFacts | PlaceHold) -> bytes:
    return msgspec.json.encode(AccountMessage(account_token=ACCOUNT, jurisdiction="XX", command=command))


def test_a_job_carries_out_the_law_of_an_owners_country_in_its_own_words(folder: Path) -> None:
    laws = read_laws(folder)
    facts = StateFacts(facts=AccountFacts(currency="XXD", balance_minor=500_000, language="tlh"))
    hold = PlaceHold(
        decision_id="d", rule="payer_delay", reason_code="SCAM_SUSPECTED", amount_minor=100, txn_id="p1",
        received_at_us=T0,
    )  # fmt: skip
    kept = None
    for command in (facts, hold):
        arrival = intake.read_command(message(command), T0, laws)
        assert not isinstance(arrival, Refusal), arrival
        applied = intake.apply(kept, arrival, laws)
        kept = applied.kept
    assert applied.entry is not None
    (changed,) = [event for event in applied.entry.events if isinstance(event, MeasureChanged)]
    notice = changed.measure.notice
    assert notice is not None and notice.reason.startswith("DIbogh Huch") and notice.language == "tlh"


def test_without_the_folder_the_country_is_refused_and_the_shipped_ones_named(folder: Path) -> None:
    read = intake.read_command(message(StateFacts(facts=AccountFacts())), T0)
    assert isinstance(read, Refusal) and "has no country file; use one of AU" in read.detail
    assert read_laws(folder).own.keys() == {"XX"}


def test_the_main_job_takes_the_law_of_its_policy_from_the_folder(folder: Path) -> None:
    text = policy.DEFAULT.read_text().replace("jurisdiction: CN", "jurisdiction: XX")
    text = text.replace("language: zh-Hans", "language: tlh")
    (folder / "mine").mkdir()
    file = folder / "mine/policy.yaml"
    file.write_text(text)
    flags = ["--kafka_brokers", "127.0.0.1:1", "--policy_file", str(file), "--model_bundle", str(SHIPPED)]
    settings = JobSettings.of(PipelineOptions([*flags, "--law_dir", str(folder)]))
    assert (settings.policy.law.id, settings.policy.language) == ("XX", "tlh")
    with pytest.raises(ConfigError, match="'XX' has no country file"):
        JobSettings.of(PipelineOptions(flags))


def test_lifecycle_law_checks_a_folder_and_says_where_its_calendar_ends(folder: Path) -> None:
    (line,) = checked(None, folder, T0)
    assert line.startswith("XX United Kingdom: ")
    text = (folder / "xx.yaml").read_text()
    (folder / "xx.yaml").write_text(text.replace("known_until: 2027-12-31", "known_until: 2020-12-31"))
    assert checked(None, folder, T0)[1].startswith("XX: holidays are certain until 2020-12-31")
    with pytest.raises(ConfigError, match="give one country file, or a folder"):
        checked(None, None, T0)


def test_laws_travel_by_value_to_workers_that_have_no_folder(folder: Path) -> None:
    import pickle

    laws: Laws = pickle.loads(pickle.dumps(read_laws(folder)))
    for path in folder.rglob("*.yaml"):
        path.unlink()
    assert notices.notice(laws.of("XX"), "LISTED", "Invented", "tlh").language == "tlh"
