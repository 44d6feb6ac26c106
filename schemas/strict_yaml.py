"""The one way a YAML file gets in: every value means what it looks like, and a fault is told by its line.

YAML 1.1, as PyYAML constructs it, reads `1:30` as 90, `1_0.0` as 10, `no` as False and takes the last of two
equal keys; one alias of an alias of an alias fills the memory, and deep nesting ends in a RecursionError. So
only the events of the parser are used, and values are made here, after the core schema of YAML 1.2: numbers
as in JSON, `true`, `false`, `null`; everything else is text. Anchors, aliases, merge keys, tags and second
documents are refused: nobody needs them in a file of settings. ruamel.yaml knows 1.2, but it keeps aliases
and tags, and is a second parser beside the one that Apache Beam brings.
"""

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import yaml

from schemas.errors import ConfigError, cause
from schemas.strict_text import read_bytes, utf8

#: Keys and indices that lead to a value.
Place = tuple[str | int, ...]

MOST_DEPTH = 32
MOST_NODES = 50_000
MOST_CHARACTERS = 20_000

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)?(\.[0-9]+|\.)?([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
_PLACE_OF_MSGSPEC = re.compile(r" - at `(?:key in )?\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[\.\.\.\]")

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

T = TypeVar("T")


class Document(NamedTuple):
    """A file's data, and the line each of its places stands in.

    Attributes:
        as_text: its scalars are text as they stand in the file.

    """

    name: str
    data: Any
    lines: Mapping[Place, int]
    as_text: bool = False

    def line(self, place: Place) -> int:
        """Return the line of a place, or of the nearest place around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def fault(self, place: Place, message: str) -> ConfigError:
        """Return the error that names file, line, place and what is wrong."""
        return ConfigError(f"{self.name}:{self.line(place)}: {spell(place)}: {message}")

    def convert(self, wanted: type[T]) -> T:
        """Return the data as a record.

        Raises:
            ConfigError: it is no such record; names file, line, place and what is wrong.

        """
        try:
            return msgspec.convert(self.data, wanted, strict=not self.as_text)
        except msgspec.ValidationError as error:
            found = _PLACE_OF_MSGSPEC.search(str(error))
            said = _PLACE_OF_MSGSPEC.sub("", str(error))
            raise self.fault(_place(found["path"]) if found else (), said) from error


def read(path: Path, *, as_text: bool = False) -> Document:
    """Read a YAML file.

    With `as_text` every scalar is text as it stands, and becomes a number or a truth value where a record
    wants one: for files that speak of values of others, where 1 and true are words like any other.

    Raises:
        ConfigError: it cannot be read or is no plain YAML; one sentence that names file and line.

    """
    return parse(read_bytes(path), str(path), as_text=as_text)


def parse(raw: bytes, name: str, *, as_text: bool = False) -> Document:
    """Read the bytes of a YAML file called `name`; raises as `read` does.

    >>> parse(b"a: [1, 1:30, no]", "x.yaml").data
    {'a': [1, '1:30', 'no']}
    >>> parse(b"a: [1, True]", "x.yaml", as_text=True).data
    {'a': ['1', 'True']}
    """
    text = utf8(raw, name).decode()
    builder = _Builder(name, str if as_text else plain)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}:{_line_of(error, text)}: this is no YAML: {_problem(error)}") from error
    return Document(name, builder.root, builder.lines, as_text)


def spell(place: Place) -> str:
    """Write a place as it is read.

    >>> spell(("stop", 0, "term")), spell(())
    ('stop[0].term', 'file')
    """
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return words.lstrip(".") or "file"


class _Builder:
    """Makes values of events with a stack of its own, so that depth costs nothing but its bound."""

    def __init__(self, name: str, value_of: Callable[[str], Any]) -> None:
        self.name = name
        self.value_of = value_of
        self.root: Any = None
        self.lines: dict[Place, int] = {}
        self.documents = self.nodes = 0
        self.open: list[tuple[Place, dict[Any, Any] | list[Any]]] = []
        self.keys: list[Any] = []

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise self.fault(line, "a second document begins; write one file for each")
        elif isinstance(event, yaml.AliasEvent):
            raise self.fault(line, f"*{event.anchor} repeats another value; write the value out")
        elif isinstance(event, yaml.CollectionEndEvent):
            self.open.pop()
            self.keys.pop()
        elif isinstance(event, yaml.NodeEvent):
            self.node(event, line)

    def node(self, event: Any, line: int) -> None:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise self.fault(line, f"the file holds more than {MOST_NODES:,} values; split it")
        if event.anchor:
            raise self.fault(line, f"&{event.anchor} names a value to repeat; write the value out")
        if event.tag is not None:
            raise self.fault(line, f"tag {event.tag!r} asks for a type; write plain YAML")
        if isinstance(event, yaml.ScalarEvent):
            self.scalar(event, line)
            return
        if len(self.open) >= MOST_DEPTH:
            raise self.fault(line, f"values are nested more than {MOST_DEPTH} deep; write them flatter")
        if self.open and self.expects_key():
            raise self.fault(line, "a key is a word or a number, not a list or a mapping")
        opened: dict[Any, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        place = self.put(opened, line)
        self.open.append((place, opened))
        self.keys.append(_NO_KEY)

    def scalar(self, event: Any, line: int) -> None:
        if len(event.value) > MOST_CHARACTERS:
            raise self.fault(line, f"a value is longer than {MOST_CHARACTERS:,} characters; shorten it")
        try:
            value = self.value_of(event.value) if event.implicit[0] else event.value
        except ValueError as error:
            raise self.fault(line, str(error)) from error
        if not self.open or not self.expects_key():
            self.put(value, line)
            return
        place, mapping = self.open[-1]
        if value == "<<" and event.implicit[0]:
            raise self.fault(line, "<< merges another mapping; write its keys out")
        if isinstance(value, bool | float) or value is None:
            raise self.fault(line, f"{event.value!r} is no key; put it in quotes or name the value")
        if value in mapping:
            raise self.fault(line, f"{spell((*place, value))}: the key stands twice; keep one")
        self.keys[-1] = value
        self.lines[(*place, value)] = line

    def expects_key(self) -> bool:
        return isinstance(self.open[-1][1], dict) and self.keys[-1] is _NO_KEY

    def put(self, value: Any, line: int) -> Place:
        if not self.open:
            self.root = value
            self.lines[()] = line
            return ()
        around, container = self.open[-1]
        if isinstance(container, dict):
            place: Place = (*around, self.keys[-1])
            container[self.keys[-1]] = value
            self.keys[-1] = _NO_KEY
        else:
            place = (*around, len(container))
            container.append(value)
            self.lines[place] = line
        return place

    def fault(self, line: int, message: str) -> ConfigError:
        return ConfigError(f"{self.name}:{line}: {message}")


_NO_KEY = object()


def plain(text: str) -> str | int | float | bool | None:
    """Give an unquoted scalar its value.

    Raises:
        ValueError: it is a number beyond what can be kept.

    >>> [plain(text) for text in ("12", "-1.5", "1e3", "0300", "1_0.0", ".nan", "no", "true", "~")]
    [12, -1.5, 1000.0, '0300', '1_0.0', '.nan', 'no', True, None]

    """
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        if len(text) > 20 or abs(int(text)) >= 2**63:
            raise ValueError(f"{text[:24]} is too large a number; put it in quotes if it is none")
        return int(text)
    if any(map(str.isdigit, text)) and _FLOAT.fullmatch(text):
        value = float(text)
        if not math.isfinite(value):
            raise ValueError(f"{text[:24]} is too large a number")
        return value
    return text


def _place(path: str) -> Place:
    return tuple(key or int(index) for key, index in _STEP.findall(path) if key or index)


def _problem(error: yaml.YAMLError) -> str:
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or cause(error)
    return " ".join(str(problem).split())


def _line_of(error: yaml.YAMLError, text: str) -> int:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        return int(mark.line) + 1
    position = getattr(error, "position", 0) or 0
    return text.count("\n", 0, position) + 1
