"""The operator that a file names:

    url: "https://operator.example"       # below it CAMARA's paths
    addresses: addresses.jsonl            # {"party": TOKEN, "phone": "+..."} a line
    token: token.txt                      # two-legged access token, as a file; optional
    ask: [CALL, FORWARDING, SIM_SWAP, DEVICE_SWAP]

Paths are relative to the file. Numbers leave to the operator alone, and only of parties in doubt.
"""  # noqa: D400, D415

from pathlib import Path
from typing import Annotated

import msgspec

from pipelines.addresses import read_addresses
from pipelines.network.client import Network
from pipelines.network.questions import Topic
from pipelines.process import PROCESS
from schemas import strict_yaml
from schemas.errors import ConfigError
from schemas.strict_text import read_bytes


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: Annotated[str, msgspec.Meta(pattern=r"^https?://\S+$")]
    addresses: str
    token: str = ""
    ask: Annotated[tuple[Topic, ...], msgspec.Meta(min_length=1)] = ("CALL", "FORWARDING")


def network(file: str) -> Network | None:
    """Return the operator that a file names, opened once a process; None without a file.

    Raises:
        ConfigError: the file cannot be used; says where.

    """
    return PROCESS.shared("network", file, lambda: _opened(Path(file))) if file else None


def _opened(path: Path) -> Network:
    given = strict_yaml.read(path).convert(_File)
    if given.url.startswith("http://") and not given.url.startswith(("http://127.", "http://localhost")):
        raise ConfigError(f"{path}: url is not https; telephone numbers do not leave in the clear")
    book = read_addresses(path.parent / given.addresses)
    token = read_bytes(path.parent / given.token).strip().decode("ascii", "replace") if given.token else ""
    phones = {party: each.phone for party, each in book.items() if each.phone}
    return Network(given.url, phones, given.ask, token=token)
