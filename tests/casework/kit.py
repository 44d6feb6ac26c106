"""The casework job without a broker: messages in, states and what is told out, on a clock of its own."""

from collections import deque
from typing import Any

import msgspec

from measures.aggregate import Office, Publish, Refuse, Send, run
from measures.authority.signing import KeyRing
from measures.casework import AGGREGATES, read_casework, read_report
from measures.refusal import Refusal
from schemas.report import Entity, Report
from tests.tokens import token_of

T0 = 1_790_000_000_000_000
SECOND, MINUTE, HOUR, DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000


class Bureau:
    """All aggregates of one process; `now` is the time of receipt of the next message."""

    def __init__(self, office: Office | None = None, ring: KeyRing | None = None) -> None:
        self.office, self.ring, self.now = office or Office(), ring or KeyRing(()), T0
        self.states: dict[tuple[str, str], Any] = {}
        self.told: list[msgspec.Struct] = []
        self.refused: list[str] = []

    def report(self, message: Any) -> None:
        """Take a message of topic `reports`."""
        self._take(read_report(_bytes(message), self.ring, self.now))

    def say(self, message: Any) -> None:
        """Take a message of topic `casework`."""
        self._take(read_casework(_bytes(message), self.ring, self.now))

    def deliver(self, *sends: Send) -> None:
        """Hand commands to their aggregates, and what follows."""
        ahead = deque(sends)
        while ahead:
            kind, key, command = ahead.popleft()
            before = self.states.get((kind, key))
            after = run(AGGREGATES[kind], key, before, command, at_us=self.now, office=self.office)
            if after.state is not None and after.state != before:
                assert before is None or after.state.version > before.version
                self.states[kind, key] = after.state
            for each in after.followed:
                if isinstance(each, Publish):
                    self.told.append(each.record)
                elif isinstance(each, Refuse):
                    self.refused.append(each.detail)
                elif each.kind in AGGREGATES:
                    ahead.append(each)

    def wait(self, us: int) -> None:
        """Let time pass: everybody who is due is looked at."""
        self.now += us
        for kind, key in list(self.states):
            self.deliver(Send(kind, key, None))

    def all(self, kind: str) -> list[Any]:
        """Every state of a kind."""
        return [state for (of, _), state in self.states.items() if of == kind]

    def case(self, report_id: str) -> Any:
        """A report's case."""
        return self.states["report", report_id]

    def _take(self, read: list[Send] | Refusal) -> None:
        if isinstance(read, Refusal):
            self.refused.append(read.detail)
        else:
            self.deliver(*read)


def _bytes(message: Any) -> bytes:
    return message if isinstance(message, bytes) else msgspec.json.encode(message)


def report(number: object = 1, *entities: Entity, **fields: Any) -> Report:
    """A citizen's report of one site, or of what is given."""
    given = {
        "report_id": f"report-{number}", "origin": "CITIZEN", "reporter": "citizen-1", "jurisdiction": "KR",
        "at_us": T0, "entities": entities or (site(),),
    }  # fmt: skip
    return Report(**(given | fields))


def site(value: str = "evil.example", **fields: Any) -> Entity:
    return Entity(kind="DOMAIN", value=value, role="INFRA", **fields)


def number(value: str = "+82212345678", **fields: Any) -> Entity:
    return Entity(kind="NUMBER", value=value, **({"role": "INFRA"} | fields))


def account(name: str = "mule-1", **fields: Any) -> Entity:
    return Entity(kind="ACCOUNT", value=token_of(name), institution="bank-1", **fields)
