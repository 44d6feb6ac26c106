"""What a step of the ladder works with: the rules it goes by, and the party as it changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from measures.law.jurisdiction import Jurisdiction, Regime
from measures.law.rules import RestrictRule
from measures.victims.words import VictimWords, shipped
from schemas.contact import ContactEvent, Ended, Ending, Happened, Ladder, Party, StopProposed
from schemas.ids import derived_id

#: Of so many closed ladders one is looked at by a supervisor.
REVIEW_ONE_IN = 16


@dataclass(frozen=True)
class Rules:
    """What the ladder goes by.

    Attributes:
        law: the country file.
        words: by language.
        sender: registered name that messages go out under.
        hold_out_percent: of parties at severity 1 and 2 that are told nothing, to measure what warnings do.

    """

    law: Jurisdiction
    words: Mapping[str, VictimWords] = field(default_factory=shipped)
    sender: str = ""
    hold_out_percent: int = 5


class Climb:
    """One command's unit of work: `party` is always the state after the events so far."""

    def __init__(self, party: Party, rules: Rules, at_us: int) -> None:
        self.party = party
        self.rules = rules
        self.now = max(at_us, party.clock_us)
        self.events: list[ContactEvent] = []

    @property
    def rule(self) -> Any:
        """The country's rule for warnings, of the day."""
        return self.rules.law.on(self.now).warning

    def after(self, term: Any) -> int:
        """Return when a term that begins now ends."""
        return self.rules.law.on(self.now).calendar.add(self.now, term)

    def change(self, **fields: Any) -> None:
        """Change the party."""
        self.party = msgspec.structs.replace(self.party, **fields)

    def note(self, kind: type[Happened], **fields: Any) -> None:
        """Say that something happened now."""
        event: Any = kind(at_us=self.now, **fields)
        self.events.append(event)

    def put(self, ladder: Ladder) -> None:
        """Keep a ladder in place of the one of its warning."""
        others = tuple(each for each in self.party.ladders if each.warning_id != ladder.warning_id)
        self.change(ladders=(*others, ladder))

    def end(self, ladder: Ladder, how: Ending, **fields: Any) -> None:
        """End a ladder; one in some is looked at by a supervisor."""
        ended = msgspec.structs.replace(ladder, ended=how, due_us=None, **fields)
        self.put(ended)
        review = how != "SUPERSEDED" and chosen("review", ladder.warning_id, REVIEW_ONE_IN)
        self.note(
            Ended,
            warning_id=ladder.warning_id,
            family=ladder.family,
            severity=ladder.severity,
            how=how,
            review=review,
        )
        if how in ("CONTINUED", "UNREACHED") and ladder.severity == 4:
            self._propose(ladder)

    def _propose(self, ladder: Ladder) -> None:
        """Tell people that the country lets them ask for a stop on the party's own accounts."""
        regime = self.rules.law.on(self.now)
        name = regime.warning.protective_stop
        rule = restriction(regime, name) if name else None
        if rule is not None:
            self.note(
                StopProposed,
                warning_id=ladder.warning_id,
                rule=name,
                actors=tuple(actor.value for actor in rule.actors),
                carve_outs=(*rule.exempt, *rule.on_request),
            )


def restriction(regime: Regime, name: str) -> RestrictRule | None:
    """Return the restriction of a name, if the law of the day has it."""
    return regime.rule(RestrictRule, name)


def chosen(what: str, cause: str, one_in: int) -> bool:
    """Choose one of so many things by name, always the same ones.

    >>> sum(chosen("review", f"w{number}", 16) for number in range(1600)) in range(80, 121)
    True
    """
    letters = derived_id(what, cause)[-5:-1]
    number = 0
    for letter in letters:
        number = number * 32 + "abcdefghijklmnopqrstuvwxyz234567".index(letter)
    return number % one_in == 0
