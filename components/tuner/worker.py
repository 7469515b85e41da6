"""A worker process of a search: its tuner runs trials that the oracle of another process gives."""

from __future__ import annotations

import os
import pickle
import time
import traceback
from multiprocessing.connection import Connection
from typing import Any

_IDLE_SECONDS = 0.1


def serve(connection: Connection, payload: bytes) -> None:
    """Takes the job from the payload and runs trials until the oracle has no more."""
    job, tuner_id, threads = pickle.loads(payload)
    os.environ["KERASTUNER_TUNER_ID"] = tuner_id
    try:
        import tensorflow as tf

        from mlops_tfx.execution.autograph import leave_libraries_unconverted
        from mlops_tfx.training import SEED, seeded

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        leave_libraries_unconverted()
        with seeded(SEED):
            made = job.make()
            made.tuner.oracle = RemoteOracle(connection, made.tuner.oracle)
            made.tuner.search(**made.fit_kwargs)
        connection.send(("done", None))
    except Exception:
        connection.send(("failed", traceback.format_exc()))


class RemoteOracle:
    """Stands for the oracle of the other process, with the methods that a tuner's search calls."""

    multi_worker = False
    should_report = True
    verbose = 0

    def __init__(self, connection: Connection, local: Any) -> None:
        self._connection = connection
        self._local = local

    def __getattr__(self, name: str) -> Any:
        # Settings (objective, max_trials, ...) are those that tuner_fn gave, here as there.
        return getattr(self._local, name)

    def _ask(self, method: str, arguments: Any = None) -> Any:
        self._connection.send((method, arguments))
        return self._connection.recv()

    def get_space(self) -> Any:
        """The hyperparameters known so far."""
        from keras_tuner import HyperParameters

        return HyperParameters.from_config(self._ask("get_space"))

    def update_space(self, hyperparameters: Any) -> None:
        """Adds hyperparameters that a model has asked for."""
        self._ask("update_space", hyperparameters.get_config())

    def create_trial(self, tuner_id: str) -> Any:
        """The next trial, or one that says that there is none."""
        trial = _trial(self._ask("create_trial", tuner_id))
        if trial.status == "IDLE":
            # The oracle waits for trials of other workers; the search asks again at once.
            time.sleep(_IDLE_SECONDS)
        return trial

    def update_trial(self, trial_id: str, metrics: Any, step: int = 0) -> Any:
        """Reports metrics of a trial."""
        return _trial(self._ask("update_trial", (trial_id, metrics, step)))

    def end_trial(self, trial: Any) -> None:
        """Reports that a trial is over."""
        self._ask("end_trial", trial.get_state())

    def get_trial(self, trial_id: str) -> Any:
        """A trial, as the oracle has it."""
        return _trial(self._ask("get_trial", trial_id))

    def save(self) -> None:
        """The oracle is saved where it is."""


def _trial(state: Any) -> Any:
    from keras_tuner.engine.trial import Trial

    return Trial.from_state(state)
