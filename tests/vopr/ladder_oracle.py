"""Invariants of the ladder, checked from outside: from the journal's text and the country file's text.

Rungs, cool-downs, quiet hours and caps are written down here once more, from domain.md 2.1 to 2.4.
"""

import json
import re
from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import yaml

from measures.law.country_file import FOLDER
from schemas.contact import ContactEntry
from tests.vopr.world import DAY, HOUR, MINUTE, SECOND

INVARIANTS = {
    1: "nothing is told again inside its cool-down, no channel beyond its cap, nothing twice under one key",
    2: "no rung is passed over without a reason that is true",
    3: "no voice is planned or believed on a line whose calls are forwarded",
    4: "quiet hours are quiet for the mildest",
    5: "the grave are always warned, the held out never about the mild",
    6: "who was dissuaded is watched and asked again after 24 h, 7 d and 30 d",
    7: "a stop on a victim's own accounts is proposed by rule and with something left open",
    8: "replay(log) = state",
    9: "every ladder ends, once",
    10: "nobody's family is called without consent",
}
RUNGS = {
    1: ("SMS",),
    2: ("IN_APP", "SMS", "ROBOT_CALL"),
    3: ("IN_APP", "CALL", "FAMILY", "VISIT"),
    4: ("IN_APP", "CALL", "FAMILY", "VISIT"),
}
WAITS = {
    1: (3600,), 2: (240, 1200, 600), 3: (120, 900, 1800, 86_400), 4: (30, 300, 300, 86_400),
}  # fmt: skip
VOICE = ("CALL", "ROBOT_CALL")
CAPS = {"ROBOT_CALL": (2, DAY), "CALL": (3, 2 * HOUR)}
FOLLOW_UPS = {"24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY}


Event = dict[str, Any]


class LadderError(Exception):
    """An invariant of the ladder does not hold; 0: the ladder raised."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(f"invariant {number} ({INVARIANTS.get(number, 'the ladder raised')}): {text}")
        self.number = number


class Told(NamedTuple):
    """What a warning that was sent to the ladder says."""

    severity: int
    family: str
    consent: bool
    timezone: str
    valid_until_us: int


class LadderOracle:
    """Watches one party."""

    def __init__(self, country: str, *, held_out: bool) -> None:
        law: dict[str, Any] = yaml.safe_load((FOLDER / f"{country.lower()}.yaml").read_text())
        self._rule = law["warning"][-1]
        self._zone = ZoneInfo(law["timezone"])
        hours = re.fullmatch(r"PT(\d+)H", self._rule["cooldown"])
        assert hours
        self._cooldown = int(hours[1]) * HOUR
        self._held_out = held_out
        self._asked: dict[str, Told] = {}
        self._begun: dict[str, tuple[int, int]] = {}
        self._keys: set[str] = set()
        self._tries: dict[str, list[int]] = defaultdict(list)
        self._passed: dict[str, dict[int, list[Event]]] = defaultdict(lambda: defaultdict(list))
        self._states: dict[str, list[str]] = defaultdict(list)
        self._verdicts: dict[str, list[str]] = defaultdict(list)
        self._voices: dict[str, bool] = {}
        self._endings: dict[str, str] = {}
        self._forwarded: int | None = None
        self._dissuaded: dict[str, int] = {}
        self._again: dict[str, dict[str, int]] = defaultdict(dict)
        self._watches: dict[int, int] = {}
        self._version = 0
        self.seen: Counter[str] = Counter()
        self._take = {
            "planned": self._on_planned,
            "skipped": self._on_skipped,
            "deferred": self._on_deferred,
            "suppressed": self._on_suppressed,
            "heard": self._on_heard,
            "ended": self._on_ended,
            "watched": self._on_watched,
            "stop_proposed": self._on_proposed,
            "forwarding": self._on_forwarding,
            "reopened": self._on_reopened,
        }

    def warned(self, warning_id: str, told: Told) -> None:
        """A warning was sent to the ladder."""
        self._asked[warning_id] = told

    def entry(self, entry: ContactEntry, value: bytes) -> None:
        """An entry was written."""
        if entry.version != self._version + 1:
            raise LadderError(8, f"version {entry.version} follows {self._version}")
        self._version = entry.version
        for event in json.loads(value).get("events", ()):
            self.seen[event["type"]] += 1
            self._take[event["type"]](event)

    def finish(self, now_us: int) -> None:
        """All is over: every ladder has ended, and who was dissuaded was asked again."""
        open_ = set(self._begun) - set(self._endings)
        if open_:
            raise LadderError(9, f"{sorted(open_)[0]} never ended")
        for warning_id, at_us in self._dissuaded.items():
            if self._watches.get(at_us, 0) < at_us + 72 * HOUR:
                raise LadderError(6, f"{warning_id} is not watched")
            for name, after in FOLLOW_UPS.items():
                asked = self._again[warning_id].get(name)
                if at_us + after + 10 * HOUR < now_us and (
                    asked is None or not 0 <= asked - at_us - after <= 10 * HOUR
                ):
                    raise LadderError(6, f"{warning_id} is not asked again after {name}")

    def _begin(self, warning_id: str, at_us: int) -> None:
        """Check the beginning of a ladder against those of the last day."""
        if warning_id in self._begun:
            return
        told = self._asked[warning_id]
        severity = min(4, told.severity + (self._forwarded is not None))
        day = [
            (us, grave, self._asked[w].family) for w, (us, grave) in self._begun.items() if at_us - us < DAY
        ]
        if not all(severity > grave for _, grave, _ in day):
            for us, grave, family in day:
                if family == told.family and grave >= severity and at_us - us < self._cooldown:
                    raise LadderError(1, f"{family} is told again after {(at_us - us) / MINUTE:.0f} min")
            if len(day) >= self._rule["per_day"]:
                raise LadderError(1, f"{len(day)} warnings in a day")
        if severity <= 2 and self._held_out:
            raise LadderError(5, f"{warning_id} goes to a party that is held out")
        self._begun[warning_id] = at_us, severity

    def _on_forwarding(self, event: Event) -> None:
        self._forwarded = event.get("since_us")

    def _on_suppressed(self, event: Event) -> None:
        self.seen[f"suppressed {event['reason']}"] += 1
        if event["reason"] == "HELD_OUT" and (event["severity"] >= 3 or not self._held_out):
            raise LadderError(5, f"severity {event['severity']} is held out")

    def _on_deferred(self, event: Event) -> None:
        self._begin(event["warning_id"], event["at_us"])

    def _on_planned(self, event: Event) -> None:
        attempt, at_us = event["attempt"], event["at_us"]
        key, channel, warning_id = attempt["key"], attempt["channel"], attempt["warning_id"]
        if key in self._keys:
            raise LadderError(1, f"{key} is planned twice")
        self._keys.add(key)
        follow_up = attempt["purpose"] == "FOLLOW_UP"
        if channel in VOICE and self._forwarded is not None:
            raise LadderError(3, f"{key} calls a line that is forwarded")
        if channel == "FAMILY" and not self._asked[warning_id].consent:
            raise LadderError(10, key)
        zone = "" if follow_up else self._asked[warning_id].timezone
        if (attempt["severity"] == 1 or follow_up) and self._quiet(at_us, zone):
            raise LadderError(4, f"{key} goes out at {datetime.fromtimestamp(at_us / 1e6, UTC)}")
        if follow_up:
            self._again[warning_id][key.split("/")[1]] = at_us
            return
        self._begin(warning_id, at_us)
        most, within = CAPS.get(channel, (10**9, 0))
        if sum(at_us - at < within for at in self._tries[channel]) >= most:
            raise LadderError(1, f"{channel} is tried more than {most} times")
        self._tries[channel].append(at_us)
        self._climb(warning_id, int(key.split("/")[1]), event)

    def _on_skipped(self, event: Event) -> None:
        self.seen[f"skipped {event['reason']}"] += 1
        warning_id, channel, at_us = event["warning_id"], event["channel"], event["at_us"]
        self._begin(warning_id, at_us)
        told, (most, within) = self._asked[warning_id], CAPS.get(channel, (10**9, 0))
        true = {
            "CALLS_FORWARDED": channel in VOICE and self._forwarded is not None,
            "NO_CONSENT": channel == "FAMILY" and not told.consent,
            "COOLDOWN": sum(at_us - at < within for at in self._tries[channel]) >= most,
            "FORBIDDEN": channel in self._rule.get("without", ()),
            "EXPIRED": at_us >= told.valid_until_us,
        }
        if not true[event["reason"]]:
            raise LadderError(2, f"{warning_id} rung {event['rung']}: {event['reason']} is not so")
        self._passed[warning_id][event["rung"]].append(event)

    def _climb(self, warning_id: str, rung: int, event: Event) -> None:
        """Check that all rungs below were tried or passed over, and why this one comes now."""
        passed, severity = self._passed[warning_id], self._begun[warning_id][1]
        if lacking := set(range(rung)) - set(passed):
            raise LadderError(2, f"{warning_id} rung {rung} comes without {sorted(lacking)}")
        if RUNGS[severity][rung] != event["attempt"]["channel"]:
            raise LadderError(2, f"{warning_id} rung {rung} is {event['attempt']['channel']}")
        tried = [each for number in sorted(passed) for each in passed[number] if "attempt" in each]
        if tried:
            last, why, at_us = tried[-1], event["why"], event["at_us"]
            key, number = last["attempt"]["key"], int(last["attempt"]["key"].split("/")[1])
            states = self._states[key]
            true = {
                "NO_ANSWER": at_us >= last["at_us"] + WAITS[severity][number] * SECOND,
                "NOT_SENT": at_us >= last["attempt"]["send_by_us"] and not states,
                "UNREACHABLE": "UNREACHABLE" in states,
                "FAILED": "FAILED" in states,
                "UNCERTAIN": "UNCERTAIN" in states,
                "CONTINUED": "CONTINUED" in self._verdicts[warning_id],
                "UNDECIDED": "UNKNOWN" in self._verdicts[warning_id],
                "CALLS_FORWARDED": self._forwarded is not None,
            }
            self.seen[f"why {why}"] += 1
            if not true.get(why, False):
                raise LadderError(2, f"{event['attempt']['key']} comes because {why}, which is not so")
        self._passed[warning_id][rung].append(event)

    def _on_heard(self, event: Event) -> None:
        outcome = event["outcome"]
        self._states[outcome["key"]].append(outcome["state"])
        if outcome["state"] == "ANSWERED":
            self._verdicts[event["warning_id"]].append(outcome.get("verdict", "UNKNOWN"))
            behind = self._forwarded is not None and outcome["at_us"] >= self._forwarded
            self._voices[event["warning_id"]] = outcome["channel"] in VOICE and behind

    def _on_ended(self, event: Event) -> None:
        warning_id, how = event["warning_id"], event["how"]
        self.seen[f"ended {how}"] += 1
        self._begin(warning_id, event["at_us"])
        if warning_id in self._endings:
            raise LadderError(9, f"{warning_id} ends {how} after {self._endings[warning_id]}")
        if how in ("DISSUADED", "NOT_SCAM") and self._voices.get(warning_id):
            raise LadderError(3, f"{warning_id} is {how} by a voice on a forwarded line")
        severity = self._begun[warning_id][1]
        lacking = set(range(len(RUNGS[severity]))) - set(self._passed[warning_id])
        if how in ("UNREACHED", "DELIVERED", "EXPIRED") and lacking:
            raise LadderError(2, f"{warning_id} ends {how} without rungs {sorted(lacking)}")
        self._endings[warning_id] = how
        if how == "DISSUADED":
            self._dissuaded[warning_id] = event["at_us"]

    def _on_reopened(self, event: Event) -> None:
        warning_id = event["warning_id"]
        if self._endings.pop(warning_id, "") not in ("DISSUADED", "NOT_SCAM") or self._forwarded is None:
            raise LadderError(9, f"{warning_id} goes on without a reason")
        self._dissuaded.pop(warning_id, None)

    def _on_watched(self, event: Event) -> None:
        self._watches[event["at_us"]] = event["until_us"]

    def _on_proposed(self, event: Event) -> None:
        allowed = self._rule.get("protective_stop")
        if event["rule"] != allowed or self._begun[event["warning_id"]][1] != 4:
            raise LadderError(7, f"{event['rule']} is proposed")
        if not event["carve_outs"] or not event["actors"]:
            raise LadderError(7, "nothing is left open")

    def _quiet(self, at_us: int, zone: str) -> bool:
        local = datetime.fromtimestamp(at_us // SECOND, ZoneInfo(zone) if zone else self._zone)
        return local.hour >= 22 or local.hour < 7
