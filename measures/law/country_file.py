"""Read a country file and say, by file, line and rule, what is wrong with it."""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from measures.law.jurisdiction import CountryFile, Jurisdiction
from schemas.errors import ConfigError, cause

FOLDER = Path(__file__).parent / "countries"

#: Reason codes the machines use; every country file has a text for each in each of its languages.
REASON_CODES = (
    "STOP_ORDERED",
    "FREEZE_ORDERED",
    "RESTRICTION_ORDERED",
    "SCAM_SUSPECTED",
    "PAYEE_SUSPECT",
    "DELAYED_TRANSFER",
    "IDENTITY_CHECK",
    "LISTED",
)

Place = tuple[str | int, ...]


@cache
def jurisdiction(country: str) -> Jurisdiction:
    """Give the shipped jurisdiction with this id.

    Raises ConfigError if there is no such file.
    """
    path = FOLDER / f"{country.lower()}.yaml"
    if not path.exists():
        known = ", ".join(sorted(file.stem.upper() for file in FOLDER.glob("*.yaml")))
        raise ConfigError(f"jurisdiction {country!r} has no country file; use one of {known}")
    return load(path)


def load(path: Path) -> Jurisdiction:
    """Read and check one country file.

    Raises ConfigError naming file, line, rule and what is wrong; the first fault in file order.
    """
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(
            f"{path} cannot be read: {cause(error)}; give a country file like those in {FOLDER}"
        ) from error
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{path.name}:1: a country file is a mapping; start from one in {FOLDER}")
    lines: dict[Place, int] = {}
    faults: list[tuple[Place, str]] = []
    data = _plain(node, (), lines, faults)
    law = None
    if not faults:
        context = {"currency": data.get("currency"), "minor_digits": data.get("minor_digits", 2)}
        try:
            law = CountryFile.model_validate(data, context=context)
            faults += _cross_checks(law)
        except ValidationError as error:
            faults += [(tuple(fault["loc"]), _words(fault["msg"])) for fault in error.errors()]
    if law is None or faults:
        line, place, message = min((_line(place, lines), _spell(place), said) for place, said in faults)
        raise ConfigError(f"{path.name}:{line}: {place}: {message}")
    return law


def _plain(node: yaml.Node, place: Place, lines: dict[Place, int], faults: list[tuple[Place, str]]) -> Any:
    """Turn a YAML node into plain data, noting the line of every place and refusing double keys."""
    lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = _scalar(key_node)
            if key in found:
                lines[(*place, key)] = key_node.start_mark.line + 1
                faults.append(((*place, key), "the key stands twice; keep one"))
                continue
            found[key] = _plain(value_node, (*place, key), lines, faults)
            lines[(*place, key)] = key_node.start_mark.line + 1
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*place, index), lines, faults) for index, item in enumerate(node.value)]
    return _scalar(node)


def _scalar(node: yaml.Node) -> Any:
    return yaml.SafeLoader("").construct_object(node)


def _cross_checks(law: Jurisdiction) -> Iterator[tuple[Place, str]]:
    for place, versions in law.versions().items():
        for index, (earlier, later) in enumerate(pairwise(versions), start=1):
            if later.since <= earlier.since:
                yield (*place, index, "since"), "versions must stand in order of their date of force"
    for code in REASON_CODES:
        for language in law.languages:
            if not law.reasons.get(code, {}).get(language):
                yield ("reasons", code), f"reason {code} needs a text in {language!r}"
    for field, texts in (("remedy", law.remedy), ("documents", law.documents)):
        for language in law.languages:
            if not texts.get(language):
                yield (field,), f"{field} needs a text in {language!r}"


def _line(place: Place, lines: dict[Place, int]) -> int:
    while place and place not in lines:
        place = place[:-1]
    return lines[place]


def _spell(place: Place) -> str:
    return (
        "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".") or "file"
    )


def _words(message: str) -> str:
    return message.removeprefix("Value error, ")
