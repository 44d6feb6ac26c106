"""The docs tell the truth: commands, targets, links and tests they name exist, and their examples run."""

import ast
import doctest
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer

from console.cli import LAZY, app, loaded
from schemas.order import Order

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
PACKAGES = ("schemas", "measures", "models", "pipelines", "desk", "console", "fixtures")
MAKEFILE = (ROOT / "Makefile").read_text()

page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def commands(group: Any, path: str = "stopline") -> Iterator[tuple[str, Any]]:
    for name, command in getattr(group, "commands", {}).items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


root = typer.main.get_command(app)
for name in LAZY:
    root.add_command(loaded(name), name)
COMMANDS = dict(commands(root))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_help_that_ends_with_an_example(command: str) -> None:
    *said, example = COMMANDS[command].help.strip().splitlines()

    assert said
    assert example.startswith(f"Example: {command}")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_named_in_the_docs(command: str) -> None:
    assert [page for page in PAGES if re.search(rf"{command}\b", page.read_text())]


@page
def test_commands_named_in_a_page_exist(page: Path) -> None:
    named = set(re.findall(r"(?:^|`)stopline ([a-z][a-z-]*)", page.read_text(), re.M))

    assert named <= {command.split()[1] for command in COMMANDS}


@page
def test_make_targets_named_in_a_page_exist(page: Path) -> None:
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.M))

    assert named <= set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))


@page
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_site_has_every_page() -> None:
    listed = set(re.findall(r"([\w/-]+\.md)", (ROOT / "mkdocs.yml").read_text()))

    assert listed == {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").glob("**/*.md")}


@page
def test_tests_named_in_a_page_exist(page: Path) -> None:
    named = re.findall(r"(tests/[\w/]+\.py)(?:::(\w+))?", page.read_text())

    assert [(file, test) for file, test in named if not has_test(ROOT / file, test)] == []


def has_test(file: Path, test: str) -> bool:
    if not file.exists():
        return False
    return not test or test in {
        node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)
    }


def test_the_order_shown_is_one_that_can_be_sent() -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "legal.md").read_text(), re.S)

    assert msgspec.json.decode(shown, type=Order).action == "ISSUE"


def test_every_make_target_says_what_it_does() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.M)

    assert set(phony.split()) == set(re.findall(r"^([a-z-]+):.*## \w", MAKEFILE, re.M))


@pytest.mark.parametrize("package", PACKAGES)
def test_examples_in_docstrings_run(package: str) -> None:
    module = importlib.import_module(package)
    names = [found.name for found in pkgutil.walk_packages(module.__path__, package + ".")]

    for name in names:
        if not name.endswith("__main__"):
            assert doctest.testmod(importlib.import_module(name)).failed == 0, name
