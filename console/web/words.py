"""What the pages say, a file a language in `words/`; a folder of one's own adds or replaces some."""

from collections.abc import Mapping
from pathlib import Path

from schemas import strict_yaml
from schemas.errors import ConfigError
from schemas.strict_text import read_bytes

FOLDER = Path(__file__).parent / "words"

#: Every word is in this language; what another lacks is said in it.
FULL = "en"

Words = Mapping[str, str]


def read_words(own: Path | None = None) -> dict[str, Words]:
    """Return the words of each language by key.

    Raises:
        ConfigError: a file is no flat mapping of texts, or says something that no page asks.

    """
    found: dict[str, dict[str, str]] = {}
    for folder in filter(None, (FOLDER, own)):
        paths = sorted(folder.glob("*.yaml"))
        if not paths:
            raise ConfigError(f"{folder} holds no words; copy {FOLDER / 'en.yaml'} there and translate it")
        for path in paths:
            found[path.stem] = found.get(path.stem, {}) | read_flat(path)
    known = found[FULL].keys()
    for language, words in found.items():
        if unknown := sorted(words.keys() - known):
            raise ConfigError(
                f"words/{language}.yaml: no page asks {unknown[0]!r}; the keys are those of en.yaml"
            )
    return {language: found[FULL] | words for language, words in found.items()}


def read_flat(path: Path) -> dict[str, str]:
    """Return a file of words.

    Raises:
        ConfigError: it is no flat mapping of texts.

    """
    data = strict_yaml.parse(read_bytes(path), str(path)).data
    if not isinstance(data, dict) or not all(isinstance(text, str) for text in data.values()):
        raise ConfigError(
            f"{path} is a flat list of words, `key: text`; compare it with {FOLDER / 'en.yaml'}"
        )
    return {str(key): text for key, text in data.items()}


def chosen(words: Mapping[str, Words], cookie: str, accepted: str) -> str:
    """Return the language to speak: the one clicked, else the browser's first that there is.

    >>> chosen({"en": {}, "zh-Hans": {}}, "", "zh-CN,zh;q=0.9,en;q=0.8")
    'zh-Hans'
    >>> chosen({"en": {}, "zh-Hans": {}}, "en", "zh-CN")
    'en'
    """
    if cookie in words:
        return cookie
    for each in accepted.split(","):
        asked = each.partition(";")[0].strip().lower().split("-")[0]
        for language in words:
            if asked and language.lower().split("-")[0] == asked:
                return language
    return FULL
