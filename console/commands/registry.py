"""`stopline registry`: which model bundle acts, signed."""

from pathlib import Path
from typing import Annotated, get_args

import msgspec
import typer
from joserfc.jwk import OKPKey

from console.options import RegistryFolder, RegistryKey, RegistryTrust
from models.scoring import pinning
from models.scoring.shelf import PUBLIC_KEY, Role, open_registry, read_key
from schemas.errors import ConfigError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Sign model bundles and say which one acts."
)


@app.command()
def keygen(registry: RegistryFolder = Path("var/registry"), out: RegistryKey = Path("registry.jwk")) -> None:
    """Make the registry's key: the private half in a file of its own, the public half in the registry.

    Example: stopline registry keygen --registry var/registry --key registry.jwk
    """
    if out.exists() or (registry / PUBLIC_KEY).exists():
        raise ConfigError(f"{out} or {registry / PUBLIC_KEY} exists; name another file or registry")
    private = OKPKey.generate_key("Ed25519")
    registry.mkdir(parents=True, exist_ok=True)
    out.touch(mode=0o600)
    out.write_bytes(msgspec.json.encode(private.as_dict(private=True)))
    (registry / PUBLIC_KEY).write_bytes(msgspec.json.encode(private.as_dict(private=False)))
    pinning.pin(registry)
    typer.echo(f"private half in {out}, public half in {registry / PUBLIC_KEY}, pinned beside the folder")


@app.command()
def trust(
    registry: RegistryFolder = Path("var/registry"),
    trusted: RegistryTrust = None,
    restore: Annotated[bool, typer.Option(help="Put the pinned key back into the folder.")] = False,
) -> None:
    """Pin the registry's key, and the newest of its pointers, in a file outside the folder.

    Example: stopline registry trust --registry var/registry
    """
    pinned = (pinning.restore if restore else pinning.pin)(registry, trusted)
    key = pinned.public_key.thumbprint()
    typer.echo(f"the key of {registry} is {key}; compare it with who keeps the private half")
    typer.echo("\n".join(pinned.pointers()))


@app.command()
def rollback(
    registry: RegistryFolder = Path("var/registry"),
    key: RegistryKey = Path("registry.jwk"),
    trusted: RegistryTrust = None,
) -> None:
    """Swap live and previous.

    Example: stopline registry rollback --registry var/registry --key registry.jwk
    """
    digest = open_registry(registry, trusted).rollback(read_key(key))
    typer.echo(f"live: {digest[:12]}; jobs with --model_registry {registry} follow")


@app.command()
def show(registry: RegistryFolder = Path("var/registry"), trusted: RegistryTrust = None) -> None:
    """Show what is in each role and check its signature.

    Example: stopline registry show --registry var/registry
    """
    opened = open_registry(registry, trusted)
    for role in get_args(Role):
        digest = opened.digest(role)
        typer.echo(f"{role:<9}{opened.bundle(digest).version if digest else '-'}")
