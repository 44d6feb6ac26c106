"""Chinese pages speak Chinese: what is Latin on them is a name, a code or an id."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest

from console.web.reasons import reason_in
from console.web.render import Say
from console.web.said import read_sentences
from console.web.visit import Site
from console.web.words import FULL, read_words
from desk.desk import Desk
from models.scoring.reasons import shipped
from pipelines.kafka.port import KafkaSettings
from schemas.alarm import AlarmKind
from schemas.dead_letter import FORM_HINTS, HINTS
from schemas.errors import ConfigError
from schemas.reply import ReplyCode, Why
from tests.desk import bureau, story
from tests.desk.site import Seat, desk_on

#: Elements whose text is a name, an id or somebody's own words in a language that they state.
NAMES = {"code", "pre", "textarea", "style", "script", "kbd"}


@pytest.fixture(scope="module")
def told(
    shared_kafka: KafkaSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Desk, Site]]:
    story.tell(shared_kafka)
    bureau.tell(shared_kafka)
    with desk_on(shared_kafka, tmp_path_factory.mktemp("desk")) as found:
        yield found


class Text(HTMLParser):
    """What a page says in its own language, and where it leads."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.links: list[str] = []
        self._skipped: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "a" and found.get("href"):
            self.links.append(found["href"] or "")
        other = (found.get("lang") or "zh-Hans") != "zh-Hans"
        if tag in ("input", "link", "meta", "br", "rect", "path", "img"):
            pass
        elif self._skipped or tag in NAMES or other:
            self._skipped.append(tag)
        for name in ("title", "aria-label", "placeholder", "alt"):
            if found.get(name):
                self.texts.append(found[name] or "")

    def handle_endtag(self, tag: str) -> None:
        if self._skipped and self._skipped[-1] == tag:
            self._skipped.pop()

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self.texts.append(data)


def pages(seat: Seat, alike: int = 3) -> Iterator[tuple[str, Text]]:
    """Walk the pages that links lead to, so many of those that differ in an id or a number only."""
    waiting = ["/queue", "/letters", "/health", "/audit", "/model", "/intake"]
    known, shapes = set[str](), Counter[str]()
    while waiting:
        path = waiting.pop()
        shape = re.sub(r"[a-z2-7]{26}|\d+", "*", path)
        if path in known or shapes[shape] >= alike or not path.startswith("/"):
            continue
        if path.startswith(("/show", "/leave", "/static")):
            continue
        known.add(path)
        shapes[shape] += 1
        answer = seat.get(path, **{"accept-language": "zh-CN"})
        if "text/html" not in answer.headers.get("content-type", ""):
            continue
        text = Text()
        text.feed(answer.text)
        waiting += text.links
        yield path, text


#: Latin words on Chinese pages: names of the product, of people, places and currencies, of keys and fields.
LATIN = re.compile(
    r"Stopline|stopline casework say FILE --key|YAML|CNY?|IP|Enter|docs/schemas\.md|`[^`]*`|English"
    r"|\bdesk\b|D-1"
    r"|[a-z2-7]{4,6}····|\b(?:auditor|bank|lead|liaison|operator|police|institution)-\d"
    r"|\b(?:bank|operator|platform):[a-z0-9-]+|(?:evil|bank)\.example(?:/login)?|团伙 [a-z2-7]{6}"
)


@pytest.mark.parametrize("role", ["lead", "operator", "auditor"])
def test_chinese_pages_say_nothing_in_another_language(told: tuple[Desk, Site], role: str) -> None:
    seen, wrong = 0, []
    for path, text in pages(Seat(told[1], role)):
        seen += 1
        left = [LATIN.sub("", each).strip() for each in text.texts]
        wrong += [(path, each) for each in left if re.search("[A-Za-z]{2,}", each)]

    assert seen > 10
    assert wrong == []


#: Which argument of a refusal says why.
_SAYS = {"RefusedError": slice(1, None), "Refuse": slice(0, None)}


