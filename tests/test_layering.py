"""Imports go one way, the law and the features know neither Beam nor Kafka, and no option clashes."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

import pipelines

ROOT = Path(__file__).resolve().parents[1]

#: Which of our packages each may import, besides itself.
ALLOWED = {
    "schemas": set(),
    "measures": {"schemas"},
    "models": {"schemas"},
    "fixtures": {"schemas"},
    "pipelines": {"schemas", "measures", "models"},
    "console": {"schemas", "measures", "models", "pipelines", "fixtures"},
}

#: Modules whose import must load neither Beam nor a Kafka client, directly or through others.
PURE = ["schemas", "measures", "models.features", "models.ledgers.ledger", "fixtures"]
STREAMING = {"apache_beam", "kafka", "confluent_kafka"}


def imported(module: Path) -> Iterator[tuple[int, str]]:
    """Line and name of every absolute import, wherever it stands in the module."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.lineno, node.module


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_those_below_it(package: str) -> None:
    forbidden = set(ALLOWED) - ALLOWED[package] - {package} | {"tests"}

    offences = [
        f"{module.relative_to(ROOT)}:{line} imports {name}"
        for module in sorted((ROOT / package).rglob("*.py"))
        for line, name in imported(module)
        if name.split(".")[0] in forbidden
    ]

    assert offences == []


def test_no_command_imports_a_command_nor_does_a_test() -> None:
    places = [*(ROOT / "console" / "commands").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]

    assert [
        f"{module.relative_to(ROOT)}:{line} imports {name}"
        for module in places
        for line, name in imported(module)
        if name.startswith("console.commands")
    ] == []


def test_a_module_of_commands_parses_calls_and_prints_in_eighty_lines() -> None:
    lengths = {
        str(module.relative_to(ROOT)): len(module.read_text().splitlines())
        for module in (ROOT / "console" / "commands").rglob("*.py")
    }

    assert {module: lines for module, lines in lengths.items() if lines > 80} == {}


@pytest.mark.parametrize("room", ["schemas", "measures", "models", "fixtures", "pipelines", "console/lab"])
def test_only_the_console_above_the_laboratory_knows_a_terminal(room: str) -> None:
    assert [
        f"{module.relative_to(ROOT)}:{line} imports {name}"
        for module in (ROOT / room).rglob("*.py")
        if module.stem != "__main__"
        for line, name in imported(module)
        if name.split(".")[0] in {"typer", "click", "rich"}
        or (room == "console/lab" and name.startswith("console.") and not name.startswith("console.lab"))
    ] == []


def test_domain_code_loads_neither_beam_nor_kafka() -> None:
    script = f"""
import importlib, pkgutil, sys
for name in {PURE}:
    module = importlib.import_module(name)
    for found in pkgutil.walk_packages(getattr(module, "__path__", []), name + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
print(*sorted({STREAMING} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_no_option_of_ours_collides_with_one_of_beams() -> None:
    for found in pkgutil.walk_packages(pipelines.__path__, "pipelines."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)

    PipelineOptions([]).get_all_options()
