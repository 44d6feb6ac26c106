"""The `stopline` command: mounts the commands of this package and turns refusals into one sentence."""

import importlib
import logging
import os
import sys
from importlib.metadata import version
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperCommand, TyperGroup

from console.commands import broker
from schemas.errors import BrokerError, SinkError, StoplineError

#: Exit codes besides 0, and 2 for wrong usage, which Typer gives itself.
REFUSED, DEPENDENCY_DOWN = 1, 3

#: Commands that load Beam, which takes seconds: name, its help in one line, the modules whose `app`s it is.
LAZY: dict[str, tuple[str, ...]] = {
    "run": (
        "Read payments and send alerts, warnings, traces and dead letters until stopped",
        "console.commands.run",
    ),
    "demo": (
        "Watch scams being stopped: simulated days at high speed, then a scoreboard.",
        "console.commands.demo",
    ),
    "replay": ("Run a scenario from its first payment to its last and compare", "console.commands.replay"),
    "import": (
        "Turn a table into payments and labels, with a report of what was refused",
        "console.commands.imports",
    ),
    "blocks": (
        "Block sites, numbers, senders and apps; give them out.",
        "console.commands.blocks.listing",
        "console.commands.blocks.giving",
    ),
    "tokens": ("Make tokens of parties and accounts.", "console.commands.tokens"),
    "lifecycle": (
        "Carry out legal orders: keys, country files, the job.",
        "console.commands.lifecycle.run",
        "console.commands.lifecycle.orders",
        "console.commands.lifecycle.demo",
    ),
    "recall": (
        "Ask for a payment back from another institution, in ISO 20022.",
        "console.commands.recall.asking",
        "console.commands.recall.answering",
    ),
    "train": (
        "Train both legs on a decision log with feedback, on imported payments, or on",
        "console.commands.train",
    ),
    "backtest": ("Train up to a day, test on the days after, move on;", "console.commands.backtest"),
    "whatif": ("Replay a recorded stream under the live policy and a new one", "console.commands.whatif"),
    "evaluate": (
        "Measure a bundle on a new simulated world, a decision log with feedback, or",
        "console.commands.evaluate",
    ),
    "stress": ("Measure a bundle in worlds whose scammers choose tactics", "console.commands.stress"),
    "card": ("Print a bundle's model card after checking the bundle.", "console.commands.card"),
    "drift": (
        "Compare features, scores and alert rate of a log's newest days with",
        "console.commands.drift",
    ),
    "registry": (
        "Sign model bundles and say which one acts.",
        "console.commands.registry",
        "console.commands.promotion",
    ),
    "dead-letters": (
        "Look at refused messages; send them again.",
        "console.commands.dead_letters",
    ),
    "shadow": ("Compare the shadow model with the live one from the decision log", "console.commands.shadow"),
    "flink": (
        "Run a Flink cluster on this machine.",
        "console.commands.flink.cluster",
        "console.commands.flink.jobs",
    ),
}


class Commands(TyperGroup):
    """Lists the lazy commands too, and imports one when it is about to run."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, (text, *_) in LAZY.items():
            self.add_command(TyperCommand(name, help=text))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Replace the entry of the command that `args` begin with by the command itself."""
        if args[0] in LAZY:
            self.add_command(loaded(args[0]), args[0])
        return super().resolve_command(ctx, args)


def loaded(name: str) -> Any:
    """Import the lazy command `name`; one app of one command is that command, all else is a group."""
    text, *modules = LAZY[name]
    logging.disable(logging.WARNING)  # Beam announces at import that it was installed without Google's extras
    try:
        apps = [importlib.import_module(module).app for module in modules]
    finally:
        logging.disable(logging.NOTSET)
    if len(apps) == 1:
        return typer.main.get_command(apps[0])
    group = typer.Typer(no_args_is_help=True, add_completion=False, help=text)
    for each in apps:
        group.add_typer(each)
    return typer.main.get_command(group)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    context_settings={"token_normalize_func": lambda name: name.replace("_", "-")},  # either spelling
)
app.add_typer(broker.app, name="broker")


@app.callback(invoke_without_command=True)
def root(
    show_version: Annotated[bool, typer.Option("--version", help="Show the version and leave.")] = False,
) -> None:
    """Stop a scam payment before the money is gone.

    Example: stopline broker up
    """
    if show_version:
        typer.echo(version("stopline"))
        raise typer.Exit


def exit_code(error: StoplineError) -> int:
    """Tell a dependency that is down (3) from input that was refused (1)."""
    return DEPENDENCY_DOWN if isinstance(error, BrokerError | SinkError) else REFUSED


def main() -> None:
    """Run the command line; a `StoplineError` or a path that cannot be used becomes a sentence on stderr."""
    os.umask(0o077)  # keys, state and logs are for their user only
    try:
        app(prog_name="stopline")
    except StoplineError as error:
        _say(str(error))
        sys.exit(exit_code(error))
    except OSError as error:
        if error.filename is None:
            raise
        _say(f"{error.filename} cannot be used: {error.strerror}; give another path, or mend this one")
        sys.exit(REFUSED)


def _say(sentence: str) -> None:
    Console(stderr=True).print(f"[red]stopline:[/] {escape(sentence)}", soft_wrap=True, highlight=False)
