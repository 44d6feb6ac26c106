"""What every module of tests leaves behind is looked at: connections, threads and files are closed again."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.kafka.reading import process

#: Descriptors that a module may leave open: caches of libraries, connections that are just ending.
LEFT = 100


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    before = descriptors()
    yield
    process.close_connections()
    if descriptors() > before + LEFT:
        gc.collect()  # takes seconds in a process that has loaded everything
    assert descriptors() <= before + LEFT, "this module leaves clients, stores or sockets open"
