"""One Python worker of the pool: what `/opt/apache/beam/boot` does in Beam's images, without a container.

The pool's request names no pipeline options, without which a worker keeps no state cache and drops its logs.
This module asks the runner for them, as the images do, and then runs the same harness.
"""

import json
import os
import sys
import threading
import time

import grpc
from apache_beam.portability.api import beam_provision_api_pb2 as provision
from apache_beam.portability.api import beam_provision_api_pb2_grpc as provision_grpc
from apache_beam.runners.worker import sdk_worker_main
from google.protobuf import json_format

from pipelines import beam_internals
from pipelines.in_process import long_lived


def run(worker_id: str, control: str, logging: str, provisioning: str) -> None:
    """Ask for the job's options at an address and run the harness until the runner lets go of it."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    long_lived.settle()
    beam_internals.for_flink_workers()
    os.environ |= {
        "WORKER_ID": worker_id,
        "PIPELINE_OPTIONS": _pipeline_options(provisioning, worker_id),
        "CONTROL_API_SERVICE_DESCRIPTOR": f'url: "{control}"',
        "LOGGING_API_SERVICE_DESCRIPTOR": f'url: "{logging}"',
    }
    sdk_worker_main.main(sys.argv)


def _pipeline_options(endpoint: str, worker_id: str) -> str:
    with grpc.insecure_channel(endpoint) as channel:
        service = provision_grpc.ProvisionServiceStub(channel)
        answer = service.GetProvisionInfo(
            provision.GetProvisionInfoRequest(), metadata=[("worker_id", worker_id)], timeout=30
        )
    return json.dumps(json_format.MessageToDict(answer.info.pipeline_options))


def _end_with(parent: int) -> None:
    """End this process soon after the one it was forked from, or nobody would ever stop it."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
