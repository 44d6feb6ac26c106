"""The `stopline` command: mounts the commands of this package and turns refusals into one sentence."""

import sys
from importlib.metadata import version
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from console import broker
from schemas.errors import BrokerError, SinkError, StoplineError

#: Exit codes besides 0, and 2 for wrong usage, which Typer gives itself.
REFUSED, DEPENDENCY_DOWN = 1, 3

#: `context_settings` of a command that hands what it does not know, in `context.args`, to Beam.
BEAM_FLAGS: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True}

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
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
    """Run the command line; a `StoplineError` becomes its sentence on stderr and an exit code."""
    try:
        app(prog_name="stopline")
    except StoplineError as error:
        Console(stderr=True).print(f"[red]stopline:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(exit_code(error))
