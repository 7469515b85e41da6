"""Trials side by side: every worker process has a tuner, and asks the one oracle, which is here.

KerasTuner's own way (a chief and workers that find each other by environment variables) holds ports and, at the end,
sleeps for up to 20 seconds. Here each worker has a pipe to this process, and a thread that answers it.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from mlops_tfx.components.tuner.job import Job
from mlops_tfx.components.tuner.progress import Progress
from mlops_tfx.errors import UserCodeError
from mlops_tfx.execution.worker import process_of_its_own

WORKER = "mlops_tfx.components.tuner.worker:serve"


def search_in_processes(job: Job, tuner: Any, count: int, progress: Progress) -> None:
    """Searches with ``count`` worker processes. ``tuner``, made by the same job, has all trials afterwards.

    A worker that dies fails its trial; the others go on.

    Raises:
        UserCodeError: the search failed, or all workers died; has what was said.
    """
    desk = _Desk(tuner, progress, threads=max(1, (os.cpu_count() or 1) // count))
    threads = [
        threading.Thread(target=desk.employ, args=(job, f"tuner{index}"), name=f"tuner {index}")
        for index in range(1, count + 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    desk.close()


class _Desk:
    """Answers the workers on the oracle's behalf."""

    def __init__(self, tuner: Any, progress: Progress, threads: int) -> None:
        self._tuner = tuner
        self._threads = threads
        self._oracle = tuner.oracle
        self._oracle.verbose = 0
        self._progress = progress
        self._lock = threading.Lock()
        self._failures: list[str] = []
        self._ended_well = 0
        self._stop = threading.Event()

    def employ(self, job: Job, tuner_id: str) -> None:
        """Runs a worker process to its end."""
        import cloudpickle  # classes of a notebook or of the program itself go by value

        try:
            payload = cloudpickle.dumps((job, tuner_id, self._threads))
            with process_of_its_own(payload, WORKER) as (process, connection):
                while not self._stop.is_set():
                    method, arguments = connection.recv()
                    if method == "done":
                        self._ended_well += 1
                        return
                    if method == "failed":
                        self._fail(tuner_id, arguments)
                        return
                    connection.send(self._answer(method, arguments))
        except (EOFError, ConnectionError):
            self._fail(tuner_id, f"a process for trials ended with code {process.wait()}")
        except Exception as error:
            # The oracle has had enough ("consecutive failures"), or the job cannot be sent: no worker can go on.
            self._stop.set()
            self._fail(tuner_id, f"{type(error).__name__}: {error}")

    def _fail(self, tuner_id: str, reason: str) -> None:
        with self._lock:
            self._failures.append(reason)
            trial = self._oracle.ongoing_trials.get(tuner_id)
            if trial is not None and not self._stop.is_set():
                trial.status, trial.message = "INVALID", reason
                self._end(trial)

    def _answer(self, method: str, arguments: Any) -> Any:
        with self._lock:
            if self._stop.is_set():
                # KerasTuner's oracle keeps its lock when it raises: nobody may ask it any more.
                raise RuntimeError("the search was stopped")
            try:
                return self._ask_oracle(method, arguments)
            except Exception:
                self._stop.set()
                raise

    def _ask_oracle(self, method: str, arguments: Any) -> Any:
        from keras_tuner import HyperParameters
        from keras_tuner.engine.trial import Trial

        if method == "get_space":
            return self._oracle.get_space().get_config()
        if method == "update_space":
            return self._oracle.update_space(HyperParameters.from_config(arguments))
        if method == "end_trial":
            return self._end(Trial.from_state(arguments))
        if method == "create_trial":
            return self._oracle.create_trial(arguments).get_state()
        if method == "update_trial":
            return self._oracle.update_trial(*arguments).get_state()
        return self._oracle.get_trial(arguments).get_state()

    def _end(self, trial: Any) -> None:
        self._oracle.end_trial(trial)
        self._tuner.save()
        self._progress.trial_ended(trial.trial_id)

    def close(self) -> None:
        """Raises UserCodeError if the search did not come to its end."""
        if self._stop.is_set() or not self._ended_well:
            raise UserCodeError("the tuner's search failed: " + "\n".join(dict.fromkeys(self._failures)))
