"""Read a country file and say, by file, line and rule, what is wrong with it.

Shipped files stand in `countries/`, the words of their languages in `countries/words/`. An owner's folder has
the same form; a file of it stands in for a shipped one of the same name, and so does a language's.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from measures.law.jurisdiction import CountryFile, Jurisdiction
from measures.law.meaning import currency_faults, faults_of
from measures.law.words import REASON_CODES, Words
from schemas import strict_yaml
from schemas.errors import ConfigError
from schemas.strict_text import read_bytes
from schemas.strict_yaml import Document, Place

FOLDER = Path(__file__).parent / "countries"
WORDS = "words"

_ID = re.compile(r"[A-Z]{2}")

M = TypeVar("M", bound=BaseModel)

__all__ = ["FOLDER", "REASON_CODES", "SHIPPED", "Laws", "jurisdiction", "load", "read_laws"]


@cache
def jurisdiction(country: str) -> Jurisdiction:
    """Give the shipped jurisdiction with this id.

    Raises ConfigError if there is no such file.
    """
    path = FOLDER / f"{country.lower()}.yaml"
    if not _ID.fullmatch(country) or not path.exists():
        raise _unknown(country, _shipped())
    return load(path)


@dataclass(frozen=True)
class Laws:
    """The law of every country: an owner's files before the shipped ones; made by `read_laws`."""

    own: Mapping[str, Jurisdiction] = field(default_factory=dict)

    def of(self, country: str) -> Jurisdiction:
        """Give the jurisdiction with this id.

        Raises ConfigError if there is no such file.
        """
        if country in self.own:
            return self.own[country]
        if country not in _shipped():
            raise _unknown(country, sorted({*_shipped(), *self.own}))
        return jurisdiction(country)


def read_laws(folder: Path | None = None) -> Laws:
    """Read an owner's folder of country files; every file in it must be good.

    Raises ConfigError if it is no folder, holds no country file, or a file is wrong.
    """
    if folder is None:
        return SHIPPED
    if not folder.is_dir():
        raise ConfigError(f"--law-dir {folder} is not a folder; give one with files like those in {FOLDER}")
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise ConfigError(f"--law-dir {folder} holds no country file; copy the nearest one of {FOLDER} there")
    found = [load(path) for path in paths]
    return Laws({law.id: law for law in found})


#: The shipped files alone.
SHIPPED = Laws()


def load(path: Path) -> Jurisdiction:
    """Read and check one country file, with the words of its languages.

    Raises ConfigError naming file, line, rule and what is wrong: the first cause in file order.
    """
    document = _read(path, path.name)
    if not isinstance(document.data, dict):
        raise ConfigError(f"{path.name}:1: a country file is a mapping; start from one in {FOLDER}")
    data = document.data
    if "words" in data:
        raise document.fault(("words",), f"words stand in {WORDS}/<language>.yaml beside the country file")
    spoken = _spoken(data.get("languages"))
    words = {language: _words_of(language, path.parent) for language in spoken}
    missing = [language for language, found in words.items() if found is None]
    context = {"currency": data.get("currency"), "minor_digits": data.get("minor_digits", 2)}
    known = {language: found for language, found in words.items() if found is not None}
    if found := list(currency_faults(data.get("currency"), context["minor_digits"])):
        raise _first(found, document)
    law = _validated(CountryFile, data | {"words": known}, document, context)
    if missing:
        place = ("languages", spoken.index(missing[0]))
        raise document.fault(place, f"there are no words in {missing[0]!r}; write {WORDS}/{missing[0]}.yaml")
    if found := list(faults_of(law, path.stem)):
        raise _first(found, document)
    return law


def _read(path: Path, name: str) -> Document:
    return strict_yaml.parse(read_bytes(path), name)


def _spoken(given: Any) -> list[str]:
    return [each for each in given if isinstance(each, str)] if isinstance(given, list) else []


def _words_of(language: str, folder: Path) -> Words | None:
    name = f"{language}.yaml"
    if not re.fullmatch(r"[A-Za-z0-9-]{2,20}", language):
        return None
    path = next((each / WORDS / name for each in (folder, FOLDER) if (each / WORDS / name).is_file()), None)
    return _read_words(path) if path else None


def _read_words(path: Path) -> Words:
    document = _read(path, f"{WORDS}/{path.name}")
    if not isinstance(document.data, dict):
        raise ConfigError(
            f"{document.name}:1: a file of words is a mapping; start from one in {FOLDER / WORDS}"
        )
    words = _validated(Words, document.data, document, {})
    for code in REASON_CODES:
        if code not in words.reasons:
            raise document.fault(("reasons", code), f"reason {code} needs a text")
    for place, needed, held in (
        ("remedy", ("INSTITUTION", "AUTHORITY"), words.remedy),
        ("held", ("ALL_OUTFLOW", "AMOUNT", "TRANSACTION", "FUNCTIONS"), words.held),
    ):
        if absent := [name for name in needed if name not in held]:
            raise document.fault((place,), f"{place} needs a text for {absent[0]}")
    if words.language != path.stem:
        raise document.fault(("language",), f"the file is called {path.name} and holds {words.language!r}")
    return words


def _validated(model: type[M], data: Any, document: Document, context: dict[str, Any]) -> M:
    try:
        return model.model_validate(data, context=context)
    except ValidationError as error:
        given = [(tuple(fault["loc"]), fault["type"], fault["msg"]) for fault in error.errors()]
        places = [place for place, _, _ in given]
        texts = {_in_file(place) for place, kind, _ in given if kind == "string_type"}
        causes = [
            (_in_file(place), _plainly(kind, said))
            for place, kind, said in given
            if not any(len(other) > len(place) and other[: len(place)] == place for other in places)
            and not (kind == "dict_type" and _in_file(place) in texts)
        ]
        raise _first(causes, document) from error


def _first(found: Iterable[tuple[Place, str]], document: Document) -> ConfigError:
    """Give the error of the first cause in the file; equal lines by place."""
    _, _, place, said = min(
        (document.line(place), strict_yaml.spell(place), place, said) for place, said in found
    )
    return document.fault(place, said)


def _in_file(place: Place) -> Place:
    """Take out of a place what is no key of the file: the branches of a union."""
    return tuple(
        part
        for part in place
        if isinstance(part, int) or not re.match(r"(constrained-|function-|dict\[|str$|tuple\[)", part)
    )


def _plainly(kind: str, said: str) -> str:
    """Say in the words of the file what pydantic found."""
    if kind == "string_type":
        return "a text is expected; put it in quotes"
    if kind in ("bool_type", "bool_parsing"):
        return "true or false is expected"
    if kind == "int_type":
        return "a whole number is expected, without quotes"
    if kind in ("literal_error", "enum"):
        return re.sub(r"<\w+\.\w+: ('\w+')>", r"\1", said).replace("Input should be", "use")
    if kind == "tuple_type":
        return "a list is expected"
    return said.removeprefix("Value error, ")


@cache
def _shipped() -> tuple[str, ...]:
    return tuple(sorted(file.stem.upper() for file in FOLDER.glob("*.yaml")))


def _unknown(country: str, known: Iterable[str]) -> ConfigError:
    return ConfigError(f"jurisdiction {country[:40]!r} has no country file; use one of {', '.join(known)}")
