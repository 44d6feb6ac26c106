"""What people read: reasons of alerts and texts of warnings, shipped or from a bank's own folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from measures.law.words import Words as LawWords
from measures.victims import words as victims
from measures.victims.words import VictimWords
from models.scoring import reasons
from schemas import strict_yaml
from schemas.errors import ConfigError
from schemas.scams import FRAUD_CLASSES, FraudClass

#: Names in a bank's own folder: files of texts, and a folder with a whole file a language.
OWN_REASONS, OWN_WARNINGS, OWN_LANGUAGES = "reasons.yaml", "warnings.yaml", "warnings"

#: What stands in front of a warning where the payment is held.
HELD = "HELD"

#: A warning of a bank's own is at most so many SMS.
_SEGMENTS = 3

#: Kind of scam, or `HELD` -> language -> text.
Texts = Mapping[str, Mapping[str, str]]


class Words(NamedTuple):
    """Words in use.

    Attributes:
        reasons: of alerts.
        victims: of warnings, by language.
        of_law: warnings that the words of a country file have, before those.
        own: warnings of the bank's own, before all: a kind that is there is said in no other words.

    """

    reasons: reasons.Words
    victims: Mapping[str, VictimWords]
    of_law: Texts
    own: Texts

    def in_language(self, language: str) -> VictimWords:
        """Return the words of a language, English if there are none."""
        return self.victims.get(language) or self.victims[victims.FALLBACK]

    def warning(
        self, kind: FraudClass, language: str, severity: int, *, held: bool, until: str = ""
    ) -> tuple[str, str]:
        """Return a language there are words in, English if not the one asked for, and the text in it."""
        texts = self.own.get(kind)
        if texts is None and language in self.of_law.get(kind, {}):
            texts = self.of_law[kind]
        if texts is None:
            words = self.in_language(language)
            return words.language, words.warning(kind, severity, held=held, until=until)
        chosen = language if language in texts else victims.FALLBACK
        before = ""
        if held:
            before = self.own.get(HELD, {}).get(chosen) or self.in_language(chosen).held
        return chosen, before + texts[chosen]


def load(folder: Path | None = None, of_law: Mapping[str, LawWords] | None = None) -> tuple[Words, bytes]:
    """Return the words in use, and the bytes of the bank's own files.

    The bank's own, in `folder`, stand before those of the country file's languages, and these before the
    shipped ones.

    Raises:
        ConfigError: the folder has none of the files, or one breaks a rule.

    """
    by_kind: dict[str, dict[str, str]] = {}
    for language, of_language in (of_law or {}).items():
        for kind, text in of_language.warnings.items():
            by_kind.setdefault(kind, {})[language] = text
    words = Words(reasons.shipped(), victims.shipped(), by_kind, {})
    if folder is None:
        return words, b""
    own = [folder / name for name in (OWN_REASONS, OWN_WARNINGS) if (folder / name).is_file()]
    languages = sorted((folder / OWN_LANGUAGES).glob("*.yaml"))
    if not own and not languages:
        raise ConfigError(
            f"{folder} holds no words; put {OWN_REASONS}, {OWN_WARNINGS} or "
            f"{OWN_LANGUAGES}/<language>.yaml there"
        )
    for path in own:
        if path.name == OWN_REASONS:
            words = words._replace(reasons=reasons.load(path, words.reasons))
        else:
            words = words._replace(own=_warnings(path))
    spoken = {read.language: read for read in map(victims.read, languages)}
    words = words._replace(victims={**words.victims, **spoken})
    return words, b"".join(path.read_bytes() for path in [*own, *languages])


def _warnings(path: Path) -> Texts:
    data: dict[str, Any] = strict_yaml.read(path).data
    kinds = (*FRAUD_CLASSES, HELD)
    read: dict[str, dict[str, str]] = {}
    for kind, texts in data.items():
        if kind not in kinds:
            raise ConfigError(f"{path}: there is no kind of scam {kind!r}; use one of {', '.join(kinds)}")
        if not isinstance(texts, dict) or "en" not in texts:
            raise ConfigError(f"{path}: {kind} needs a text in English, `en`")
        for language, text in texts.items():
            if fault := victims.text_fault(str(text), _SEGMENTS):
                raise ConfigError(f"{path}: {kind}.{language} {fault}")
        read[kind] = {str(language): str(text) for language, text in texts.items()}
    return read
