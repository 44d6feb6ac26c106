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
from apache_beam.runners.worker.bundle_processor import FnApiUserStateContext

import pipelines
from pipelines import beam_internals

ROOT = Path(__file__).resolve().parents[1]

#: Which of our packages each may import, besides itself.
ALLOWED = {
    "schemas": set(),
    "measures": {"schemas"},
    "models": {"schemas"},
    "fixtures": {"schemas"},
    "pipelines": {"schemas", "measures", "models"},
    "desk": {"schemas", "measures", "models", "pipelines"},
    "console": {"schemas", "measures", "models", "pipelines", "desk", "fixtures"},
}

#: Modules whose import must load neither Beam nor a Kafka client, directly or through others.
PURE = ["schemas", "measures", "models.features", "models.ledgers", "fixtures"]
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


#: Words that stood for two to four things each.
ONCE = {"Held", "Kept", "Kind", "Leg", "Move", "Outcome", "Source", "Verdict"}


def test_words_that_once_stood_for_several_things_have_one_meaning_where_they_are_defined() -> None:
    where: dict[str, list[str]] = {}
    for module in (path for package in ALLOWED for path in sorted((ROOT / package).rglob("*.py"))):
        for node in ast.parse(module.read_text()).body:
            names = [node.name] if isinstance(node, ast.ClassDef) else []
            if isinstance(node, ast.Assign):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            for name in ONCE.intersection(names):
                where.setdefault(name, []).append(str(module.relative_to(ROOT)))

    assert {name: files for name, files in where.items() if len(files) > 1} == {}


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


@pytest.mark.parametrize(
    "room", ["schemas", "measures", "models", "fixtures", "pipelines", "desk", "console/lab", "console/web"]
)
def test_only_the_console_above_the_laboratory_knows_a_terminal(room: str) -> None:
    assert [
        f"{module.relative_to(ROOT)}:{line} imports {name}"
        for module in (ROOT / room).rglob("*.py")
        if module.stem != "__main__"
        for line, name in imported(module)
        if name.split(".")[0] in {"typer", "click", "rich"}
        or (room == "console/lab" and name.startswith("console.") and not name.startswith("console.lab"))
    ] == []


def test_libraries_are_changed_inside_by_the_one_function_that_looks_at_their_version() -> None:
    assert [
        f"{module.relative_to(ROOT)}:{node.lineno}"
        for package in ALLOWED
        for module in sorted((ROOT / package).rglob("*.py"))
        for node in changes_inside(ast.parse(module.read_text()))
    ] == []


def changes_inside(tree: ast.Module) -> Iterator[ast.stmt]:
    """Assignments to an attribute of what a module imported from elsewhere."""
    foreign = {
        (alias.asname or alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name or "").split(".")[0]
        not in {*ALLOWED, *sys.stdlib_module_names}
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AugAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                root = target
                while isinstance(root, ast.Attribute):
                    root = root.value
                if root is not target and isinstance(root, ast.Name) and root.id in foreign:
                    yield node


def test_a_change_inside_a_library_of_another_version_is_left_out_and_said(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("schemas.internals.version", lambda package: "2.78.0")
    before = FnApiUserStateContext.commit

    assert not beam_internals.for_flink_workers()

    assert FnApiUserStateContext.commit is before
    assert "apache-beam 2.78.0 is installed, our changes inside it are written for 2.77" in caplog.text
    assert "a bundle on Flink waits for each of its states" in caplog.text


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
