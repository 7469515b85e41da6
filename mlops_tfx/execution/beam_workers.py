"""Beam's multi-process mode, made to notice a lost worker process, and to find the user's modules in all of them.

Beam (seen with 2.72) starts a worker process and then waits for its answers for ever: if it is killed, say for lack of
memory, an exception is raised in a thread that nobody looks at, and the pipeline hangs. Here every question that a lost
worker still owes an answer to is answered with an error, so that the pipeline fails.
"""

from __future__ import annotations

import os
import shlex
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.portability import local_job_service
from apache_beam.runners.portability.fn_api_runner import worker_handlers


class _WatchedConnection:
    """A control connection whose questions are answered with an error once the worker is lost."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._waiting: dict[str, Any] = {}
        self._lost = ""

    def push(self, request: Any) -> Any:
        """Sends a question; returns the future of its answer, or None for the sign that there are no more."""
        future = self._connection.push(request)
        if future is None:
            return None
        with self._lock:
            self._waiting = {key: value for key, value in self._waiting.items() if not value.is_done()}
            self._waiting[future.instruction_id] = future
            self._answer_if_lost()
        return future

    def lose(self, reason: str) -> None:
        """The worker is gone."""
        with self._lock:
            self._lost = reason
            self._answer_if_lost()

    def _answer_if_lost(self) -> None:
        for key, future in self._waiting.items() if self._lost else ():
            if not future.is_done():
                future.set(beam_fn_api_pb2.InstructionResponse(instruction_id=key, error=self._lost))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class WatchedWorkerHandler(worker_handlers.SubprocessSdkWorkerHandler):
    """Starts a worker process and waits for its end in a thread."""

    control_conn: Any

    def start_worker(self) -> None:
        """Starts the process."""
        self.control_conn = _WatchedConnection(self.control_conn)
        self.worker = local_job_service.SubprocessSdkWorker(
            _with_same_modules(self._worker_command_line), self.control_address, self.provision_info, self.worker_id
        )
        self.worker_thread = threading.Thread(name="run_worker", target=self._run)
        self.worker_thread.start()

    def _run(self) -> None:
        try:
            self.worker.run()
        except RuntimeError as error:
            _LOST.append(str(error))
            self.control_conn.lose(str(error))


def _with_same_modules(command: bytes) -> bytes:
    """The shell command that starts a worker, with the search path for modules of this process and of its children.

    Functions travel by the name of their module, and a user's module may be known by its folder alone. What is meant
    for processes started from here (PYTHONPATH) comes first, as it would without us.
    """
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    places = [*filter(None, inherited), *(entry or os.curdir for entry in sys.path)]
    folders = dict.fromkeys(os.path.abspath(place) for place in places if os.path.isdir(place))
    return f"PYTHONPATH={shlex.quote(os.pathsep.join(folders))} ".encode() + command


# What was said of workers that were lost, by any pipeline of this process.
_LOST: list[str] = []


@contextmanager
def watched_workers() -> Iterator[None]:
    """While this lasts, and after, Beam's runner starts its worker processes with `WatchedWorkerHandler`.

    Raises:
        RuntimeError: the block failed, and a worker was lost meanwhile. Which of Beam's threads notices first, and
            what it says, differs from time to time.
    """
    register = worker_handlers.WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)
    register(WatchedWorkerHandler)
    before = len(_LOST)
    try:
        yield
    except Exception as error:
        if len(_LOST) == before:
            raise
        raise RuntimeError(
            f"a worker process of Beam was lost before its work was done ({_LOST[-1]}); it may have run out of memory: "
            "use fewer workers (--direct_num_workers), or leave out --direct_running_mode"
        ) from error
