"""Templates, and how amounts, times and tokens are written in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from console.web.reasons import reason_in
from console.web.said import Sentences
from console.web.words import FULL, Words
from desk.clock import span
from measures.law.jurisdiction import Jurisdiction
from measures.law.notices import local_time
from measures.law.notices import money as written
from schemas.currencies import decimal, digits_of

TEMPLATES = Path(__file__).parent / "templates"


#: Letters of a token that are shown while it is masked.
SHOWN = 4


def environment() -> Environment:
    """Return the templates; everything that is not marked safe is escaped, and unknown names are errors."""
    found = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    found.filters.update(money=money, percent=percent, bar=bar, short=short)
    return found


def warm(templates: Environment) -> None:
    """Compile every template, so that nobody's first page waits for it."""
    for name in templates.list_templates(extensions=["html"]):
        templates.get_template(name)


class Say:
    """The words of one language; a key without a text is shown as it is."""

    def __init__(self, words: Words, language: str, sentences: Sentences | None = None) -> None:
        self._words, self.language, self._sentences = words, language, sentences

    def __call__(self, key: str, /, **values: Any) -> str:
        """Return a text with its values filled in."""
        text = self._words.get(key)
        if text is None:
            return key.rpartition(".")[2].replace("_", " ").lower()
        return text.format(**values) if values else text

    def n(self, key: str, number: int) -> str:
        """Return a text about so many things; `key.1` is that about one."""
        return self(f"{key}.1" if number == 1 and self.has(f"{key}.1") else key, n=f"{number:,}")

    def span(self, us: int) -> str:
        """Return a length of time, to the minute."""
        return span(us, self("span.units").split())

    def name(self, prefix: str, value: str) -> str:
        """Return the word for what jobs and countries call by a name; a name without one as it is."""
        key = f"{prefix}.{value}"
        return self(key) if self.has(key) else Markup("<code>{}</code>").format(value) if value else ""

    def reason(self, text: str) -> str:
        """Return a reason of an alert in this language, where the shipped words have it."""
        return reason_in(self.language, text)

    def said(self, text: str) -> str:
        """Return a sentence of a job; where there is none in this language it is marked as English."""
        if not text.isascii():
            return text
        code, _, rest = text.partition(": ")
        if rest and self.has(f"why.{code}"):
            return Markup("{} {}").format(self(f"why.{code}"), self.said(rest))
        if self._sentences is None or not text:
            return text
        found = self._sentences.of(text, self._word)
        return Markup('<span lang="{}">{}</span>').format(FULL, text) if found is None else found

    def _word(self, prefix: str, value: str) -> str:
        return self(f"{prefix}.{value}") if self.has(f"{prefix}.{value}") else value

    def has(self, key: str) -> bool:
        """Tell whether there is a text."""
        return key in self._words


def money(amount_minor: int, currency: str) -> str:
    """Write an amount.

    >>> money(123456, "CNY"), money(5, "")
    ('1,234.56 CNY', '5')
    """
    return written(amount_minor, currency) if currency else f"{amount_minor:,}"


def short(amount_minor: int, currency: str) -> str:
    """Write an amount without its minor unit, for figures that are read at a glance.

    >>> short(123456789, "CNY")
    '1,234,568 CNY'
    """
    digits = digits_of(currency) or 0
    return f"{round(float(decimal(amount_minor, digits))):,} {currency}".strip()


def percent(share: float) -> str:
    """Write a probability; nothing is certain.

    >>> percent(0.9951), percent(0.99999), percent(0.004)
    ('99.5 %', '> 99.9 %', '0.4 %')
    """
    if share > 0.999:
        return "> 99.9 %"
    return f"{share * 100:.1f} %" if share < 0.1 or share > 0.9 else f"{share * 100:.0f} %"


def bar(value: float, most: float, width: int = 100) -> int:
    """Return how long a bar is.

    >>> bar(2.0, 8.0), bar(-1.0, 8.0), bar(1.0, 0.0)
    (25, 0, 0)
    """
    return round(max(min(value / most, 1.0), 0.0) * width) if most > 0 else 0


def masked(token: str) -> str:
    """Return what is shown of a token before it is unmasked.

    >>> masked("abcdefghijklmnopqrstuvwxyz"), masked("")
    ('abcd····', '–')
    """
    return f"{token[:SHOWN]}····" if token else "–"


def times(law: Jurisdiction) -> Mapping[str, Any]:
    """Return how instants are written, in the local time of a country."""

    def when(at_us: int | None) -> str:
        return local_time(law, at_us) if at_us else "–"

    def clock(at_us: int | None) -> str:
        return law.calendar.local(at_us).strftime("%H:%M:%S") if at_us else "–"

    return {"when": when, "clock": clock}
