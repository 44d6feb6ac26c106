"""Scenarios give what they gave before, byte for byte."""

from dataclasses import replace

import pytest

from console.lab import replaying
from console.lab.replaying import emitted
from fixtures.scenario import SCENARIOS, load, names
from models import SHIPPED

QUICK = "police_call"


@pytest.mark.parametrize(
    "name", [name if name == QUICK else pytest.param(name, marks=pytest.mark.slow) for name in names()]
)
def test_a_scenario_gives_what_is_expected(name: str) -> None:
    expected = (SCENARIOS / name / "expected.jsonl").read_text(encoding="utf-8").splitlines()

    given = emitted(load(name), SHIPPED)

    assert given == expected


@pytest.mark.slow
def test_a_scenario_gives_the_same_whatever_the_number_of_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replaying.job_settings
    monkeypatch.setattr(replaying, "job_settings", lambda *flags: replace(settings(*flags), shards=1))
    expected = (SCENARIOS / "brushing_ladder" / "expected.jsonl").read_text(encoding="utf-8").splitlines()

    assert emitted(load("brushing_ladder"), SHIPPED) == expected
