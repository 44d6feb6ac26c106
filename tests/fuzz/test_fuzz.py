"""What fuzzing once found stays mended, and a few thousand new inputs are accepted or explained."""

from pathlib import Path

import pytest

from pipelines.streams.table import STREAMS
from tests.fuzz.__main__ import FOUND
from tests.fuzz.feeding import Lot, fed
from tests.fuzz.offices import everything
from tests.fuzz.targets import STREAM_SEEDS, Target
from tests.fuzz.words import tried

TARGETS = everything()
KEPT = sorted(path for path in FOUND.rglob("*") if path.is_file() and path.suffix != ".md")


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_an_input_that_once_got_through_is_accepted_or_explained(kept: Path) -> None:
    assert TARGETS[kept.parent.name].feed(kept.read_bytes()) in (True, False)


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_is_read_is_accepted_or_explained(name: str) -> None:
    target: Target = TARGETS[name]

    count = max(3, int(2_000 * target.share))
    found = fed(target, Lot(name, 0, count, seed=0))

    assert not found.finds
    assert found.accepted + found.explained == count


def test_every_stream_of_the_main_job_is_fuzzed() -> None:
    assert {stream.topic for stream in STREAMS} <= set(STREAM_SEEDS)


@pytest.mark.parametrize("name", ["tokens", "card"])
def test_an_odd_value_of_an_option_is_taken_or_refused_in_one_sentence(name: str) -> None:
    assert list(tried([name])) == []


def test_a_command_that_breaks_at_a_value_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("of no path")

    monkeypatch.setattr("console.commands.card.bundle.load", broken)

    assert "ZeroDivisionError: of no path" in next(tried(["card"]))
