"""The `stopline` command: mounts the commands of this package and turns refusals into one sentence."""

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperCommand, TyperGroup

from console import logs
from console.logs import LogFormat, LogLevel
from schemas.errors import BrokerError, ConfigError, SinkError, StoplineError

#: Exit codes besides 0, and 2 for wrong usage, which Typer gives itself.
REFUSED, DEPENDENCY_DOWN = 1, 3

#: What pathlib says of a path that leads to itself, and of one such as `.` or `/` where a name is needed.
OF_PATHS = ("Symlink loop", "has an empty name")

#: Tables in files and pipes are so wide, that no id of theirs is cut.
PIPED_COLUMNS = "200"

#: Objects made before the collector looks: modules make 300,000 that stay, a tenth of a job's start.
GC_ALLOCATIONS = 50_000

#: Every command: its name, its help in one line, and the module whose `app` it is; of a group in several
#: modules each with its commands. What a module needs (Beam takes seconds) is loaded when its command runs.
LAZY: dict[str, tuple[str, ...]] = {
    "broker": ("Run a Kafka broker on this machine.", "console.commands.broker"),
    "doctor": ("Say what this machine and its brokers offer and lack", "console.commands.doctor"),
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
        "Turn a table, or messages of ISO 20022, into payments and labels",
        "console.commands.imports",
    ),
    "blocks": (
        "Block sites, numbers, senders and apps; give them out.",
        "console.commands.blocks.listing:add,lift,confirm",
        "console.commands.blocks.giving:check,export,effect",
    ),
    "casework": (
        "Run the office: reports, blocking entries, the registry.",
        "console.commands.casework.run:run",
        "console.commands.casework.say:say",
        "console.commands.casework.league:league",
    ),
    "rings": (
        "Find accounts that belong together; give out the evidence.",
        "console.commands.rings.finding:find,evaluate",
        "console.commands.rings.proving:evidence,hand-on,verify",
    ),
    "reports": (
        "Report scams; see whom it was asked of and what came of it.",
        "console.commands.reports.sending:send,revoke",
        "console.commands.reports.answering:answer,judge",
        "console.commands.reports.ordering:order",
        "console.commands.reports.showing:show,campaigns,export,import",
    ),
    "listings": (
        "Give out a country's list of subjects, take it over, look somebody up.",
        "console.commands.listings.giving:publish,take,lookup",
        "console.commands.listings.keeping:snapshot",
        "console.commands.listings.saying:enter",
        "console.commands.listings.owing:report",
    ),
    "check": (
        "Take the first 1,000 payments through decode and model, and say what is wrong",
        "console.commands.check",
    ),
    "send": ("Send payments of a file to a topic, as your producer would", "console.commands.sending"),
    "listen": ("Print what a topic holds, a JSON object a line", "console.commands.listening"),
    "tokens": ("Make tokens of parties and accounts.", "console.commands.tokens"),
    "lifecycle": (
        "Carry out legal orders: keys, country files, the job.",
        "console.commands.lifecycle.run:run",
        "console.commands.lifecycle.keys:keygen,law",
        "console.commands.lifecycle.seal:seal",
        "console.commands.lifecycle.send:send",
        "console.commands.lifecycle.demo:demo",
    ),
    "warnings": (
        "Reach warned parties rung by rung.",
        "console.commands.warnings.run:run",
        "console.commands.warnings.send:send",
        "console.commands.warnings.calling:calling",
        "console.commands.warnings.words:words",
        "console.commands.warnings.report:report",
    ),
    "numbers": ("Grade telephone numbers; find SIM boxes.", "console.commands.numbers"),
    "recall": (
        "Ask for a payment back from another institution, in ISO 20022.",
        "console.commands.recall.asking:ask,take-in",
        "console.commands.recall.answering:answer,return",
    ),
    "train": (
        "Train a bundle on a decision log, on imported payments, or on simulated worlds.",
        "console.commands.train",
    ),
    "backtest": ("Train up to a day, test on the days after, move on.", "console.commands.backtest"),
    "whatif": ("Replay a recorded stream under the live policy and a new one", "console.commands.whatif"),
    "evaluate": (
        "Measure a bundle on a decision log, on imported payments, or on a simulated world.",
        "console.commands.evaluate",
    ),
    "gain": ("Compare two bundles in the same worlds", "console.commands.gain"),
    "stress": ("Measure a bundle in worlds whose scammers choose tactics", "console.commands.stress"),
    "fields": ("Measure what each optional field is worth to a bundle", "console.commands.fields"),
    "card": ("Print a bundle's model card after checking the bundle.", "console.commands.card"),
    "drift": (
        "Compare a log's newest days with those before: features, scores, alerts.",
        "console.commands.drift",
    ),
    "registry": (
        "Sign model bundles and say which one acts.",
        "console.commands.registry:keygen,trust,rollback,show",
        "console.commands.promotion:promote",
    ),
    "desk": (
        "Show cases and let people decide them; check the audit chain.",
        "console.commands.desk.run:run",
        "console.commands.desk.audit:audit",
    ),
    "cases": (
        "Show open cases, the most urgent first; or what has changed",
        "console.commands.cases.listing",
    ),
    "case": (
        "Show a case: why, where the money went and what can still be frozen",
        "console.commands.cases.one",
    ),
    "explain": (
        "Say why: the reasons of a payment's alerts, or of all alerts of a case",
        "console.commands.cases.explain",
    ),
    "measures": (
        "Show measures in force, those whose term ends first before the others",
        "console.commands.cases.measures",
    ),
    "dead-letters": (
        "Look at refused messages; send them again.",
        "console.commands.dead_letters",
    ),
    "shadow": ("Compare the shadow model with the live one from the decision log", "console.commands.shadow"),
    "flink": (
        "Run a Flink cluster on this machine.",
        "console.commands.flink.cluster:up,down",
        "console.commands.flink.status:status",
        "console.commands.flink.jobs:savepoint,restore,cancel",
    ),
}


