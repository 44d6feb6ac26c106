"""docs/reference.md is what the code says, and every option, policy key and topic says something."""

import re
from pathlib import Path

import pytest

from schemas import topics
from schemas.stored import schemas, stored
from tests import reference

ROOT = Path(__file__).parents[1]
COMMANDS = reference.every_command()


def test_the_reference_is_current() -> None:
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), "run: python -m tests.reference"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_has_a_sentence(name: str) -> None:
    rows = [row for param in COMMANDS[name].params if (row := reference._option(param))]

    assert [row[0] for row in rows if len(row[2]) < 5] == []


def test_every_option_of_a_job_and_every_key_of_a_policy_has_a_sentence() -> None:
    rows = [*reference._job_options(), *reference._policy(reference.policy._File, reference.policy.Policy)]

    assert [row[0] for row in rows if len(row[2]) < 5] == []


def test_every_topic_is_told_with_its_key() -> None:
    named = {value for name, value in vars(topics).items() if name.isupper() and isinstance(value, str)}

    assert set(reference.TOPICS) == named


def test_every_type_of_event_that_the_code_writes_is_told() -> None:
    written = {
        re.sub(r"\{[^}]*\}", "*", kind)
        for package in ("measures", "pipelines", "desk", "console")
        for file in (ROOT / package).rglob("*.py")
        for kind in re.findall(r'"(fp\.[^"]+\.v\d)"', file.read_text())
    }
    told = {kind.split()[0] for _, kind in reference.TOPICS.values() if kind}

    assert written
    assert written <= told


def test_units_that_names_of_fields_end_with_are_told() -> None:
    fields = {
        name
        for schema in schemas()
        for record in stored(schema).get("$defs", {}).values()
        for name, said in record.get("properties", {}).items()
        if said.get("type") in {"integer", "number"}
    }

    assert {end for name in fields if (end := re.search(r"_(us|minor|h|s|ms|days)$", name))} or fields
    assert {f"_{end}" for name in fields for end in re.findall(r"_(us|minor|ms)$", name)} <= set(
        reference.UNITS
    )
