"""The pool of Python workers: forked from a process that has loaded everything, so that many start like one.

The pool that ships with Beam starts an interpreter for each, and each imports Beam and scikit-learn anew:
seven seconds of a core, which a restart of the job waits for. Here one process imports them, and those forked
from it share its memory. The fork server runs no gRPC of its own, which would not survive a fork.
"""

import argparse
import multiprocessing
import threading
from multiprocessing import forkserver

import grpc
from apache_beam.portability.api import beam_fn_api_pb2 as fn_api
from apache_beam.portability.api import beam_fn_api_pb2_grpc as fn_api_grpc
from apache_beam.utils import thread_pool_executor

from pipelines.flink import worker

#: How long a worker that is told to end may take.
STOP_S = 10.0

#: What the fork server imports: the harness, and whatever the functions of our jobs need.
LOADED = ["pipelines.flink.worker", "pipelines.jobs.main", "pipelines.jobs.lifecycle"]

_FORKS = multiprocessing.get_context("forkserver")


class Pool(fn_api_grpc.BeamFnExternalWorkerPoolServicer):  # type: ignore[misc]
    """Beam's external worker service over forked processes."""

    def __init__(self) -> None:
        self._workers: dict[str, multiprocessing.process.BaseProcess] = {}
        self._lock = threading.Lock()

    def StartWorker(
        self, request: fn_api.StartWorkerRequest, _: grpc.ServicerContext
    ) -> fn_api.StartWorkerResponse:
        """Fork a worker."""
        endpoints = (request.control_endpoint, request.logging_endpoint, request.provision_endpoint)
        arguments = request.worker_id, *(each.url for each in endpoints)
        with self._lock:
            process = _FORKS.Process(target=worker.run, args=arguments, name=request.worker_id)
            process.start()
            self._workers[request.worker_id] = process
        return fn_api.StartWorkerResponse()

    def StopWorker(
        self, request: fn_api.StopWorkerRequest, _: grpc.ServicerContext
    ) -> fn_api.StopWorkerResponse:
        """End a worker, if it has not ended yet."""
        if (process := self._workers.pop(request.worker_id, None)) is not None:
            process.terminate()
            process.join(STOP_S)
            if process.exitcode is None:
                process.kill()
                process.join()
        return fn_api.StopWorkerResponse()


def main() -> None:
    """Serve until this process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    asked = parser.parse_args()
    _FORKS.set_forkserver_preload(LOADED)
    forkserver.ensure_running()
    server = grpc.server(thread_pool_executor.shared_unbounded_instance())
    fn_api_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(Pool(), server)
    server.add_insecure_port(f"127.0.0.1:{asked.port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
