"""What victims would be told in a country, text by text."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from measures.law.country_file import SHIPPED
from measures.victims.lengths import segments
from pipelines import policy
from pipelines.words import load
from schemas.errors import ConfigError
from schemas.scams import FRAUD_CLASSES


class Said(NamedTuple):
    """One warning as it is read: kind of scam, severity, how many SMS, text."""

    kind: str
    severity: int
    sms: int
    text: str


def said(country: str, language: str, folder: Path | None) -> Iterator[Said]:
    """Yield the warnings about held payments of every kind of scam and severity.

    Raises:
        ConfigError: there is no such country or language, or the folder's words break a rule.

    """
    rules = policy.load(policy.named(country=country), SHIPPED, language)
    words, _ = load(folder, rules.law.words)
    hotline = rules.law.warning[-1].hotline_in(rules.language)
    for kind in FRAUD_CLASSES:
        for severity in (1, 2, 3, 4):
            chosen, text = words.warning(kind, rules.language, severity, held=severity >= 2)
            full = text.replace("{hotline}", hotline)
            most = words.in_language(chosen).segments
            if (count := segments(full)) > max(most, 3):
                raise ConfigError(
                    f"{kind}, severity {severity}: {count} SMS, {most} at most; shorten the text"
                )
            yield Said(kind, severity, count, full)
