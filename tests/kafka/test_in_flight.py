"""A message that ends the process in native code is found by what dead processes had under way."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipelines.kafka.port import Chunk
from pipelines.kafka.reading.in_flight import DEATHS, InFlight
from pipelines.kafka.reading.suspects import Work, killers, without
from schemas.rows.values import Values


def chunk(values: list[bytes], first: int = 0) -> Chunk:
    count = len(values)
    offsets = np.arange(first, first + count, dtype=np.int64)
    return Chunk("payments", Values.of(values), np.zeros(count, np.int32), offsets, np.ones(count, np.int64))


def deadly(given: Chunk) -> None:
    if b"deadly" in given.values[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    if b"raises" in given.values[0]:
        raise ValueError("what can be caught is a dead letter later")


def begin() -> Work:
    return deadly


def dead(folder: Path, *began: str, then: str = "os._exit(9)") -> None:
    """Have a process note chunks, `FIRST:COUNT` each, and die."""
    code = (
        "import os, sys; from pathlib import Path; from tests.kafka.test_in_flight import chunk; "
        "from pipelines.kafka.reading.in_flight import InFlight; noted = InFlight(Path(sys.argv[1]));"
        "[noted.begin('o', chunk([b'x'] * int(each.split(':')[1]), int(each.split(':')[0]))) "
        f"for each in sys.argv[2:]]; {then}"
    )
    subprocess.run([sys.executable, "-c", code, str(folder), *began], check=False)


def test_messages_under_way_when_processes_died_are_suspect_and_no_others(tmp_path: Path) -> None:
    for range_ in ("90:20", "100:5", "102:50"):
        dead(tmp_path, range_)
    suspect = InFlight(tmp_path).begin("o", chunk([b"x"] * 200))

    assert DEATHS == 3
    assert np.flatnonzero(suspect).tolist() == [102, 103, 104]


@pytest.mark.slow
def test_what_was_done_and_what_was_acquitted_is_not_suspect(tmp_path: Path) -> None:
    for _ in range(DEATHS):
        dead(tmp_path, "0:10", then="noted.settled('o'); os._exit(9)")
    assert not InFlight(tmp_path).begin("o", chunk([b"x"] * 20)).any()


@pytest.mark.slow
def test_an_acquittal_is_remembered_by_the_next_process(tmp_path: Path) -> None:
    for _ in range(DEATHS):
        dead(tmp_path, "0:10")
    dead(tmp_path, then="noted.acquit(chunk([b'x'] * 10)); os._exit(0)")

    assert not InFlight(tmp_path).begin("o", chunk([b"x"] * 10)).any()


def test_a_process_that_lives_is_not_taken_for_a_dead_one(tmp_path: Path) -> None:
    living = InFlight(tmp_path)
    living.begin("o", chunk([b"x"]))
    dead(tmp_path)

    assert (tmp_path / f"{os.getpid()}.json").read_bytes() == b'[["payments", 0, 0, 0]]'


@pytest.mark.parametrize("content", [b"", b"{", b"[[1]]", b'[["payments", 0, "x", 1]]', b"\xff" * 99])
def test_damaged_notes_are_no_notes(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "99.json").write_bytes(content)
    (tmp_path / "deaths.json").write_bytes(content)

    assert not InFlight(tmp_path).begin("o", chunk([b"x"])).any()


def test_each_suspect_is_tried_in_a_child_and_those_that_end_it_are_found() -> None:
    given = chunk([b"deadly", b"good", b"raises", b"deadly", b"good", b"deadly but not suspect"])
    suspect = np.array([True, True, True, True, True, False])
    found = killers(given, suspect, begin)
    kept, left = without(given, found)

    assert found == [0, 3]
    assert list(kept.values) == [b"good", b"raises", b"good", b"deadly but not suspect"]
    assert kept.offsets.tolist() == np.flatnonzero(left).tolist() == [1, 2, 4, 5]
