"""Waiting for a descriptor."""

import fcntl
import os
import resource
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from pipelines.readable import readable

#: No `select` can name this one.
HIGH = 1_500


@pytest.fixture
def high() -> Iterator[tuple[int, int]]:
    """The ends of a pipe, that to read from with a number above those of `select`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard <= HIGH:
        pytest.skip(f"a process may have {hard} descriptors here")
    with ExitStack() as undo:
        if soft != resource.RLIM_INFINITY and soft <= HIGH:
            resource.setrlimit(resource.RLIMIT_NOFILE, (HIGH + 100, hard))
            undo.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        low, told = os.pipe()
        ends = fcntl.fcntl(low, fcntl.F_DUPFD, HIGH), told
        for end in (low, *ends):
            undo.callback(os.close, end)
        yield ends


def test_a_descriptor_above_those_that_select_can_name_is_waited_for(high: tuple[int, int]) -> None:
    hears, told = high

    assert hears >= HIGH and not readable(hears, 0.01)
    os.write(told, b"1")
    assert readable(hears, 30)
