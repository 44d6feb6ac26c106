"""The distribution is whole: what the sdist installs works far from the checkout."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("schemas", "measures", "models", "pipelines", "desk", "console", "fixtures")

IMPORT_ALL = f"""
import importlib, json, pkgutil
origins = {{}}
for package in {PACKAGES}:
    module = importlib.import_module(package)
    origins[package] = module.__file__
    for found in pkgutil.walk_packages(module.__path__, package + "."):
        if not found.name.endswith("__main__"):
            origins[found.name] = importlib.import_module(found.name).__file__
print(json.dumps(origins))
"""


def run(*command: object, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with Stopline installed from its sdist; the dependencies are lent by this one."""
    tmp = tmp_path_factory.mktemp("package")
    checkout = tmp / "checkout"  # a copy, because setuptools also packs what an old egg-info names
    for package in (*PACKAGES, "deploy"):
        shutil.copytree(ROOT / package, checkout / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    run(sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", tmp, checkout, cwd=tmp)
    (sdist,) = tmp.glob("stopline-*.tar.gz")
    run(sys.executable, "-m", "venv", "--without-pip", tmp / "venv", cwd=tmp)
    python = tmp / "venv" / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp).strip())
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    install = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--ignore-installed"]
    run(sys.executable, "-m", "pip", "--python", python, *install, sdist, cwd=tmp)
    return site


def test_every_module_imports_from_the_installation(installed: Path) -> None:
    python = installed.parents[2] / "bin" / "python"

    origins = json.loads(run(python, "-c", IMPORT_ALL, cwd=installed.parents[3]))

    assert {
        name: origin for name, origin in origins.items() if not Path(origin).is_relative_to(installed)
    } == {}
    assert set(PACKAGES) < set(origins)


def test_every_data_file_is_installed(installed: Path) -> None:
    data = [
        path.relative_to(ROOT)
        for package in (*PACKAGES, "deploy")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
    ]

    assert [str(path) for path in data if not (installed / path).is_file()] == []
    assert {Path("schemas/py.typed"), Path("pipelines/kafka/local/pom.xml")} <= set(data)


def test_the_command_runs_from_the_installation(installed: Path) -> None:
    command = installed.parents[2] / "bin" / "stopline"

    assert run(command, "--version", cwd=installed.parents[3]).strip()


def test_folders_of_our_names_elsewhere_do_not_break_the_installed_command(
    installed: Path, tmp_path: Path
) -> None:
    for name in PACKAGES:
        if name != "console":
            (tmp_path / name).mkdir()
            (tmp_path / name / "__init__.py").write_text("raise SystemExit('of somebody else')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [installed.parents[2] / "bin" / "stopline", "tokens", "keygen", "keys.json"]

    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_the_lock_fulfils_the_declaration_and_is_what_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    lock = (ROOT / "requirements.lock").read_text().splitlines()
    locked = dict(line.removesuffix(" \\").split("==") for line in lock if line[:1].isalnum())

    unfulfilled = [
        str(wanted)
        for wanted in map(Requirement, declared)
        if locked.get(canonicalize_name(wanted.name), "0") not in wanted.specifier
    ]

    assert unfulfilled == []
    assert {name: metadata.version(name) for name in locked} == locked


def test_every_locked_file_is_pinned_by_its_hash() -> None:
    blocks = re.split(r"\n(?=[a-z0-9])", (ROOT / "requirements.lock").read_text())

    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []
