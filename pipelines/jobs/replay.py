"""The main job over everything its topics hold now, from the first message to the last."""

import tempfile
from pathlib import Path

import apache_beam as beam

from pipelines.in_process import runner
from pipelines.jobs import main
from pipelines.jobs.options import JobSettings
from pipelines.kafka.reading.bounded import ReadChunksBounded
from pipelines.kafka.sink import OutRecord
from pipelines.streams.table import topics_read
from schemas import topics


def sent(settings: JobSettings) -> None:
    """Run the job and send what it emits to its topics."""
    with beam.Pipeline(runner=runner.in_process()) as pipeline:
        main.write(_outputs(pipeline, settings), settings)


def kept(settings: JobSettings) -> dict[str, list[bytes]]:
    """Run the job and send nothing; return the values it would have sent to each topic, each once, sorted."""
    with tempfile.TemporaryDirectory() as folder:
        with beam.Pipeline(runner=runner.in_process()) as pipeline:
            for name, records in _outputs(pipeline, settings)._asdict().items():
                _ = records | f"Keep {name}" >> beam.ParDo(KeepFn(Path(folder)))
        return {topic: _lines(Path(folder) / topic) for topic in topics.WRITTEN}


def _outputs(pipeline: beam.Pipeline, settings: JobSettings) -> main.Outputs:
    chunks = pipeline | "Read" >> ReadChunksBounded(settings.kafka, *topics_read(settings.streams))
    return main.in_process(chunks, settings)


class KeepFn(beam.DoFn):  # type: ignore[misc]
    """Append records to a file a topic, a line each, instead of sending them.

    By topic, not by output: one output of the job may go to several topics.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def process(self, record: OutRecord) -> None:
        """Append one record."""
        with (self._folder / record.topic).open("ab") as file:
            file.write(record.value + b"\n")


def _lines(path: Path) -> list[bytes]:
    return sorted(set(path.read_bytes().splitlines())) if path.exists() else []
