"""What every module of tests leaves behind is looked at: connections, threads and files are closed again."""

import gc
import os
from collections.abc import Iterator

import pytest

from pipelines.kafka.reading import process

#: Descriptors that a module may leave open: caches of libraries, connections that are just ending.
LEFT = 60


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    before = descriptors()
    yield
    process.close_connections()
    gc.collect()
    assert descriptors() <= before + LEFT, "this module leaves clients, stores or sockets open"
