"""A scenario through the main job, from its first payment to its last."""

import difflib
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import msgspec
from apache_beam.options.pipeline_options import PipelineOptions

from console.lab.brokers import topic_values
from console.lab.feeds import streamed
from fixtures.scenario import Scenario
from fixtures.stream import feedback
from pipelines.jobs.options import JobSettings
from pipelines.jobs.replay import sent
from pipelines.kafka.port import KafkaSettings
from pipelines.policy import Policy, load
from schemas import topics
from schemas.errors import ConfigError


def emitted(
    scenario: Scenario,
    bundle: Path,
    decision_log: Path | None = None,
    share: float = 1.0,
    rules: Policy | None = None,
) -> list[str]:
    """Run a scenario; return every record the job sends as JSON, ordered by topic and id.

    Its people pay in the currency of `rules`, by default China's. Its history goes through the ledgers and
    leads to nothing.
    """
    rules = rules or load()
    with streamed(scenario, rules.currency) as (settings, decided):
        job = replace(
            job_settings(settings, "--model_bundle", str(bundle)),
            policy=rules,
            decided=decided,
            decision_log=decision_log,
            decision_log_share=share,
        )
        sent(job)
        return records(settings)


def logged(scenario: Scenario, bundle: Path, folder: Path, share: float, rules: Policy) -> int:
    """Run a scenario and keep its decision log and its feedback in a new folder; returns how many labels.

    Raises:
        ConfigError: the folder exists.

    """
    if folder.exists():
        raise ConfigError(f"{folder} exists and a log is never mixed; choose a new folder")
    emitted(scenario, bundle, folder, share, rules)
    world = scenario.world()
    labels = feedback(world.truth, world.payments)
    lines = b"".join(msgspec.json.encode(label) + b"\n" for label in labels)
    (folder / "feedback.jsonl").write_bytes(lines)
    return len(labels)


def differences(expected: list[str], given: list[str]) -> list[str]:
    """Return the records that differ, each with + or - before it."""
    found = [line for line in difflib.unified_diff(expected, given, lineterm="", n=0) if line[0] in "+-"]
    return found[2:]


def job_settings(kafka: KafkaSettings, *flags: str) -> JobSettings:
    """Return the settings of a job on a broker, other options given as flags."""
    return JobSettings.of(PipelineOptions(["--kafka_brokers", kafka.brokers, *flags]))


def records(settings: KafkaSettings) -> list[str]:
    """Return every record a job has sent as JSON, ordered by topic and id."""
    return [line for topic in topics.WRITTEN for line in lines(topic, topic_values(settings, topic))]


def lines(topic: str, values: Iterable[bytes]) -> list[str]:
    """Return records of one topic as JSON, ordered by id."""
    return sorted(
        json.dumps({"topic": topic} | json.loads(value), ensure_ascii=False, sort_keys=True)
        for value in values
    )
