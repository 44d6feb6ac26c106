"""What deploy/ starts exists: the commands and options of its systemd units are those of our command line."""

import argparse
import shlex
from pathlib import Path

import pytest

from console.cli import lazy
from pipelines.jobs.options import StoplineOptions

UNITS = sorted((Path(__file__).parents[1] / "deploy" / "systemd").glob("*.service"))


def settings_of(unit: Path) -> dict[str, str]:
    lines = (line for line in unit.read_text().splitlines() if "=" in line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def options_of_run() -> set[str]:
    parser = argparse.ArgumentParser()
    StoplineOptions._add_argparse_args(parser)
    own = {name for option in parser._actions for name in option.option_strings}
    return own | {name for option in lazy("run").params for name in option.opts}


def test_there_is_a_unit_for_the_main_job() -> None:
    assert [unit.name for unit in UNITS] == ["stopline-run.service"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_starts_run_with_options_that_exist(unit: Path) -> None:
    program, command, *rest = shlex.split(settings_of(unit)["ExecStart"])
    options = {word.split("=")[0] for word in rest if word.startswith("--")}
    assert (Path(program).name, command) == ("stopline", "run")
    assert "--kafka_brokers" in options
    assert options <= options_of_run()


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_runs_without_root_and_without_capabilities(unit: Path) -> None:
    settings = settings_of(unit)
    assert settings["DynamicUser"] == settings["NoNewPrivileges"] == "yes"
    assert settings["ProtectSystem"] == "strict"
    assert settings["CapabilityBoundingSet"] == ""
