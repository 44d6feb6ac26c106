"""One Python worker of the pool: what `/opt/apache/beam/boot` does in Beam's images, without a container.

The pool of `beam.worker_pool` starts its workers without the job's pipeline options, hence without state
caching and with their logs dropped. Started as the pool's container executable, this module asks the
runner for them, as the images do, and then runs the same harness.
"""

import argparse
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


def main(argv: list[str] | None = None) -> None:
    """Ask for the job's options and run the harness until the runner lets go of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--id", required=True)
    for service in ("control", "logging", "provision", "artifact"):
        parser.add_argument(f"--{service}_endpoint")
    arguments, _ = parser.parse_known_args(argv)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    os.environ |= {
        "WORKER_ID": arguments.id,
        "PIPELINE_OPTIONS": _pipeline_options(arguments.provision_endpoint, arguments.id),
        "CONTROL_API_SERVICE_DESCRIPTOR": f'url: "{arguments.control_endpoint}"',
        "LOGGING_API_SERVICE_DESCRIPTOR": f'url: "{arguments.logging_endpoint}"',
    }
    sdk_worker_main.main(sys.argv)


def _pipeline_options(endpoint: str, worker_id: str) -> str:
    with grpc.insecure_channel(endpoint) as channel:
        service = provision_grpc.ProvisionServiceStub(channel)
        answer = service.GetProvisionInfo(
            provision.GetProvisionInfoRequest(), metadata=[("worker_id", worker_id)], timeout=30
        )
    return json.dumps(json_format.MessageToDict(answer.info.pipeline_options))


def _end_with(pool: int) -> None:
    """End this process soon after the pool that started it, or nobody would ever stop it."""
    while os.getppid() == pool:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    main()
