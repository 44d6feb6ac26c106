"""Options that several commands take, and how their values are read."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from pipelines.stores import local

#: `context_settings` of a command that hands what it does not know, in `context.args`, to Beam.
BEAM_FLAGS: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True}


class BeamCommand(TyperCommand):
    """A command with arguments of its own beside the options that it hands to Beam, in whatever order.

    Without it an option that is not known, or its value, before an argument would be taken for the argument.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Set the options that are not known aside with their values, then take the rest as usual."""
        takes_value = {
            name: not getattr(parameter, "is_flag", False)
            for parameter in self.get_params(ctx)
            for name in (*parameter.opts, *parameter.secondary_opts)
        }
        own, others, words = list[str](), list[str](), iter(args)
        for word in words:
            name, _, value = word.partition("=")
            name = name.replace("_", "-")
            if word == "--":
                own += [word, *words]
            elif not word.startswith("--") or name in takes_value:
                own.append(word)
                if takes_value.get(name) and not value:
                    own += [each for each in [next(words, None)] if each is not None]
            else:
                others.append(word)
                following = None if value else next(words, None)
                others += [] if following is None else [following]
        left = super().parse_args(ctx, own)
        ctx.args += others
        return left


#: Of the commands that read feedback or payments from a broker.
KafkaSecurity = Annotated[
    list[str],
    typer.Option(
        "--kafka_security", help="KEY=VALUE, KEY=@FILE, or @FILE with a line KEY=VALUE each; may be repeated."
    ),
]

#: Of the commands that work on a decision log and its labels.
FeedbackPlaces = Annotated[
    list[str],
    typer.Option("--feedback", help="Labels of the log: a JSONL file or kafka://host:port; may be repeated."),
]
Payments = Annotated[
    Path | None, typer.Option("--payments", help="Folder written by `stopline import`, with its labels.")
]
#: A folder of this machine, or a copy of the one that a URL names; for what is read only.
_READ: dict[str, Any] = {"parser": local, "metavar": "FOLDER|URL"}

LogFolder = Annotated[
    Path | None,
    typer.Option("--decision_log", help="Folder of a decision log; else worlds are simulated.", **_READ),
]
LogThere = Annotated[Path, typer.Option("--decision_log", help="Folder of the decision log.", **_READ)]
BundleFolder = Annotated[Path, typer.Argument(help="Directory of the bundle.", **_READ)]
KnownBy = Annotated[
    str,
    typer.Option(
        "--known_by",
        help="Use what was known by this time; default: the newest payment, in an import the newest label.",
    ),
]
PolicyFile = Annotated[Path | None, typer.Option("--policy_file", help="Your own YAML policy.")]
Country = Annotated[
    str, typer.Option("--country", help="Act by the shipped policy of a country, such as uk; cn if neither.")
]
Language = Annotated[
    str, typer.Option("--language", help="Of reasons and warnings, in place of the policy's; such as en.")
]
ModelBundle = Annotated[Path, typer.Option("--model_bundle", help="Bundle to score with.", **_READ)]

SkipDamaged = Annotated[
    bool,
    typer.Option("--skip-damaged", help="Leave out files of the log that are damaged or none of it."),
]

#: Of the commands that train.
Windows = Annotated[
    str, typer.Option(help="Days of train,validation,test,delay; default 63,7,7,7, in a world 11,7,7,1.")
]

#: Of the commands that simulate worlds.
Clues = Annotated[
    float,
    typer.Option("--clues", min=0, max=1, help="Share of people whose operator tells of calls and devices."),
]

#: Of the jobs that run for ever.
Runner = Annotated[Literal["in-process", "flink"], typer.Option("--runner", help="Where the job runs.")]
Partitions = Annotated[int, typer.Option(help="Partitions every topic must have.", min=1)]
Fresh = Annotated[bool, typer.Option("--fresh", help="On Flink: begin without the state that is there.")]
StatusForm = Annotated[
    Literal["line", "json", "none"],
    typer.Option("--status", help="How to print every second how the job does."),
]
MetricsAt = Annotated[
    str, typer.Option("--metrics", help="HOST:PORT to tell figures, /live/alive and /live/ready at.")
]
CreateTopics = Annotated[bool, typer.Option(help="Create topics that are missing.")]

#: Of the commands about legal orders.
KeysFile = Annotated[Path, typer.Option(help="JSON file of the authorities' public keys.")]

LawDir = Annotated[
    Path | None,
    typer.Option("--law-dir", help="Folder of your own country files and words/, beside the shipped ones."),
]

#: Of the commands about blocking entries.
BLOCKS = Path("var/blocks.jsonl")
Blocks = Annotated[Path, typer.Option("--entries", help="Journal of entries, JSON Lines.")]
GuardFiles = Annotated[
    list[Path], typer.Option("--guard", help="File of domains, numbers and senders never blocked unseen.")
]

#: Of the commands about refused messages.
#: Of the job that makes tokens of what reports name in clear.
TokenKeys = Annotated[
    Path | None, typer.Option(help="Producers' file of secrets: numbers that reports name get their token.")
]

Brokers = Annotated[str, typer.Option("--kafka_brokers", help="host:port[,host:port]")]
RefusedFor = Annotated[
    str, typer.Option("--code", help="Only those refused for this reason, such as INVALID.")
]
RefusedOf = Annotated[str, typer.Option("--topic", help="Only those of this topic.")]

#: Of the commands that look at what the desk shows.
DeskFolder = Annotated[Path, typer.Option("--folder", help="Of a desk that runs on this machine.")]
DeskStore = Annotated[
    str, typer.Option("--store", help="postgresql://user@host/database of a desk whose store is there.")
]
DeskBrokers = Annotated[
    str, typer.Option("--kafka_brokers", help="host:port; read the topics instead of a desk's store.")
]
DeskTime = Annotated[
    Literal["wall", "stream"],
    typer.Option("--clock", help="stream: by the newest event, for simulated days."),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]

#: Of the commands about the registry of bundles.
RegistryFolder = Annotated[Path, typer.Option("--registry", help="Folder of the registry.")]
RegistryTrust = Annotated[
    Path | None,
    typer.Option(
        "--trust", help="File with the pinned key; by default REGISTRY.trust.json beside the folder."
    ),
]
RegistryKey = Annotated[Path, typer.Option("--key", help="Private key, as keygen wrote it.")]
