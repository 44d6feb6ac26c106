"""The command line: refusals are one sentence, exit codes tell what kind, Beam's flags pass through."""

import importlib
import json
import logging
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from console import cli, logs
from console.options import BEAM_FLAGS
from pipelines import policy
from schemas.errors import BrokerError, ConfigError, ModelError, SinkError, StoplineError
from tests.command import command

ROOT = Path(__file__).resolve().parents[1]


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> object:
    """Run `stopline words...` and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["stopline", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("refused"), 1),
        (ModelError("refused"), 1),
        (BrokerError("127.0.0.1:9092[0] does not answer"), 3),
        (SinkError("not confirmed"), 3),
    ],
)
def test_an_error_is_one_sentence_on_stderr_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], error: StoplineError, code: int
) -> None:
    def failing() -> None:
        raise error

    monkeypatch.setattr("pipelines.kafka.local.background.status", failing)

    assert run(monkeypatch, "broker", "status") == code
    out, err = capfd.readouterr()
    assert (out, err) == ("", f"stopline: {error}\n")


def test_a_path_that_cannot_be_written_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    key = tmp_path / "missing" / "registry.jwk"

    assert run(monkeypatch, "registry", "keygen", "--registry", str(tmp_path / "r"), "--key", str(key)) == 1
    assert capfd.readouterr().err == (
        f"stopline: {key} cannot be used: No such file or directory; give another path, or mend this one\n"
    )


def test_a_symlink_to_itself_and_a_path_without_a_name_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)

    assert run(monkeypatch, "check", "payments.jsonl", "--model-bundle", str(loop)) == 1
    assert str(loop) in (said := capfd.readouterr().err) and said.count("\n") == 1
    assert run(monkeypatch, "registry", "rollback", "--registry", "/") == 1
    assert capfd.readouterr().err.endswith("has an empty name; give another path, or mend this one\n")


@pytest.mark.parametrize(
    "words",
    [
        ("demo",),
        ("replay", "police_call"),
        ("whatif", "police_call", "--policy", str(policy.DEFAULT)),
        ("evaluate",),
    ],
)
def test_a_bundle_that_is_not_there_is_told_before_anything_is_simulated(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fixtures.world.simulate", None)
    named = ("nowhere",) if words == ("evaluate",) else ("--model_bundle", "nowhere")

    assert run(monkeypatch, *words, *named) == 1
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "nowhere/manifest.json cannot be read; give the directory of a complete bundle" in err


def test_what_a_command_writes_is_for_its_user_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        registry, key = tmp_path / "new" / "registry", tmp_path / "key.jwk"
        assert run(monkeypatch, "registry", "keygen", "--registry", str(registry), "--key", str(key)) == 0
    finally:
        os.umask(before)

    made = [key, registry, *registry.iterdir()]
    assert [path for path in made if path.stat().st_mode & 0o077] == []


def test_wrong_usage_is_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "broker", "up", "--kind", "none") == 2
    assert "Usage: stopline broker up" in capfd.readouterr().err


def test_options_before_the_command_of_a_group_are_answered_with_its_commands(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "dead-letters", "--kafka_brokers", "127.0.0.1:9092") == 1
    said = "name a command of dead-letters before --kafka_brokers: list, show, send-again"
    assert capfd.readouterr().err == f"stopline: {said}\n"


def test_the_version_is_that_of_the_distribution(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--version") == 0
    assert capfd.readouterr().out.strip() == version("stopline")


def test_a_command_that_takes_beam_flags_gets_those_it_does_not_know() -> None:
    app = typer.Typer()
    seen: list[list[str]] = []

    @app.command(context_settings=BEAM_FLAGS)
    def go(context: typer.Context, rate: int = 0) -> None:
        seen.append([str(rate), *context.args])

    CliRunner().invoke(app, ["--rate", "5", "--runner=PrismRunner", "--checkpointing_interval", "5000"])

    assert seen == [["5", "--runner=PrismRunner", "--checkpointing_interval", "5000"]]


@pytest.mark.parametrize("spelt", ["--decision_log", "--decision-log"])
def test_an_option_may_be_spelt_with_either_dash(
    spelt: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for words in (["shadow", spelt], ["drift", "models/shipped", spelt]):
        assert run(monkeypatch, *words, "nowhere") == 1
        assert "nowhere is no folder" in capfd.readouterr().err


def test_the_help_of_a_lazy_command_is_that_of_its_module() -> None:
    for name, (text, *_) in cli.LAZY.items():
        assert cli.loaded(name).help.startswith(text)


def test_a_group_of_several_modules_names_every_command_of_theirs() -> None:
    for places in (places for _, *places in cli.LAZY.values() if len(places) > 1):
        for module, _, names in (place.partition(":") for place in places):
            found = typer.main.get_command(importlib.import_module(module).app)

            assert names.split(",") == list(getattr(found, "commands", {names: found})), module


def test_every_option_of_every_command_and_job_has_a_sentence_in_its_help() -> None:
    def leaves(of: Any, path: str) -> Iterator[tuple[str, Any]]:
        inner = getattr(of, "commands", {})
        for name, each in inner.items():
            yield from leaves(each, f"{path} {name}")
        if not inner:
            yield path, of

    every = [found for name in cli.LAZY for found in leaves(cli.loaded(name), name)]
    silent = [(path, option.name) for path, of in every for option in of.params if not option.help]
    told = dict(every)["run"].epilog.split("\n\n")

    assert silent == []
    assert len(told) > 12
    assert [line for line in told if not re.fullmatch(r"--[a-z_]+: \w.+\.", line)] == []


def test_a_lazy_command_is_imported_when_it_runs(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in cli.LAZY:
        assert run(monkeypatch, name, "--help") == 0
        assert f"Usage: stopline {name} " in capfd.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("broker", "status"),
        ("doctor",),
        ("flink", "status"),
        ("flink", "up", "--help"),
        ("lifecycle", "law", "measures/law/countries/cn.yaml"),
        ("registry", "--help"),
        ("run", "--help"),
        ("lifecycle", "run", "--help"),
        ("casework", "run", "--help"),
        ("warnings", "run", "--help"),
        ("tokens", "--help"),
    ],
)
def test_a_command_that_needs_no_beam_does_not_wait_for_it(words: tuple[str, ...], tmp_path: Path) -> None:
    script = f"""