def sentences_of(folders: tuple[str, ...]) -> set[str]:
    """Return what modules say of a refusal or a reason, with `{}` for what differs."""
    found = set()
    root = Path(__file__).parents[2]
    for path in [path for folder in folders for path in sorted((root / folder).rglob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", "")
                said = [each.value for each in node.keywords if each.arg in ("detail", "why")]
                said += (
                    node.args[1:2] if name == "RefusedError" else node.args[:1] if name == "Refuse" else []
                )
            elif isinstance(node, ast.Tuple) and len(node.elts) == 3:
                whose = getattr(getattr(node.elts[1], "value", None), "id", "")
                said = node.elts[2:] if whose == "Why" else []
            else:
                continue
            found |= {text for each in said for text in _texts(each) if re.search("[a-z] [a-z]", text)}
    return found


def _texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from (*_texts(node.body), *_texts(node.orelse))
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)  # type: ignore[misc]


@pytest.mark.parametrize("language", [each for each in read_words() if each != FULL])
def test_every_sentence_of_a_job_is_said_in_every_language(language: str) -> None:
    known = read_sentences()[language]
    said = {*sentences_of(("measures", "desk")), *HINTS.values(), *FORM_HINTS}

    assert len(said) > 100
    filled = [each.removeprefix("{}: ").replace("{}", "1") for each in sorted(said)]
    assert [each for each in filled if known.of(each, lambda _, value: value) is None] == []


def test_every_reason_of_a_refusal_has_words() -> None:
    words = read_words()[FULL]

    assert [why for why in Why if f"why.{why}" not in words] == []
    assert [code for code in ReplyCode if f"reply.{code}" not in words] == []
    assert [kind for kind in get_args(AlarmKind) if f"alarm.{kind}" not in words] == []


def test_a_sentence_is_said_with_what_differs_and_an_unknown_one_is_marked(tmp_path: Path) -> None:
    say = Say(read_words()["zh-Hans"], "zh-Hans", read_sentences()["zh-Hans"])

    assert say.said("bank:b1 has not answered: STOP") == "bank:b1 尚未答复：止付"
    assert say.said("suspected: took 5.00 CNY from 2 payers who seem deceived") == (
        "涉嫌：从 2 名疑似受骗的付款人收取 5.00 CNY"
    )
    assert say.said("WRONG_STATE: there is no such entry") == "当前状态下无法执行。 没有这一条目"
    assert say.said("<b>new words</b>") == '<span lang="en">&lt;b&gt;new words&lt;/b&gt;</span>'
    assert say.said("已经是中文") == "已经是中文"


def test_a_sentence_that_asks_for_more_than_its_english_holds_is_refused(tmp_path: Path) -> None:
    (tmp_path / "said").mkdir()
    (tmp_path / "said" / "eo.yaml").write_text('"{} of {}": "{0} el {2}"\n')

    with pytest.raises(ConfigError, match=r"does not fit '\{\} of \{\}'"):
        read_sentences(tmp_path)


def test_every_shipped_reason_is_told_in_the_language_of_the_page() -> None:
    words, figures = shipped(), {"span": "3天", "count": "1,234", "share": "95%", "times": "2.5"}
    clauses = [each for leg in words.groups.values() for group in leg.values() for each in group]
    texts = [each.texts["zh-Hans"] for each in clauses]
    said = [re.sub(r"\{\w+:(\w+)\}", lambda name: figures[name[1]], text) for text in texts]
    told = {each: reason_in("en", f"{each}。") for each in said}

    assert len(said) > 30
    assert [each for each, own in told.items() if not own.isascii() or "{" in own] == []
    assert [each for each, own in told.items() if reason_in("zh-Hans", own) != f"{each}。"] == []
    assert reason_in("en", f"{said[0]}；{said[1]}。").count(".") >= 2
    assert reason_in("en", "别的话。") == "别的话。"
    assert reason_in("en", "收款账户于3天前才开立。") == "收款账户于3天前才开立。"
