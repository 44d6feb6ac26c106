"""Telephone numbers from files, scored and graded; SIM boxes found in simulated calls."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec
import numpy as np

from fixtures.callers import Callers, callers
from measures.numbers.indicator import Evidence, indicator
from models.callers.boxes import BOX, CALL, hour_of
from schemas import strict_json
from schemas.contract import UNREADABLE, Micros
from schemas.errors import ConfigError
from schemas.indicator import SaidKind
from schemas.units import HOUR_US, MINUTE_US

T = TypeVar("T")


class _Call(msgspec.Struct, frozen=True):
    number: str
    callee: str
    at_us: Micros
    imei: str = ""
    cell: str = ""
    trunk: str = ""
    attestation: Literal["", "A", "B", "C"] = ""
    answered: bool = False
    duration_s: int = 0


class _Said(msgspec.Struct, frozen=True):
    number: str
    kind: SaidKind
    reporter: str
    at_us: Micros


def scored(path: Path) -> Iterator[dict[str, Any]]:
    """Score the numbers that called in the last hour of a file of call records, worst first.

    Raises:
        ConfigError: the file is missing, or a line is no call record; names the line.

    """
    calls = list(_lines(path, _Call))
    rows = np.zeros(len(calls), CALL)
    for row, call in zip(rows, calls, strict=True):
        for name in ("number", "callee", "imei", "cell", "trunk"):
            row[name] = _hashed(getattr(call, name))
        row["at_us"], row["answered"] = call.at_us, call.answered
        row["duration_s"], row["attested"] = call.duration_s, call.attestation in {"A", "B"}
    hour = hour_of(rows, int(rows["at_us"].max(initial=0)))
    texts = {_hashed(call.number): call.number for call in calls}
    for place in np.argsort(-hour.points, kind="stable").tolist():
        yield {
            "number": texts[int(hour.number[place])],
            "sim_box": bool(hour.points[place] >= BOX),
            "points": round(float(hour.points[place]), 2),
            "calls": int(hour.calls[place]),
            "first_contacts": round(float(hour.first[place]), 3),
            "answered": round(float(hour.answered[place]), 3),
            "on_handset": int(hour.on_handset[place]),
            "den": int(hour.den[place]),
        }


def graded(path: Path) -> Iterator[dict[str, Any]]:
    """Grade the numbers of a file of evidence at its newest line, highest first.

    Raises:
        ConfigError: the file is missing, or a line is no evidence; names the line.

    """
    said: dict[str, list[Evidence]] = {}
    now_us = 0
    for each in _lines(path, _Said):
        said.setdefault(each.number, []).append(Evidence(each.kind, each.reporter, each.at_us))
        now_us = max(now_us, each.at_us)
    found = {number: indicator(evidence, now_us) for number, evidence in said.items()}
    for number in sorted(found, key=lambda name: (-found[name].grade, -found[name].weight, name)):
        yield {"number": number, **found[number]._asdict()}


def _lines(path: Path, record: type[T]) -> Iterator[T]:
    decode = msgspec.json.Decoder(record).decode
    for number, value in strict_json.lines(path):
        try:
            yield decode(value)
        except UNREADABLE as error:
            raise ConfigError(f"{path} line {number}: {error}; see `stopline numbers --help`") from error


def _hashed(text: str) -> int:
    """Return a name as a number, 0 for none."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) | 1 if text else 0


#: Calls are looked at so often.
STEP_US = 10 * MINUTE_US


class Found(NamedTuple):
    """What was found in one world.

    Attributes:
        seed: of the world.
        cards: cards of SIM boxes that called.
        within_h: share of them found within an hour of their first call.
        ever: share of them found at all.
        numbers: innocent numbers that called.
        false_share: share of those that were ever taken for a SIM box.
        median_min: minutes from first call to finding.

    """

    seed: int
    cards: int
    within_h: float
    ever: float
    numbers: int
    false_share: float
    median_min: float


def found_in(seed: int, people: int, dens: int) -> Found:
    """Look at a world of calls every ten minutes, at each with what was known then."""
    return judged(seed, callers(seed, people, dens))


def judged(seed: int, world: Callers) -> Found:
    """Score the calls of a world as time goes on."""
    calls = world.calls
    first: dict[int, int] = {}
    for number, at_us in zip(calls["number"].tolist(), calls["at_us"].tolist(), strict=True):
        first.setdefault(number, at_us)
    boxes = set(world.boxes.tolist()) & set(first)
    noticed: dict[int, int] = {}
    begin, end = int(calls["at_us"].min()), int(calls["at_us"].max())
    for now_us in range(begin + STEP_US, end + STEP_US, STEP_US):
        hour = hour_of(calls[: np.searchsorted(calls["at_us"], now_us, "right")], now_us)
        for number in hour.boxes.tolist():
            noticed.setdefault(number, now_us)
    late = np.array([noticed[number] - first[number] for number in boxes if number in noticed])
    innocent = set(first) - boxes
    return Found(
        seed, len(boxes), float((late <= HOUR_US).sum() / max(len(boxes), 1)),
        len(late) / max(len(boxes), 1), len(innocent),
        len(innocent & set(noticed)) / max(len(innocent), 1),
        float(np.median(late) / MINUTE_US) if len(late) else float("nan"),
    )  # fmt: skip
