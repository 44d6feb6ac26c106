"""The main job on Google Dataflow, as its flex template starts it: the graph that Flink runs.

Options are those of `stopline run` and of Beam. Tests check its parameters against those options; it was not
run on Dataflow yet.
"""

import sys
from collections.abc import Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.jobs import main
from pipelines.jobs.options import JobSettings


def launch(words: Sequence[str]) -> None:
    """Check the options, put the graph together and hand it to the runner that the options name."""
    options = PipelineOptions(list(words), streaming=True)
    settings = JobSettings.of(options)
    pipeline = beam.Pipeline(options=options)
    main.job(settings).on_flink(pipeline)
    pipeline.run()


if __name__ == "__main__":
    launch(sys.argv[1:])