class Commands(TyperGroup):
    """All commands by name and help; one is imported when it is about to run."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, (text, *_) in LAZY.items():
            self.add_command(TyperCommand(name, help=text))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Replace the entry of the command that `args` begin with by the command itself.

        Raises:
            ConfigError: of a group no command is named before its options.

        """
        if args[0] in LAZY:
            self.add_command(lazy(args[0]), args[0])
        name, command, rest = super().resolve_command(ctx, args)
        if isinstance(command, TyperGroup) and rest and rest[0].startswith("-") and rest[0] != "--help":
            known = ", ".join(command.list_commands(ctx))
            raise ConfigError(f"name a command of {name} before {rest[0]}: {known}")
        return name, command, rest


class Group(TyperGroup):
    """Commands of several modules; only the module of the one that runs is imported."""

    def __init__(self, places: Sequence[str], **settings: Any) -> None:
        super().__init__(no_args_is_help=True, **settings)
        self._places = {name: module for module, names in map(_named, places) for name in names}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the module of the command that `args` begin with."""
        if args[0] in self._places:
            self._import(args[0])
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        """Import every module, to show what its commands say of themselves."""
        return [*self.loaded().commands]

    def loaded(self) -> "Group":
        """Import every module; returns itself."""
        for name in self._places:
            self._import(name)
        return self

    def _import(self, name: str) -> None:
        found = typer.main.get_command(_module(self._places[name]).app)
        self.add_command(getattr(found, "commands", {name: found})[name], name)


def _module(name: str) -> Any:
    """Import a module of commands; who waits for it at a terminal is told so."""
    if name in sys.modules or "_STOPLINE_COMPLETE" in os.environ:
        return importlib.import_module(name)
    with Console(stderr=True).status("starting"):
        return importlib.import_module(name)


def _named(place: str) -> tuple[str, list[str]]:
    """Return a module and its commands; one that names none is imported to be asked."""
    module, _, names = place.partition(":")
    found = None if names else typer.main.get_command(_module(module).app)
    return module, names.split(",") if found is None else list(
        getattr(found, "commands", {found.name: found})
    )


def lazy(name: str) -> Any:
    """Return a command, or a group whose commands are imported when they run."""
    text, *places = LAZY[name]
    if len(places) > 1:
        return Group(places, name=name, help=text)
    return typer.main.get_command(_module(places[0]).app)


def loaded(name: str) -> Any:
    """Return a command or group with everything of it imported."""
    found = lazy(name)
    return found.loaded() if isinstance(found, Group) else found


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"token_normalize_func": lambda name: name.replace("_", "-")},  # either spelling
)


@app.callback(invoke_without_command=True)
def root(
    show_version: Annotated[bool, typer.Option("--version", help="Show the version and leave.")] = False,
    log_format: Annotated[
        LogFormat, typer.Option(envvar="STOPLINE_LOG_FORMAT", help="How what is logged is written to stderr.")
    ] = "line",
    log_level: Annotated[
        LogLevel,
        typer.Option(envvar="STOPLINE_LOG_LEVEL", help="The least grave that is logged."),
    ] = "warning",
) -> None:
    """Stop a scam payment before the money is gone.

    Example: stopline broker up
    """
    logs.setup(log_format, log_level)
    if show_version:
        typer.echo(version("stopline"))
        raise typer.Exit


def exit_code(error: StoplineError) -> int:
    """Tell a dependency that is down (3) from input that was refused (1)."""
    return DEPENDENCY_DOWN if isinstance(error, BrokerError | SinkError) else REFUSED


def main() -> None:
    """Run the command line; a `StoplineError` or a path that cannot be used becomes a sentence on stderr."""
    gc.set_threshold(GC_ALLOCATIONS, 10, 10)
    logs.setup()
    os.umask(0o077)  # keys, state and logs are for their user only
    if not sys.stdout.isatty():
        os.environ.setdefault("COLUMNS", PIPED_COLUMNS)
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
    except (RuntimeError, ValueError) as error:
        if not any(words in str(error) for words in OF_PATHS):
            raise
        _say(f"{error}; give another path, or mend this one")
        sys.exit(REFUSED)


def _say(sentence: str) -> None:
    Console(stderr=True).print(f"[red]stopline:[/] {escape(sentence)}", soft_wrap=True, highlight=False)
