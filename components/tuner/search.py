"""One search, in this process or with trials side by side in processes of their own."""

from __future__ import annotations

from typing import Any

from mlops_tfx.components.tuner.job import Job, TunerFnResult
from mlops_tfx.components.tuner.processes import search_in_processes
from mlops_tfx.components.tuner.progress import Log, Progress


def search(job: Job, parallel_trials: int, log: Log) -> Any:
    """Searches, and returns the tuner, whose oracle has all trials.

    Args:
        job: the search.
        parallel_trials: how many trials run side by side; 1 for this process alone.
        log: gets a line for every trial.

    Raises:
        UserCodeError: tuner_fn, or the search, failed.
    """
    from mlops_tfx.execution.user_code import user_code

    made = _ready(job, log)
    progress = Progress(made.tuner, log)
    progress.begin()
    if parallel_trials > 1:
        search_in_processes(job, made.tuner, parallel_trials, progress)
        return made.tuner
    after_trial = made.tuner.on_trial_end

    def on_trial_end(trial: Any) -> None:
        after_trial(trial)
        progress.trial_ended(trial.trial_id)

    made.tuner.on_trial_end = on_trial_end
    with user_code("the tuner's search"):
        made.tuner.search(**made.fit_kwargs)
    return made.tuner


def _ready(job: Job, log: Log) -> TunerFnResult:
    """Makes the tuner; where it took over trials that its oracle cannot go on from, makes it anew without them."""
    import keras_tuner

    from mlops_tfx import filesystem

    made = job.make()
    if isinstance(made.tuner.oracle, keras_tuner.oracles.GridSearchOracle) and made.tuner.oracle.trials:
        # KerasTuner does not save where in the grid it is, and fails with KeyError when it goes on.
        log("the earlier attempt's trials are left out: KerasTuner cannot resume a GridSearch; RandomSearch it can")
        filesystem.remove_tree(made.tuner.project_dir)
        made = job.make()
    return made
