"""A Flink cluster of a test's own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.flink import cluster
from pipelines.flink.cluster import Cluster
from pipelines.kafka.local.brokers import free_port


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Cluster]:
    if missing := [tool for tool in ("java", "mvn") if shutil.which(tool) is None]:
        pytest.skip(f"Flink needs {' and '.join(missing)} on the path")
    cluster.resolve_jars()
    for folder in ("libs", "build"):
        (tmp_path / folder).symlink_to(cluster.DEFAULT.home / folder)
    base = free_port()
    one = Cluster(
        tmp_path, 2, rest_port=base, rpc_port=free_port(), job_port=free_port(), worker_port=free_port()
    )
    try:
        cluster.up(one)
        yield one
    finally:
        cluster.down(one)
