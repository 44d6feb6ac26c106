"""`stopline lifecycle keygen` and `law`: keys of authorities, country files."""

from pathlib import Path
from typing import Annotated

import typer

from console.lab.lawbook import checked
from console.lab.signing import new_key
from console.options import KeysFile, LawDir
from measures.law.country_file import read_laws
from pipelines.received import wall_clock_us
from schemas.order import Actor

app = typer.Typer(add_completion=False)


@app.command()
def keygen(
    authority: Annotated[str, typer.Option(help="Id of the authority the key signs for.")],
    country: Annotated[str, typer.Option(help="Jurisdiction, e.g. CN.")],
    keys: KeysFile,
    *,
    actor: Annotated[Actor, typer.Option(help="What the authority is.")] = Actor.POLICE,
    out: Annotated[Path, typer.Option(help="Where the private key goes.")] = Path("private.jwk"),
    years: Annotated[int, typer.Option(help="How long the key is good, from now.", min=1)] = 1,
    law_dir: LawDir = None,
) -> None:
    """Make a signing key: the private half in a file of its own, the public half added to the key file.

    To rotate, make a second key while the first is still good, and sign with it from then on.

    Example: stopline lifecycle keygen --authority police-1 --country CN --keys keys.json
    """
    key_id = new_key(
        keys,
        out,
        authority=authority,
        country=country,
        actor=actor,
        years=years,
        laws=read_laws(law_dir),
    )
    typer.echo(f"key {key_id}: private half in {out}, public half in {keys}")


@app.command()
def law(
    file: Annotated[Path | None, typer.Argument(help="A country file (YAML).")] = None,
    law_dir: LawDir = None,
) -> None:
    """Check a country file, or a folder of them; a fault is told by line and rule.

    The words of a file's languages stand in words/<language>.yaml beside it, else with the shipped ones.

    Example: stopline lifecycle law measures/law/countries/cn.yaml
    """
    for said in checked(file, law_dir, wall_clock_us()):
        typer.echo(said)