import os, sys
from console import cli, logs
sys.argv = ["stopline", *{words!r}]
try:
    cli.main()
except SystemExit:
    pass
sys.exit("apache_beam" in sys.modules)
"""
    places = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=places, capture_output=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_the_list_of_commands_needs_neither_numpy_nor_a_kafka_client() -> None:
    script = "import sys; from console import cli; cli.root; sys.exit('numpy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


@pytest.mark.slow
def test_a_job_starts_without_what_it_does_not_need() -> None:
    script = """
import sys
from console import cli
sys.argv = "stopline run --kafka_brokers 127.0.0.1:1 --model_bundle models/shipped".split()
try:
    cli.main()
except SystemExit:
    pass
others = {"sklearn", "skops", "joblib", "matplotlib", "prometheus_client", "fixtures"}
print(*sorted(others & set(sys.modules)))
"""
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert "nobody listens at 127.0.0.1:1" in said.stderr
    assert not said.stdout.strip()


def test_shells_complete_commands_and_those_of_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def completed(*words: str) -> str:
        env = {
            "_STOPLINE_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(("stopline", *words)),
            "COMP_CWORD": str(len(words)),
        }
        script = "from console.cli import main; main()"
        found = {**os.environ, **env}
        return subprocess.run(
            [sys.executable, "-c", script], env=found, capture_output=True, text=True, check=False
        ).stdout

    assert "whatif" in completed("wha").split()
    assert {"savepoint", "status"} <= set(completed("flink", "s").split())


def test_what_is_logged_has_time_and_level_and_may_be_json_and_libraries_do_not_warn(
    capfd: pytest.CaptureFixture[str],
) -> None:
    root, library = logging.getLogger(), logging.getLogger("beams")
    before = root.handlers[:], root.level
    try:
        for form in ("line", "json"):
            logs.setup(form)  # type: ignore[arg-type]
            logging.getLogger("pipelines.x").warning("model %s follows", "a")
            library.handle(
                library.makeRecord("root", logging.WARNING, "/apache_beam/io.py", 1, "no", (), None)
            )
            library.handle(
                library.makeRecord("root", logging.ERROR, "/apache_beam/io.py", 1, "lost", (), None)
            )
    finally:
        root.handlers[:], root.level = before
    first, second, third, fourth = capfd.readouterr().err.splitlines()

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00 WARNING pipelines.x: model a follows", first)
    assert second.endswith("ERROR root: lost")
    told = json.loads(third)
    assert (told["level"], told["logger"], told["message"]) == ("WARNING", "pipelines.x", "model a follows")
    assert json.loads(fourth)["message"] == "lost"


def test_doctor_says_what_is_missing_and_leaves_with_1_if_every_job_needs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr("pipelines.java.find_spec", lambda _: None)
    monkeypatch.chdir(tmp_path)

    alone = command("doctor")
    with_brokers = command("doctor", "--kafka_brokers", "127.0.0.1:1")

    assert alone.exit_code == 0
    assert re.search(r"for Flink +Java +none; Flink and Apache Kafka need 17", alone.output)
    assert with_brokers.exit_code == 1
    assert re.search(r"MISSING +brokers +nobody listens at 127.0.0.1:1; start", with_brokers.output)


@pytest.mark.parametrize(
    "words",
    [
        ("rings", "find", "--kafka_brokers", "127.0.0.1:1"),
        ("reports", "show", "--kafka_brokers", "127.0.0.1:1"),
        ("reports", "show", "report-1", "--kafka_brokers=127.0.0.1:1"),
        ("reports", "export", "--kafka_brokers", "127.0.0.1:1", "report-1", "--format", "stix"),
    ],
)
def test_options_of_the_broker_may_stand_before_or_after_what_a_command_is_about(
    words: tuple[str, ...],
) -> None:
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:1"):
        command(*words)


def test_who_waits_at_a_terminal_is_told_before_what_is_slow_is_loaded(tmp_path: Path) -> None:
    shown, terminal = pty.openpty()
    start = "from console.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", start, "demo", "--help"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=terminal,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm"},
    ) as demo:  # fmt: skip
        os.close(terminal)
        first = os.read(shown, 1_000)
        while b"starting" not in first:
            first += os.read(shown, 1_000)
        assert demo.stdout is not None and b"Example: stopline demo" in demo.stdout.read()
    os.close(shown)
