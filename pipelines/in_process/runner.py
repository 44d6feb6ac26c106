"""The in-process runner, without the defaults that would cost most of its time and all of its memory."""

from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines import beam_internals
from pipelines.in_process import long_lived


def in_process() -> FnApiRunner:
    """Return Beam's in-process runner, fit to run for ever."""
    beam_internals.for_in_process()
    long_lived.settle()
    return FnApiRunner()
