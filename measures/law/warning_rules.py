"""The rules of warnings to victims: the ladder of channels, quiet hours, whom to call."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from measures.law.calendar import Term
from measures.law.rule_base import Data, Flag, Hour, Rule, TermField
from schemas.warning import Channel

#: No country allows more warnings a day than this; what is remembered of a person has room for them.
PER_DAY_MAX = 5


class RungRule(Data):
    """One rung of the ladder: a channel and its budgets, seconds (domain.md 2.1).

    Attributes:
        within_s: it has left by then, counted from the warning; later the next rung is begun without it.
        wait_s: so long an answer is waited for, after each try.
        tries: how often it is tried.

    """

    channel: Channel
    within_s: Annotated[int, Field(strict=True, ge=1, le=604_800)]
    wait_s: Annotated[int, Field(strict=True, ge=1, le=604_800)]
    tries: Annotated[int, Field(strict=True, ge=1, le=3)] = 1


def _rung(channel: Channel, within_s: int, wait_s: int, tries: int = 1) -> RungRule:
    return RungRule(channel=channel, within_s=within_s, wait_s=wait_s, tries=tries)


#: The ladders by severity where a country file has none of its own (domain.md 2.1, anchors 6.1).
LADDERS: Mapping[int, tuple[RungRule, ...]] = {
    1: (_rung("SMS", 900, 3_600),),
    2: (_rung("IN_APP", 60, 240), _rung("SMS", 300, 1_200), _rung("ROBOT_CALL", 1_800, 600, 2)),
    3: (
        _rung("IN_APP", 60, 120),
        _rung("CALL", 600, 900, 3),
        _rung("FAMILY", 7_200, 1_800),
        _rung("VISIT", 28_800, 86_400),
    ),
    4: (
        _rung("IN_APP", 1, 30),
        _rung("CALL", 120, 300, 3),
        _rung("FAMILY", 1_500, 300),
        _rung("VISIT", 1_800, 86_400),
    ),
}


FollowUpName = Literal["24h", "7d", "30d"]

#: How a dissuaded party is asked again where a country file does not say (domain.md 2.4).
FOLLOW_UPS: Mapping[FollowUpName, Channel] = {"24h": "CALL", "7d": "SMS", "30d": "SMS"}


class QuietHours(Data):
    """Local hours in which warnings up to a severity wait (domain.md 2.4)."""

    start: Hour
    end: Hour
    up_to: Annotated[int, Field(strict=True, ge=0, le=2)]


class WarningRule(Rule):
    """Warnings to victims: grades, cool-down, whom to call (`hotline` follows "Call" in the words).

    Attributes:
        cooldown: one thing is told to a person once in this time, unless it has become graver.
        per_day: so many warnings about anything.
        quiet: hours in which the mildest wait.
        ladders: rungs by severity; a severity that is not named has the usual ones (`LADDERS`).
        without: channels that the country does not allow.
        sender: form of the registered name that messages go out under, a regular expression; "" if there is
            no register of senders.
        family_contact: whether a person of trust may be called, and on what ground.
        protective_stop: the restriction that people may ask for on the party's own accounts; "" for none.
        watch: a party that was dissuaded is watched so long.
        calm: after "this is no scam" the same evidence is not told again so long.
        follow_ups: when a dissuaded party is asked again, and how.

    """

    grades: dict[int, str]
    hotline: Annotated[str, Field(min_length=1)] | dict[str, str]
    links_allowed: Flag = False
    cooldown: TermField
    per_day: Annotated[int, Field(strict=True, ge=1, le=PER_DAY_MAX)]
    quiet: QuietHours = QuietHours(start="22:00", end="07:00", up_to=1)
    ladders: dict[int, tuple[RungRule, ...]] = Field(default_factory=dict)
    without: tuple[Channel, ...] = ()
    sender: str = ""
    family_contact: Literal["CONSENT", "FORBIDDEN"] = "CONSENT"
    protective_stop: str = ""
    watch: TermField = Term(minutes=72 * 60)
    calm: TermField = Term(days=30)
    follow_ups: Mapping[FollowUpName, Channel] = FOLLOW_UPS

    def hotline_in(self, language: str) -> str:
        """Give the number or words to call, in a language of the country."""
        return self.hotline if isinstance(self.hotline, str) else self.hotline[language]

    def rungs(self, severity: int) -> tuple[RungRule, ...]:
        """Give the ladder of a severity."""
        return self.ladders.get(severity, LADDERS[severity])
