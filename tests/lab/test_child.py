"""What is said of a job in a process of its own that has ended."""

import subprocess
import sys

import pytest

from console.lab.watching import Job

SAYS = "import os, sys; print('WARNING:root:apitools not found, and so on', file=sys.stderr); "


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (
            "print('no broker', file=sys.stderr, flush=True); os.kill(os.getpid(), 9)",
            "no broker (killed by signal 9)",
        ),
        ("sys.exit(3)", "nothing (ended with exit code 3)"),
    ],
)
def test_a_job_that_ended_says_how_and_what_it_said_last_itself(does: str, said: str) -> None:
    command = [sys.executable, "-c", SAYS + does]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        job = Job(child)
        child.wait()
        for thread in job.threads:
            thread.join()

        assert job.ended()
        assert job.last_words() == said
