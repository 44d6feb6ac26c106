"""A file of blocking entries, and the guard in front of it."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from console.lab.listing import newest
from measures.blocking.admission import Guard
from measures.blocking.forms import form
from pipelines.kafka.port import KafkaSettings
from schemas import topics
from schemas.block import KINDS, BlockEntry, BlockKind
from schemas.contract import UNREADABLE
from schemas.errors import ConfigError, cause
from schemas.ids import derived_id

#: Lists of the package `pymispwarninglists` that hold sites nobody may block by themselves.
_WARNING_LISTS = ("tranco10k", "bank-website")

_DECODE = msgspec.json.Decoder(BlockEntry).decode


def read(path: Path) -> dict[str, BlockEntry]:
    """Return the newest version of each entry of a JSONL file by id, none if there is no file.

    Raises:
        ConfigError: a line is no entry.

    """
    entries: dict[str, BlockEntry] = {}
    if not path.exists():
        return entries
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            entry = _DECODE(line)
        except UNREADABLE as error:
            raise ConfigError(
                f"{path}, line {number}, is no blocking entry: {cause(error)}; mend it"
            ) from error
        if entry.entry_id not in entries or entry.version > entries[entry.entry_id].version:
            entries[entry.entry_id] = entry
    return entries


def told(settings: KafkaSettings) -> dict[str, BlockEntry]:
    """Return the newest version of each entry of topic `blocks` by id.

    Raises:
        BrokerError: nobody listens, or there is no such topic.

    """
    return newest(settings, topics.BLOCKS, BlockEntry)


def append(path: Path, entry: BlockEntry) -> None:
    """Add a version of an entry; the file is a journal, as topic `blocks` is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(msgspec.json.encode(entry) + b"\n")


def guard(files: Iterable[Path]) -> tuple[Guard, str]:
    """Return what is never blocked without review, from files of a value a line, and what is lacking.

    Raises:
        ConfigError: a file cannot be read.

    """
    held: dict[BlockKind, set[str]] = {"DOMAIN": set(), "NUMBER": set(), "SENDER_ID": set()}
    for path in files:
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, ValueError) as error:
            raise ConfigError(f"guard {path} cannot be read: {cause(error)}; name a text file") from error
        _hold(held, lines)
    lacking = "" if _well_known(held) else (
        "no list of well-known sites is installed, so only your own --guard files protect; "
        "add one with: pip install pymispwarninglists"
    )  # fmt: skip
    return Guard(*map(frozenset, held.values())), lacking


def _well_known(held: dict[BlockKind, set[str]]) -> bool:
    if find_spec("pymispwarninglists") is None:
        return False
    root = resources.files("pymispwarninglists") / "data" / "misp-warninglists" / "lists"
    for name in _WARNING_LISTS:
        _hold(held, json.loads((root / name / "list.json").read_bytes())["list"])
    return True


def _hold(held: dict[BlockKind, set[str]], values: Iterable[str]) -> None:
    for value in filter(None, map(str.strip, values)):
        for kind in ("NUMBER", "DOMAIN", "SENDER_ID"):
            try:
                held[kind].add(form(kind, value.lstrip(".")))
            except ValueError:
                continue
            break


def entry(path: Path, kind: str, value: str) -> BlockEntry:
    """Return the newest version of an entry.

    Raises:
        ConfigError: the value is not listed.

    """
    try:
        return read(path)[derived_id("block", kind, form(one_of(kind, KINDS, "kind"), value))]
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"{value!r} is not listed as {kind} in {path}; see `stopline blocks check`"
        ) from error


def one_of(word: str, words: tuple[str, ...], name: str) -> Any:
    """Return a word that is one of `words`.

    Raises:
        ConfigError: it is another.

    """
    if word not in words:
        raise ConfigError(f"there is no {name} {word!r}; use one of {', '.join(filter(None, words))}")
    return word


def said(entry: BlockEntry) -> str:
    """Return an entry in a line."""
    until = datetime.fromtimestamp(entry.valid_to_us / 1e6, UTC).isoformat(timespec="seconds")
    review = f"; in review: {entry.review}" if entry.state == "IN_REVIEW" else ""
    return f"{entry.kind} {entry.value}: {entry.state} {entry.action} until {until}{review}"
