"""The stress figures beside a bundle, `stress.json`: so that nobody sees its easy figures alone."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from schemas.errors import ConfigError

NAME = "stress.json"
SECTIONS = {
    "mix": "tactics it never saw",
    "worst_tactic": "the worst of them",
    "required_fields_only": "required fields only",
    "base_rate": "where scams are as rare as in life",
    "ordinary_model": "an ordinary bank model, same worlds",
    "easy_world": "easy worlds, where nobody chooses a tactic",
}
_KEPT = ("held_on_arrival", "held_before_exit", "innocents_per_10k", "disturbed_per_victim", "oracle")


def keep(folder: Path, found: Mapping[str, Any], *, command: str, day: str) -> None:
    """Write the figures of `stopline stress` beside their bundle, with how and when they were found."""
    sections = {name: {key: found[name][key] for key in _KEPT} for name in SECTIONS}
    text = {"bundle": found["bundle"], "command": command, "date": day, **sections}
    (folder / NAME).write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")


def kept(folder: Path, version: str) -> dict[str, Any] | None:
    """Return the figures beside a bundle; None if there are none, or of another version.

    Raises:
        ConfigError: the file is damaged.

    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found if found["bundle"] == version and all(name in found for name in SECTIONS) else None
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}; measure again with `stopline stress {folder} --keep`"
        ) from error


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Say them, a line each, as Markdown."""
    yield (
        f"Scam value held by `{found['command']}` ({found['date']}), where scammers choose tactics and banks "
        "leave fields out:"
    )
    yield ""
    yield "| | on arrival | or before it left the first account | good payments held per 10,000 | oracle |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for name, words in SECTIONS.items():
        each = found[name]
        yield (
            f"| {words} | {each['held_on_arrival']:.1%} | {each['held_before_exit']:.1%} | "
            f"{each['innocents_per_10k']:.2f} | {each['oracle']:.1%} |"
        )
