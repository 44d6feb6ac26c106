"""Odd values for every option and argument of every command: each is taken, or refused in one sentence."""

import signal
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from types import FrameType
from typing import Any

from typer.testing import CliRunner

from console.cli import LAZY, OF_PATHS, app, loaded
from pipelines.kafka.local.brokers import EmbeddedBroker
from schemas.errors import StoplineError

#: They run for ever, or start what outlives them.
LEFT_OUT = {"broker", "demo", "flink", "doctor"}

#: A command that still works after so long has taken the value.
SECONDS = 4

NUMBERS = ("-1", "0", "999999999999999999999", "1e9", "nan", "inf", "-0.0", "x", "")
TEXTS = (
    "", " ", "\n", "ü漢", "../../etc/passwd", "a" * 5_000, "-1", "1e309", "nan", "2026-13-41", "1,2,3", "a=b",
    "kafka://", "kafka://nobody:1", "[]", "{", "%s", "$(id)", "\x1b[31m",
)  # fmt: skip
CONTENTS = {
    "empty": b"", "binary": bytes(range(256)) * 20, "null.json": b"null", "list.json": b"[]",
    "deep.json": b"[" * 100_000, "bom.json": b"\xef\xbb\xbf{}", "utf16.json": '{"a":1}'.encode("utf-16"),
    "odd.json": b'{"a": 1e400, "b": NaN}', "self.yaml": b"a: &a [*a]\n", "crlf.jsonl": b"{}\r\n{}\r\n",
    "long": b"x" * 5_000_000, "a.xml": b"<Document/>", "fake.parquet": b"PAR1xxxxPAR1", "a\nb": b"{}",
    "a.csv": b"a;b\n1;2\n",
}  # fmt: skip


class _StillAtWork(BaseException):
    """Nothing that works on for long may take this for an error of its own."""


def files(folder: Path) -> list[str]:
    """Make odd files and return their paths, and paths that are none."""
    for name, content in CONTENTS.items():
        (folder / name).write_bytes(content)
    (folder / "folder").mkdir()
    (folder / "loop").symlink_to("loop")
    names = (*CONTENTS, "folder", "loop", "gone", "gone/too")
    return [*(str(folder / name) for name in names), "/dev/null", "", ".", "/", "~", "a" * 5_000]


def tried(names: list[str]) -> Iterator[str]:
    """Try commands, all if none is named; yield what came of values neither taken nor refused."""
    with tempfile.TemporaryDirectory() as odd, tempfile.TemporaryDirectory() as here, chdir(here):
        paths = files(Path(odd))
        with EmbeddedBroker() as broker:
            for name in names or sorted(set(LAZY) - LEFT_OUT):
                for words, command in _leaves(loaded(name), [name]):
                    for line in _lines(words, command, paths, broker.address):
                        if fault := _fault(line):
                            yield f"{' '.join(word[:60] for word in line)}: {fault}"


def _leaves(command: Any, words: list[str]) -> Iterator[tuple[list[str], Any]]:
    if not hasattr(command, "commands"):
        yield words, command
        return
    for name, each in command.commands.items():
        yield from _leaves(each, [*words, name])


def _lines(words: list[str], command: Any, paths: list[str], brokers: str) -> Iterator[list[str]]:
    """Yield command lines, each with one odd value."""
    usual = {param.name: _usual(param) for param in command.params if param.required}
    takes = {name for param in command.params for name in param.opts}
    job = command.context_settings.get("ignore_unknown_options")
    ending = ["--kafka_brokers", brokers] if job or "--kafka_brokers" in takes else []
    for param in command.params:
        if param.name in {"help", "kafka_brokers"}:
            continue
        for value in _odd(param, paths):
            given = {**usual, param.name: value}
            line = [*words]
            for each in command.params:
                if each.name in given:
                    line += [given[each.name]] if each.param_type_name == "argument" else _option(each, given)
            yield [*line, *ending]


def _option(param: Any, given: dict[str, str]) -> list[str]:
    return [param.opts[0]] if getattr(param, "is_flag", False) else [param.opts[0], given[param.name]]


def _kind(param: Any) -> str:
    annotation = str(param.type_descriptor.annotation)
    if "Literal" in annotation:
        return "str"
    return next((kind for kind in ("Path", "int", "float") if kind in annotation), "str")


def _usual(param: Any) -> str:
    return {"int": "3", "float": "2", "Path": "payments.jsonl"}.get(_kind(param), "abc")


def _odd(param: Any, paths: list[str]) -> tuple[str, ...]:
    if getattr(param, "is_flag", False):
        return ("",)
    return {"Path": tuple(paths), "int": NUMBERS, "float": NUMBERS}.get(_kind(param), TEXTS)


def _fault(line: list[str]) -> str:
    """Run a command line; return what is no refusal of it, "" if nothing is."""

    def ring(_: int, __: FrameType | None) -> None:
        raise _StillAtWork

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    try:
        error = CliRunner().invoke(app, line, env={"COLUMNS": "120"}).exception
    except _StillAtWork:
        return ""
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    known = isinstance(error, StoplineError | SystemExit | _StillAtWork | None)
    of_path = isinstance(error, OSError) and error.filename is not None
    if known or of_path or any(words in str(error) for words in OF_PATHS):
        return ""
    return f"{type(error).__name__}: {str(error)[:200]}"
