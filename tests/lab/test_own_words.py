"""Every word that a customer or an officer reads can be replaced from the owner's folders.

The shipped files are copied there with an x for each letter. What is then said holds no other letter but
names that are filled in: whatever came from anywhere else would show.
"""

import calendar
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from console.lab.replaying import emitted
from console.web import words as pages
from fixtures.scenario import load as scenario
from measures.law import country_file, notices
from measures.law.words import REASON_CODES
from measures.victims import words as victims
from models import SHIPPED
from models.scoring import reasons
from pipelines import policy
from pipelines.policy import Policy
from schemas.order import Scope
from schemas.scams import FRAUD_CLASSES

#: What the files say that nobody reads: names of things, formats, conditions.
UNREAD = {"language"}
BRACES = re.compile(r"\{[^}]*\}")
UNTIL_US = 1_800_000_000_000_000
COUNTRIES = sorted(path.stem for path in country_file.FOLDER.glob("*.yaml"))


def crossed(text: str) -> str:
    """The text with an x for each letter outside braces."""
    parts = re.split(r"(\{[^}]*\})", text)
    return "".join(part if part.startswith("{") else re.sub(r"[^\W\d_]", "x", part) for part in parts)


def walked(data: Any, change: Callable[[str, str], str], key: str = "") -> Any:
    """The data with every text changed by its key, all below a language's by `SPOKEN`."""
    if isinstance(data, dict):
        return {
            name: walked(each, change, SPOKEN if SPOKEN in (key, name) or name in LANGUAGES else str(name))
            for name, each in data.items()
        }
    if isinstance(data, list):
        return [walked(each, change, key) for each in data]
    return change(key, data) if isinstance(data, str) else data


#: Stands for the key of what is said in some language.
SPOKEN = "a language"
LANGUAGES = {path.stem for path in (country_file.FOLDER / "words").glob("*.yaml")}


def copied(path: Path, to: Path, change: Callable[[str, str], str]) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    data = walked(yaml.safe_load(path.read_text(encoding="utf-8")), change)
    to.write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False), encoding="utf-8")


def of_words(key: str, text: str) -> str:
    kept = UNREAD | ({"until"} if "%" in text else set())
    return text if key in kept else crossed(text)


def of_country(key: str, text: str) -> str:
    return crossed(text) if key in {SPOKEN, "basis", "documents", "hotline"} else text


@pytest.fixture(scope="module")
def owned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An owner's folder: law and its words, reasons, warnings, pages, a policy of each country."""
    folder = tmp_path_factory.mktemp("owner")
    for path in country_file.FOLDER.glob("*.yaml"):
        copied(path, folder / "law" / path.name, of_country)
    for path in (country_file.FOLDER / "words").glob("*.yaml"):
        copied(path, folder / "law" / "words" / path.name, of_words)
    for path in victims.FOLDER.glob("*.yaml"):
        copied(path, folder / "words" / "warnings" / path.name, of_words)
    copied(Path(reasons.__file__).with_name("reasons.yaml"), folder / "words" / "reasons.yaml", of_words)
    for path in policy.POLICIES.glob("*.yaml"):
        shutil.copy(path, folder / path.name)
        with (folder / path.name).open("a") as file:
            file.write("\nwords: words\n")
    return folder


def rules_of(owned: Path, country: str) -> Policy:
    return policy.load(owned / f"{country}.yaml", country_file.read_laws(owned / "law"))


def letters(said: str, *filled: str) -> str:
    """Letters of a text that are no x, besides what is filled in."""
    for each in filter(None, filled):
        said = said.replace(each, "")
    return re.sub(r"[\W\d_x]", "", said)


def of_warnings(rules: Policy) -> Iterator[str]:
    for language in rules.law.languages:
        spoken = rules.words.in_language(language)
        for kind in FRAUD_CLASSES:
            for severity in (1, 2, 3, 4):
                yield rules.words.warning(kind, language, severity, held=True, until="")[1]
                yield rules.words.warning(kind, language, severity, held=False)[1]
        yield from (spoken.contact_warning(severity, tail) for severity in (1, 4) for tail in ("", "1234"))
        yield from (*spoken.follow_ups.values(), *spoken.script, spoken.call_reason, spoken.held_until)
        if (dialogue := spoken.dialogue(4)) is not None:
            yield from (button.label for button in dialogue.buttons)
            yield from (
                text for each in dialogue.questions for text in (each.text, *(c.label for c in each.choices))
            )


def of_notices(rules: Policy) -> Iterator[str]:
    law = rules.law
    for language in law.languages:
        names = tuple(law.words[language].functions)
        facts = [notices.NOTHING] + [
            notices.Told(scope, 123_456, "XTS", UNTIL_US, True, by_authority, "", "7", names, now)
            for scope in Scope for by_authority in (True, False) for now in (True, False)
        ]  # fmt: skip
        for code in REASON_CODES:
            for told in facts:
                said = notices.notice(law, code, "", language, told)
                yield from (said.reason, said.legal_basis, said.remedy_channel, *said.documents_needed)


@pytest.mark.parametrize("country", COUNTRIES)
def test_every_word_of_a_warning_and_of_a_notice_is_the_owners(owned: Path, country: str) -> None:
    rules = rules_of(owned, country)

    said = [BRACES.sub("", text) for text in (*of_warnings(rules), *of_notices(rules))]

    assert len(said) > 100
    assert [text for text in said if letters(text, "XTS")] == []


def test_every_word_of_a_reason_is_the_owners(owned: Path) -> None:
    words = rules_of(owned, "cn").words.reasons
    clauses = [each for leg in words.groups.values() for of_code in leg.values() for each in of_code]
    said = [text for each in clauses for text in each.texts.values()]
    said += [text for each in words.always.values() for text in each.values()]
    said += [text for each in words.spans.values() for text in each]

    assert [text for text in said if letters(BRACES.sub("", text))] == []


def test_every_word_of_a_page_is_the_owners(tmp_path: Path) -> None:
    for path in pages.FOLDER.glob("*.yaml"):
        copied(path, tmp_path / path.name, of_words)

    said = [text for words in pages.read_words(tmp_path).values() for text in words.values()]

    assert [text for text in said if letters(BRACES.sub("", text))] == []


def test_a_whole_scenario_speaks_in_the_owners_words(owned: Path) -> None:
    rules = rules_of(owned, "uk")
    records = [json.loads(line) for line in emitted(scenario("police_call"), SHIPPED, rules=rules)]
    said = [text for record in records for text in read(record)]

    assert len(said) > 10
    assert [text for text in said if letters(text, rules.currency, *calendar.month_abbr)] == []


def read(record: Any, key: str = "") -> Iterator[str]:
    """What of a record people read."""
    if isinstance(record, dict):
        for name, each in record.items():
            yield from read(each, str(name))
    elif isinstance(record, list):
        for each in record:
            yield from read(each, key)
    elif isinstance(record, str) and key in {
        "text",
        "reason",
        "legal_basis",
        "remedy_channel",
        "documents_needed",
        "label",
    }:
        yield record
