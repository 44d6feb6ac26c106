"""Sentences that jobs say in English, in the language of a page: `words/said`, a file a language.

A line of such a file is a sentence of a job with `{}` for what differs, and what is said for it. There `{0}`
stands for the first of these, `{0:ask}` for the word `ask.…` for it, `{0:said}` for what is said for it;
numbers stay.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from console.web.words import FOLDER, read_flat
from schemas.errors import ConfigError

_LETTER = re.compile(r"[^\W\d_]")

#: Folder beside the files of words, and letters of a sentence with few words.
SAID, FEW = "said", 12


class Sentences:
    """The sentences of one language."""

    def __init__(self, said: Mapping[str, str]) -> None:
        """Take sentences.

        Raises:
            ConfigError: one asks for more than its English holds.

        """
        self._patterns = [(_pattern(english), said[english]) for english in sorted(said, key=_generality)]
        for english, own in said.items():
            try:
                own.format(*[_Part("", lambda prefix, value: value)] * english.count("{}"))
            except (IndexError, KeyError, ValueError) as error:
                raise ConfigError(f"words/{SAID}: {own!r} does not fit {english!r}: {error}") from error
        self._found = lru_cache(maxsize=10_000)(self._match)

    def of(self, text: str, word: Callable[[str, str], str]) -> str | None:
        """Return what is said for a text, None where no sentence fits; `word` gives the word of a prefix."""
        found = self._found(text)
        if found is None:
            return None
        own, parts = found

        def named(prefix: str, value: str) -> str:
            if prefix != SAID:
                return word(prefix, value)
            said = self.of(value, word)
            if said is None and _LETTER.search(value):
                raise LookupError(value)
            return said or value

        try:
            return own.format(*(_Part(each, named) for each in parts))
        except LookupError:
            return None

    def _match(self, text: str) -> tuple[str, tuple[str, ...]] | None:
        for pattern, own in self._patterns:
            if found := pattern.fullmatch(text):
                return own, found.groups()
        return None


class _Part(str):
    """What differs in a sentence; written with a prefix it is the word for it."""

    _word: Callable[[str, str], str]

    def __new__(cls, text: str, word: Callable[[str, str], str]) -> "_Part":
        made = super().__new__(cls, text)
        made._word = word
        return made

    def __format__(self, prefix: str) -> str:
        return self._word(prefix, str(self)) if prefix else str(self)


def _generality(english: str) -> tuple[bool, int]:
    """Order what fits much after what fits little."""
    return english.startswith("{}"), -len(english.replace("{}", ""))


def _pattern(english: str) -> re.Pattern[str]:
    """Return what fits a sentence; where it has few words of its own, single words fit its places."""
    differs = r"(\S+?)" if len(english.replace("{}", "")) < FEW else "(.+?)"
    return re.compile(differs.join(map(re.escape, english.split("{}"))), re.DOTALL)


def read_sentences(own: Path | None = None) -> dict[str, Sentences]:
    """Return the sentences of each language.

    Raises:
        ConfigError: a file is no flat mapping of texts, or a sentence does not fit its English.

    """
    found: dict[str, dict[str, str]] = {}
    for folder in filter(None, (FOLDER, own)):
        for path in sorted((folder / SAID).glob("*.yaml")):
            found[path.stem] = found.get(path.stem, {}) | read_flat(path)
    return {language: Sentences(said) for language, said in found.items()}
