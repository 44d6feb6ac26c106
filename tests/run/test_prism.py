"""The graph is portable: Prism, which shares no code with the other runners, gives the same records."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.prism_runner import PrismRunner

from console.lab.feeds import streamed
from console.lab.replaying import job_settings, records
from fixtures.scenario import SCENARIOS, load
from models import SHIPPED
from pipelines.jobs import main
from pipelines.kafka.local.brokers import free_port
from pipelines.kafka.reading.bounded import ReadChunksBounded
from pipelines.streams.table import topics_read

ROOT = Path(__file__).parents[2]
PRISM = ROOT / "var" / "prism" / "prism"


@pytest.fixture
def prism() -> Path:
    """Prism of the version of the SDK, built once."""
    if not PRISM.exists():
        if shutil.which("go") is None:
            pytest.skip("Prism is built from source, and Go is not on the path")
        module = f"github.com/apache/beam/sdks/v2/go/cmd/prism@v{beam.__version__}"
        subprocess.run(["go", "install", module], env=os.environ | {"GOBIN": str(PRISM.parent)}, check=True)
    return PRISM


@pytest.fixture
def worker_pool() -> Iterator[str]:
    port = free_port()
    pool = subprocess.Popen(
        [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main", f"--service_port={port}"],
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    try:
        yield f"127.0.0.1:{port}"
    finally:
        pool.kill()
        pool.wait()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_scenario_gives_the_same_records_on_prism_with_a_worker_pool(prism: Path, worker_pool: str) -> None:
    expected = (SCENARIOS / "police_call" / "expected.jsonl").read_text(encoding="utf-8").splitlines()
    options = PipelineOptions(
        [f"--prism_location={prism}", "--environment_type=EXTERNAL", f"--environment_config={worker_pool}"]
    )

    with streamed(load("police_call")) as (settings, decided):
        job = replace(job_settings(settings, "--model_bundle", str(SHIPPED)), decided=decided)
        with beam.Pipeline(runner=PrismRunner(), options=options) as pipeline:
            chunks = pipeline | "Read" >> ReadChunksBounded(settings, *topics_read())
            main.write(main.build(chunks, job), job)
        given = records(settings)

    assert given == expected
