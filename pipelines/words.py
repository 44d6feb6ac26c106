"""What people read: reasons of alerts and texts of warnings, shipped or from a bank's own folder."""

from collections.abc import Mapping
from pathlib import Path
from string import Formatter
from typing import Any, NamedTuple, get_args

from measures.law.words import Words as LawWords
from models.scoring import reasons
from schemas import strict_yaml
from schemas.errors import ConfigError
from schemas.warning import FraudClass

WARNINGS = Path(__file__).with_name("warnings.yaml")

#: Names of the files of a bank's own folder.
OWN_REASONS, OWN_WARNINGS = "reasons.yaml", "warnings.yaml"

#: What a warning may fill in.
_PLACEHOLDERS = frozenset({"hotline"})

#: What stands in front of a warning where the payment is held.
HELD = "HELD"

#: Kind of scam, or `HELD` -> language -> text.
Texts = Mapping[str, Mapping[str, str]]


class Words(NamedTuple):
    """Words in use: of reasons, and of warnings."""

    reasons: reasons.Words
    warnings: Texts

    def warning(self, kind: FraudClass, language: str, *, held: bool) -> tuple[str, str]:
        """Return a language there are words in, English if not the one asked for, and the text in it."""
        texts = self.warnings[kind]
        chosen = language if language in texts else "en"
        before = self.warnings[HELD].get(chosen, "") if held else ""
        return chosen, before + texts[chosen]


def load(folder: Path | None = None, of_law: Mapping[str, LawWords] | None = None) -> tuple[Words, bytes]:
    """Return the words in use, and the bytes of the bank's own files.

    The bank's own, in `folder`, stand before those of the country file's languages, and these before the
    shipped ones.

    Raises:
        ConfigError: the folder has none of the files, or one breaks a rule.

    """
    shipped = {kind: dict(texts) for kind, texts in _warnings(WARNINGS, {}).items()}
    for language, of_language in (of_law or {}).items():
        for kind, text in of_language.warnings.items():
            shipped.setdefault(kind, {})[language] = text
    words = Words(reasons.shipped(), shipped)
    if folder is None:
        return words, b""
    own = [folder / name for name in (OWN_REASONS, OWN_WARNINGS) if (folder / name).is_file()]
    if not own:
        raise ConfigError(f"{folder} holds no words; put {OWN_REASONS} or {OWN_WARNINGS} there")
    for path in own:
        if path.name == OWN_REASONS:
            words = words._replace(reasons=reasons.load(path, words.reasons))
        else:
            words = words._replace(warnings=_warnings(path, words.warnings))
    return words, b"".join(path.read_bytes() for path in own)


def _warnings(path: Path, above: Texts) -> Texts:
    data: dict[str, Any] = strict_yaml.read(path).data
    kinds = (*get_args(FraudClass), HELD)
    read = dict(above)
    for kind, texts in data.items():
        if kind not in kinds:
            raise ConfigError(f"{path}: there is no kind of scam {kind!r}; use one of {', '.join(kinds)}")
        if not isinstance(texts, dict) or "en" not in texts:
            raise ConfigError(f"{path}: {kind} needs a text in English, `en`")
        for language, text in texts.items():
            if faults := _foreign(str(text)):
                raise ConfigError(f"{path}: {kind}.{language} {faults}")
        read[kind] = {str(language): str(text) for language, text in texts.items()}
    return read


def _foreign(text: str) -> str:
    try:
        named = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
    except ValueError:
        return "has a brace that is not closed"
    unknown = sorted(named - _PLACEHOLDERS)
    return f"asks for {{{unknown[0]}}}; it may fill in {', '.join(sorted(_PLACEHOLDERS))}" if unknown else ""
