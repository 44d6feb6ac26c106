"""Nothing is wired to nothing: every module is reached from a command, a job or an entry point, or listed."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("schemas", "measures", "models", "pipelines", "desk", "console", "fixtures")

#: Modules that no command or job reaches yet: why, and the issue that will wire them in.
UNREACHED = {
    "measures.authority.platform": "the seam of a national platform; its owner brings the other side",
}

#: Folders whose modules are found at run time: the module that finds them -> folder.
FOUND = {
    "measures.kinds.table": "measures.kinds",
    "models.features": "models.features",
    "pipelines.kafka.port": "pipelines.kafka.clients",
}


def modules() -> dict[str, Path]:
    """Name -> file of every module of our packages."""
    found = {}
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = file
    return found


def named(tree: ast.AST, known: dict[str, Path]) -> Iterator[str]:
    """Modules a module imports, or names in a text (`python -m`, lazy commands)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and str(node.value).partition(":")[0] in known:
            yield str(node.value).partition(":")[0]  # a module, or module:names of commands


def reached(known: dict[str, Path], roots: set[str]) -> set[str]:
    """Modules reached from `roots`, with the packages they lie in."""
    seen: set[str] = set()
    ahead = list(roots)
    while ahead:
        name = ahead.pop()
        if name in seen or name not in known:
            continue
        seen.add(name)
        ahead += named(ast.parse(known[name].read_text()), known)
        ahead += [".".join(name.split(".")[:depth]) for depth in range(1, name.count(".") + 1)]
        if folder := FOUND.get(name):
            ahead += [each for each in known if each.startswith(f"{folder}.")]
    return seen


def roots(known: dict[str, Path]) -> set[str]:
    """The command line, and what `python -m` runs."""
    runs = {name for name, file in known.items() if '__name__ == "__main__"' in file.read_text()}
    return {"console.cli"} | runs


def test_every_module_is_reached_or_listed_with_its_reason() -> None:
    known = modules()

    reach = reached(known, roots(known))
    unreached = {name for name, file in known.items() if file.stem != "__init__"} - reach

    assert sorted(unreached - set(UNREACHED)) == [], "wire it in, delete it, or say here what will use it"
    assert sorted(set(UNREACHED) - unreached) == [], "is reached now: take it off the list"


def test_a_module_that_only_tests_use_is_found_out() -> None:
    known = modules()
    wired = reached(known, {"console.cli"})

    assert "measures.authority.platform" not in wired
    assert {"measures.kinds.freeze", "pipelines.lifecycle.steps", "models.features"} <= wired
