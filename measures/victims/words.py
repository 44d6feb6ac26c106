"""What probable victims are told, by language: `words/<language>.yaml`, checked as read (domain.md 2.3).

A warning is put together of what happens to the money, a pattern that the reader can check, and an
instruction by severity. It stays true where the kind of scam was guessed wrongly.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from string import Formatter
from typing import Any, get_args

import msgspec

from measures.victims.lengths import segments, units
from schemas import strict_yaml
from schemas.errors import ConfigError
from schemas.scams import FRAUD_CLASSES, FraudClass
from schemas.warning import Act, Button, Choice, Dialogue, DialogueVerdict, Question

FOLDER = Path(__file__).with_name("words")

#: What words may fill in: the number to call, when a hold ends, the last digits of a number.
PLACEHOLDERS = frozenset({"hotline", "until", "tail"})

#: Spoken where there are no words in the language asked for.
FALLBACK = "en"

#: Seconds in which nothing but stopping can be pressed, by severity.
PAUSE_S = {3: 0, 4: 30}

_ACTS: tuple[Act, ...] = get_args(Act)
_FORBIDDEN = (
    (
        re.compile(r"https?:|www\.|\w\.(?:com|cn|net|org|info|top|cc|me|ly)\b|://", re.IGNORECASE),
        "holds a link; victims are told a number they know instead",
    ),
    (re.compile(r"\b[a-z2-7]{26}\b"), "holds a token, which nobody can read"),
    (
        re.compile(r"\d{5,}"),
        "holds more than four digits in a row; only {hotline} and {tail} may give a number",
    ),
)

#: Questions in order, and where each answer leads: to a question, or to a verdict (anchors 6.1). The first
#: asks what the payment is for; each of the others is answered yes, no or "not sure".
TREE: Mapping[str, Mapping[str, str]] = {
    "purpose": {
        "official": "STOP", "friend": "friend", "goods": "goods", "invest": "invest", "job": "job",
        "loan": "loan", "other": "secret",
    },
    "friend": {"yes": "secret", "no": "STOP", "unsure": "STOP"},
    "goods": {"yes": "STOP", "no": "secret", "unsure": "secret"},
    "invest": {"yes": "secret", "no": "STOP", "unsure": "STOP"},
    "job": {"yes": "STOP", "no": "secret", "unsure": "secret"},
    "loan": {"yes": "STOP", "no": "secret", "unsure": "secret"},
    "secret": {"yes": "STOP", "no": "guided", "unsure": "ASK_A_PERSON"},
    "guided": {"yes": "STOP", "no": "MAY_GO_ON", "unsure": "ASK_A_PERSON"},
}  # fmt: skip
_VERDICTS: Mapping[str, DialogueVerdict] = {each: each for each in get_args(DialogueVerdict)}


class VictimWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """What is said in one language.

    Attributes:
        machine_made: nobody who speaks the language has read the words yet.
        segments: a warning is at most so many SMS.
        held, held_until: in front where the payment is held, and until when.
        until: how a local time is written, as `strftime` takes it.
        patterns: kind of scam -> what the reader can check.
        contact, contact_tail: in place of a pattern where there is no payment; with a number's last digits.
        acts: severity -> instruction.
        follow_ups: which one -> text.
        call_reason: shown before a call, at most 32 characters.
        calling, not_calling: what the app says of a call by the bank at the moment; English where empty.
        buttons, answers, questions, purposes: of the dialogue; all empty where it is asked in English.
        script: what a person who calls says.

    """

    language: str
    machine_made: bool
    segments: int
    held: str
    held_until: str
    until: str
    patterns: dict[FraudClass, str]
    contact: str
    contact_tail: str
    acts: dict[int, str]
    follow_ups: dict[str, str]
    call_reason: str
    calling: str = ""
    not_calling: str = ""
    buttons: dict[Act, str] = {}
    answers: dict[str, str] = {}
    questions: dict[str, str] = {}
    purposes: dict[str, str] = {}
    script: tuple[str, ...] = ()

    def warning(self, kind: FraudClass, severity: int, *, held: bool, until: str = "") -> str:
        """Put the words about a payment together; `{hotline}` stays open."""
        before = ""
        if held:
            before = self.held_until.replace("{until}", until) if until else self.held
        return before + self.patterns[kind] + self.acts[severity]

    def contact_warning(self, severity: int, tail: str = "") -> str:
        """Put the words about a contact together; `{hotline}` stays open."""
        said = self.contact_tail.replace("{tail}", tail) if tail else self.contact
        return said + self.acts[severity]

    def dialogue(self, severity: int) -> Dialogue | None:
        """Return what is shown at the button; None below severity 3, or without words for it."""
        return self._dialogues.get(severity)

    @cached_property
    def _dialogues(self) -> Mapping[int, Dialogue]:
        return {each: self._dialogue(pause_s) for each, pause_s in PAUSE_S.items() if self.questions}

    def _dialogue(self, pause_s: int) -> Dialogue:
        buttons = [Button(act=act, label=self.buttons[act]) for act in _ACTS if act != "CONTINUE"]
        go_on = Button(act="CONTINUE", label=self.buttons["CONTINUE"], after_s=pause_s, needs_reason=True)
        asked = (self._question(name, leads) for name, leads in TREE.items())
        return Dialogue(pause_s=pause_s, buttons=(*buttons, go_on), questions=tuple(asked))

    def _question(self, name: str, leads: Mapping[str, str]) -> Question:
        labels = self.purposes if name == "purpose" else self.answers
        choices = (
            Choice(
                id=answer,
                label=labels[answer],
                then="" if to in _VERDICTS else to,
                verdict=_VERDICTS.get(to),
            )
            for answer, to in leads.items()
        )
        return Question(id=name, text=self.questions[name], choices=tuple(choices))


def verdict_of(answers: Mapping[str, str]) -> DialogueVerdict | None:
    """Return what answers, question -> choice, come to; None where they end before a verdict.

    >>> verdict_of({"purpose": "invest", "invest": "no"})
    'STOP'
    """
    at = next(iter(TREE))
    for _ in TREE:
        to = TREE[at].get(answers.get(at, ""), "")
        if not to or to in _VERDICTS:
            return _VERDICTS.get(to)
        at = to
    return None


@cache
def shipped() -> Mapping[str, VictimWords]:
    """Return the shipped words by language."""
    found = (read(path) for path in sorted(FOLDER.glob("*.yaml")))
    return {words.language: words for words in found}


def read(path: Path) -> VictimWords:
    """Read the words of one language.

    Raises:
        ConfigError: a text is missing or breaks a rule; names file and text.

    """
    words = strict_yaml.read(path).convert(VictimWords)
    for place, said in faults(words):
        raise ConfigError(f"{path.name}: {place} {said}")
    return words


def faults(words: VictimWords) -> Iterator[tuple[str, str]]:
    """Yield place and fault of every text that is missing or breaks a rule."""
    wanted: dict[str, tuple[Mapping[Any, str], Sequence[Any]]] = {
        "patterns": (words.patterns, FRAUD_CLASSES),
        "acts": (words.acts, (1, 2, 3, 4)),
        "follow_ups": (words.follow_ups, ("24h", "7d", "30d")),
    }
    if words.questions:
        wanted["buttons"] = words.buttons, _ACTS
        wanted["questions"] = words.questions, tuple(TREE)
        wanted["purposes"] = words.purposes, tuple(TREE["purpose"])
        wanted["answers"] = words.answers, ("yes", "no", "unsure")
    for place, (texts, names) in wanted.items():
        for name in names:
            if not texts.get(name):
                yield f"{place}.{name}", "has no text"
    for place, text in _texts(words):
        if fault := text_fault(text):
            yield place, fault
    if len(words.call_reason) > 32 or len(words.call_reason) == 0:
        yield "call_reason", "is empty or longer than the 32 characters that are shown before a call"


def text_fault(text: str, most_segments: int = 0) -> str:
    """Say what is wrong with a text that a victim reads; "" if nothing is.

    >>> text_fault("See www.bank.com")
    'holds a link; victims are told a number they know instead'
    >>> text_fault("Call 13800138000")
    'holds more than four digits in a row; only {hotline} and {tail} may give a number'
    """
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        return "has a brace that is not closed"
    for _, name, spec, conversion in parts:
        if name is not None and (name not in PLACEHOLDERS or spec or conversion):
            return f"asks for {{{name}}}; it may fill in {', '.join(sorted(PLACEHOLDERS))}"
    plain = "".join(literal for literal, *_ in parts)
    for pattern, said in _FORBIDDEN:
        if pattern.search(plain):
            return said
    if most_segments and segments(text) > most_segments:
        return f"is {units(text)} units long, {segments(text)} messages; it may be {most_segments}"
    return ""


def _texts(words: VictimWords) -> Iterator[tuple[str, str]]:
    for field in words.__struct_fields__:
        value = getattr(words, field)
        if isinstance(value, str):
            yield field, value
        elif isinstance(value, Mapping):
            yield from ((f"{field}.{name}", text) for name, text in value.items())
        elif isinstance(value, tuple):
            yield from ((f"{field}.{number}", text) for number, text in enumerate(value))
