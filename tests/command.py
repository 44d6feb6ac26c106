"""The command line in this process, for tests."""

import argparse
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from console.cli import app, loaded
from pipelines.jobs.options import StoplineOptions


def command(*words: str | Path, width: int = 120, **how: Any) -> Any:
    """Run `stopline words...` on a terminal of a width; a refusal is raised."""
    how = {"catch_exceptions": False, "env": {"COLUMNS": str(width)}} | how
    return CliRunner().invoke(app, [*map(str, words)], **how)


def command_of(words: list[str]) -> tuple[str, Any, list[str]]:
    """Name, command and the words left of a command line."""
    command = loaded(words[0])
    if hasattr(command, "commands"):
        return " ".join(words[:2]), command.commands[words[1]], words[2:]
    return words[0], command, words[1:]


def options_of(command: Any) -> dict[str, bool]:
    """Option -> whether it takes a value; those of the job too, of a command that hands them on."""
    found = {
        name.replace("_", "-"): not getattr(param, "is_flag", False)
        for param in command.params
        for name in (*param.opts, *param.secondary_opts)
        if name.startswith("--")
    }
    if command.context_settings.get("ignore_unknown_options"):
        parser = argparse.ArgumentParser(add_help=False)
        StoplineOptions._add_argparse_args(parser)
        found |= {
            name.replace("_", "-"): each.nargs != 0
            for each in parser._actions
            for name in each.option_strings
        }
    return found


def misused(words: list[str], beside: tuple[str, ...] = ()) -> str:
    """The first option of a command line that its command does not know, or that lacks its value; "" if none.

    Options `beside` ours are those of Beam and its runners.
    """
    _, command, left = command_of(words)
    known, ahead = options_of(command) | dict.fromkeys(beside, True), iter(left)
    for word in ahead:
        if not word.startswith("--"):
            continue
        option = word.partition("=")[0].replace("_", "-")
        if option not in known:
            return word
        if known[option] and "=" not in word and next(ahead, "--").startswith("--"):
            return f"{word} without a value"
    return ""
