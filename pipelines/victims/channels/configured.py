"""The channels that a file names: for each kind of channel where its tries go.

    addresses: addresses.jsonl                # party -> telephone, mail; optional
    channels:
      IN_APP: {webhook: "https://bank.example/warnings", secret: secret.txt}
      SMS: {smpp: "127.0.0.1:2775", system_id: bank, password: smpp.txt}
      CALL: {webhook: "https://calls.example/tasks", secret: secret.txt,
             announce: "https://operator.example/verified-caller/v0", caller: "+8610000000", name: Example
                 Bank}
      VISIT: {smtp: "127.0.0.1:25", from: warnings@bank.example, to: visits@bank.example}
      FAMILY: {file: family.jsonl}

Secrets and passwords are files; paths are relative to this one.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from pipelines.addresses import Address, read_addresses
from pipelines.victims.channels.announce import Announced
from pipelines.victims.channels.file import File
from pipelines.victims.channels.mail import Mail
from pipelines.victims.channels.port import Channel
from pipelines.victims.channels.smpp import Smpp
from pipelines.victims.channels.webhook import Webhook
from schemas import strict_yaml
from schemas.errors import ConfigError
from schemas.strict_text import is_number, read_bytes
from schemas.warning import Channel as ChannelName

_VOICE = ("CALL", "ROBOT_CALL", "FAMILY")


class _One(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    webhook: str = ""
    secret: str = ""
    smpp: str = ""
    system_id: str = ""
    smtp: str = ""
    sender: str = msgspec.field(name="from", default="")
    to: str = ""
    user: str = ""
    password: str = ""
    file: str = ""
    announce: str = ""
    caller: str = ""
    name: str = ""
    token: str = ""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    channels: dict[ChannelName, _One]
    addresses: str = ""


def read_channels(path: Path) -> dict[ChannelName, Callable[[], Channel]]:
    """Read which channels there are; each is opened by calling what stands under its name.

    Raises:
        ConfigError: the file cannot be used; says where.

    """
    given = strict_yaml.read(path).convert(_File)
    if not given.channels:
        raise ConfigError(f"{path} names no channel; write channels: with one of IN_APP, SMS, CALL, VISIT")
    addresses = read_addresses(path.parent / given.addresses) if given.addresses else {}
    found: dict[ChannelName, Callable[[], Channel]] = {}
    for name, one in given.channels.items():
        kinds = [kind for kind in ("webhook", "smpp", "smtp", "file") if getattr(one, kind)]
        if len(kinds) != 1:
            raise ConfigError(f"{path}: {name} needs exactly one of webhook, smpp, smtp, file")
        open_ = _opener(one, kinds[0], path.parent, addresses)
        found[name] = _announced(open_, one, path.parent, addresses) if name in _VOICE else open_
    return found


def _opener(one: _One, kind: str, folder: Path, addresses: Mapping[str, Address]) -> Callable[[], Channel]:
    if kind == "webhook":
        secret = _secret(folder, one.secret, "secret")
        return lambda: Webhook(one.webhook, secret)
    if kind == "file":
        return lambda: File(folder / one.file)
    host, port = _address(one.smpp or one.smtp)
    word = _secret(folder, one.password, "password").decode() if one.password else ""
    if kind == "smpp":
        return lambda: Smpp(host, port, one.system_id, word, addresses)
    login = (one.user, word) if one.user else None
    return lambda: Mail(host, port, one.sender, to=one.to, login=login, addresses=addresses)


def _announced(
    open_: Callable[[], Channel], one: _One, folder: Path, addresses: Mapping[str, Address]
) -> Callable[[], Channel]:
    token = _secret(folder, one.token, "token").decode() if one.token else ""
    return lambda: Announced(
        open_(), one.announce, caller=one.caller, name=one.name, token=token, addresses=addresses
    )


def _secret(folder: Path, name: str, what: str) -> bytes:
    if not name:
        raise ConfigError(f"a {what} is missing; name a file that holds it")
    return read_bytes(folder / name).strip()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not is_number(port):
        raise ConfigError(f"{text!r} is no address; write host:port")
    return host, int(port)
