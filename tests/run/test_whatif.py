"""`stopline whatif`: the live and a new policy over the same recorded stream, on the same truth."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from console import cli
from console.lab.feeds import streamed
from fixtures.scenario import load
from fixtures.stream import feedback
from pipelines import policy
from schemas.feedback import Feedback

WORLD = "{seed: 5, days: 2, accounts: 500, scam_rate: 0.015, start_day: 7, history_days: 4}"


def whatif(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *words: object) -> Any:
    monkeypatch.setattr(sys, "argv", ["stopline", "whatif", *map(str, words), "--json"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 0
    return json.loads(capfd.readouterr().out)


def test_a_stream_and_its_scenario_tell_the_same_of_a_laxer_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "world.yaml").write_text(WORLD)
    text = policy.DEFAULT.read_text()
    lax = text.replace(
        "credit: {warn: innocent_5_per_10k, delay: innocent_2_per_10k", "credit: {warn: 0.9, delay: 0.9"
    )
    assert lax != text
    (tmp_path / "lax.yaml").write_text(lax)
    scenario = load(str(tmp_path / "world.yaml"))
    world = scenario.world()
    truth = world.truth
    labels = (each for each in feedback(truth, world.payments) if each.kind == "LABEL")
    known = {each.txn_id: each for each in labels}
    everything = [
        known.get(row["txn_id"])
        or Feedback(
            feedback_id="f",
            txn_id=row["txn_id"],
            kind="LABEL",
            verdict="SCAM" if row["scam"] else "LAUNDERING",
            known_at_us=scenario.begins_us,
            case_family_id=row["case_id"],
        )
        for row in truth.to_pylist()
        if row["scam"] or row["laundering"]
    ]
    lines = b"".join(msgspec.json.encode(each) + b"\n" for each in everything)
    (tmp_path / "f.jsonl").write_bytes(lines)

    of_scenario = whatif(monkeypatch, capfd, tmp_path / "world.yaml", "--policy", tmp_path / "lax.yaml")
    with streamed(scenario) as (settings, _):
        of_stream = whatif(
            monkeypatch, capfd, "--policy", tmp_path / "lax.yaml", "--feedback", tmp_path / "f.jsonl",
            "--since", "2025-09-07T16:00", "--kafka_brokers", settings.brokers,
        )  # fmt: skip

    assert of_stream == of_scenario
    live, new = of_scenario["live"], of_scenario["new"]
    assert live["scam_minor"] == new["scam_minor"] > 0
    assert 0 < new["saved_minor"] <= live["saved_minor"] <= live["scam_minor"]
    assert new["warned"] < live["warned"]
    assert of_scenario["changed"]["fewer"] > of_scenario["changed"]["more"] == 0


def test_a_policy_that_brakes_is_compared_and_its_alarms_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "world.yaml").write_text("{seed: 5, days: 1, accounts: 300, scam_rate: 0.02}")
    text = policy.DEFAULT.read_text()
    strict = re.sub(r"min_count: \d+", "min_count: 1", text).replace(
        "credit: {warn: innocent_5_per_10k, delay: innocent_2_per_10k", "credit: {warn: 0.0001, delay: 0.0001"
    )
    assert strict.count("0.0001") == 2 and "min_count: 1" in strict
    (tmp_path / "strict.yaml").write_text(strict)

    found = whatif(monkeypatch, capfd, tmp_path / "world.yaml", "--policy", tmp_path / "strict.yaml")

    assert found["new"]["braked"] > found["live"]["braked"]
    assert found["changed"]["more"] > 0
