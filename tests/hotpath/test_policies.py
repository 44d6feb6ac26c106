"""Shipped policies: one a country, chosen by `--country`, spoken in another language by `--language`."""

import re

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from fixtures.world import simulate
from measures.law.country_file import FOLDER
from models import SHIPPED
from pipelines import policy
from pipelines.hot import serving
from pipelines.jobs.options import JobSettings
from schemas.errors import ConfigError

COUNTRIES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("country", COUNTRIES)
def test_every_shipped_country_has_a_policy_in_its_currency_that_the_shipped_bundle_fits(
    country: str,
) -> None:
    rules = policy.load(policy.named(country=country))

    assert (rules.law.id, rules.reference) == (country.upper(), rules.law.currency)
    assert rules.language == rules.law.languages[0]
    usual = policy.load()
    assert (rules.brake, rules.credit, rules.debit) == (usual.brake, usual.credit, usual.debit)
    assert serving.check(SHIPPED, rules).live.least.keys() == {"CREDIT", "DEBIT"}
    assert policy.load(policy.named(country=country), language="en").language == "en"


def job(*flags: str) -> JobSettings:
    return JobSettings.of(
        PipelineOptions(["--kafka_brokers", "127.0.0.1:1", "--model_bundle", str(SHIPPED), *flags])
    )


def test_a_job_acts_by_the_policy_of_the_country_named_in_the_language_named() -> None:
    assert (job().policy.law.id, job().policy.language) == ("CN", "zh-Hans")
    spoken = job("--country", "th", "--language", "en").policy
    assert (spoken.law.id, spoken.language) == ("TH", "en")
    assert job("--country", "GB").policy == job("--policy_file", "pipelines/policies/uk.yaml").policy


def test_another_language_than_the_file_s_is_another_stamp() -> None:
    stamps = [policy.load(language=spoken).stamp for spoken in ("", "zh-Hans", "en")]

    assert stamps[0] == stamps[1] != stamps[2]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--country", "uk", "--policy_file", "mine.yaml"], "--policy_file and --country exclude each other"),
        (["--country", "../uk"], "no policy is shipped for --country '../uk'; use one of au, br, cn"),
        (["--country", "uk", "--language", "th"], "--language 'th' is not spoken by UK; use one of en"),
    ],
)
def test_what_cannot_be_chosen_is_told_in_one_sentence(flags: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        job(*flags)


def test_simulated_people_pay_in_the_policy_s_currency_and_nothing_else_changes() -> None:
    rules, world = policy.load(policy.named(country="kr")), simulate(seed=1, days=1, accounts=200)
    paid = world.paid_in(rules.currency).payments

    assert paid["currency"].unique().to_pylist() == ["KRW"]
    assert paid.drop_columns("currency") == world.payments.drop_columns("currency")
    assert paid.schema == world.payments.schema
