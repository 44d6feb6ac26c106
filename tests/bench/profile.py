"""Where the pipeline's thread spends its processor time."""

import cProfile
import time
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]

#: Stages on the pipeline's thread: label -> (file, function); time in what they call counts as theirs. Bytes
#: are decoded and legs scored on threads beside it, which a profile does not see.
STAGES: dict[str, tuple[str, str]] = {
    "read": ("pipelines/kafka/reading/source.py", "advance"),
    "decode: gather": ("pipelines/hot/decode.py", "gathered"),
    "payers": ("pipelines/hot/payers.py", "seen"),
    "accounts": ("pipelines/hot/accounts.py", "decided"),
    "ledgers: folds": ("models/ledgers/ledger.py", "fold"),
    "dissuade": ("pipelines/hot/dissuade.py", "sent"),
    "log decisions": ("pipelines/hot/decision_log/append.py", "process"),
    "send": ("pipelines/kafka/sink.py", "process"),
    "send: wait for confirmation": ("pipelines/kafka/sink.py", "finish_bundle"),
}


class Spent(NamedTuple):
    """Processor time of a function: calls, seconds in it alone, seconds in it and what it called."""

    calls: int
    own_s: float
    total_s: float


Place = tuple[str, str, int]
Times = dict[Place, Spent]


class Profiler:
    """Profiles one thread by its own processor time, so that neighbours on the machine do not count."""

    def __init__(self) -> None:
        self._profile = cProfile.Profile(time.thread_time)

    def call(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._profile.runcall(function, *arguments)

    def times(self) -> Times:
        """Return what every function has taken so far; may be asked from another thread."""
        found: Times = {}
        for entry in self._profile.getstats():
            place = _place(entry.code)
            so_far = found.get(place, Spent(0, 0.0, 0.0))
            found[place] = Spent(
                so_far.calls + entry.callcount, so_far.own_s + entry.inlinetime,
                so_far.total_s + entry.totaltime,
            )  # fmt: skip
        return found


def since(now: Times, then: Times) -> Times:
    """Return what was spent between two readings."""
    nothing = Spent(0, 0.0, 0.0)
    return {
        place: Spent(*(a - b for a, b in zip(spent, then.get(place, nothing), strict=True)))
        for place, spent in now.items()
    }


def stages(times: Times) -> dict[str, float]:
    """Return seconds of each of `STAGES`."""
    return {
        label: sum(spent.total_s for (file, name, _), spent in times.items() if (file, name) == wanted)
        for label, wanted in STAGES.items()
    }


def _place(code: CodeType | str) -> Place:
    if isinstance(code, str):
        return "", code, 0
    path = Path(code.co_filename)
    file = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    return str(file).split("site-packages/")[-1], code.co_name, code.co_firstlineno
