"""`stopline rings evidence`, `hand-on` and `verify`: a ring for police and court."""

from pathlib import Path
from typing import Annotated

import typer

from console.lab import rings
from console.lab.blocklist import one_of
from console.options import BEAM_FLAGS, BeamCommand
from pipelines.jobs.options import in_process_options, kafka_settings
from schemas.errors import ConfigError

app = typer.Typer(add_completion=False)

Folder = Annotated[Path, typer.Argument(help="Folder of the evidence.")]


@app.command(cls=BeamCommand, context_settings=BEAM_FLAGS)
def evidence(
    context: typer.Context,
    ring: Annotated[str, typer.Argument(help="Id of a ring.")],
    *,
    out: Annotated[Path, typer.Option(help="New folder to write to.")],
    key: Annotated[Path, typer.Option(help="Private key to sign with, made by `stopline registry keygen`.")],
    who: Annotated[str, typer.Option(help="Who makes it, for the chain of custody.")],
    audience: Annotated[str, typer.Option("--for", help="POLICE or INSTITUTION.")] = "POLICE",
    own: Annotated[list[str], typer.Option(help="INSTITUTION: a token it may see; repeatable.")] = [],  # noqa: B006
) -> None:
    """Write a ring's timeline, flows, members, STIX bundle and report, with a signed manifest.

    The same ring gives the same files. Tokens only; an institution sees those of its own accounts.

    Example: stopline rings evidence ring_x --out case-1 --key k.jwk --who lin --kafka_brokers 127.0.0.1:9092
    """
    looked = rings.look(kafka_settings(in_process_options(context.args)))
    seen_by = one_of(audience, ("POLICE", "INSTITUTION"), "audience")
    made = rings.give_out(
        rings.one(looked.rings, ring), looked.known, out, key, audience=seen_by, own=own, who=who
    )
    typer.echo(f"{out}: {', '.join(made)}")


@app.command("hand-on")
def hand_on(
    folder: Folder,
    *,
    who: Annotated[str, typer.Option(help="Who did it.")],
    what: Annotated[str, typer.Option(help="What was done, or to whom it was given.")],
) -> None:
    """Add a line to the chain of custody.

    Example: stopline rings hand-on case-1 --who lin --what "given to the prosecutor"
    """
    rings.hand_on(folder, who, what)
    typer.echo(f"noted in {folder}")


@app.command()
def verify(
    folder: Folder, *, key: Annotated[Path, typer.Option(help="Public key of who signed it.")]
) -> None:
    """Say whether a folder of evidence is as it was signed.

    Example: stopline rings verify case-1 --key public.jwk
    """
    if said := rings.faults(folder, key):
        raise ConfigError(f"{folder} is not as it was signed: {'; '.join(said)}")
    typer.echo(f"{folder} is as it was signed")
