"""What a search has found, as files. Names and form are TFX's."""

from __future__ import annotations

import json
from typing import Any

from mlops_tfx import filesystem
from mlops_tfx.errors import UserCodeError


def write(tuner: Any, best_folder: str, results_folder: str) -> None:
    """Writes the best hyperparameters, and all complete trials, the best first.

    Args:
        tuner: a KerasTuner tuner after its search.
        best_folder: gets ``best_hyperparameters.txt``.
        results_folder: gets ``tuner_results.json``.

    Raises:
        UserCodeError: no trial is complete; has what the last one said.
    """
    trials = complete_trials(tuner)
    if not trials:
        raise UserCodeError(
            f"expected at least one complete trial, received {len(tuner.oracle.trials)} trials, all failed; "
            f"the last one said:\n{_last_message(tuner)}"
        )
    rows = [{"trial_id": trial.trial_id, "score": trial.score, **trial.hyperparameters.values} for trial in trials]
    _write(best_folder, "best_hyperparameters.txt", trials[0].hyperparameters.get_config())
    _write(results_folder, "tuner_results.json", rows)


def complete_trials(tuner: Any) -> list[Any]:
    """The trials that ended well, the best first."""
    every = tuner.oracle.get_best_trials(len(tuner.oracle.trials))
    return [trial for trial in every if trial.status == "COMPLETED"]


def _last_message(tuner: Any) -> str:
    messages = [trial.message for trial in tuner.oracle.trials.values() if trial.message]
    return str(messages[-1]) if messages else "nothing"


def _write(folder: str, name: str, content: Any) -> None:
    with filesystem.open(filesystem.join(folder, name), "w") as file:
        file.write(json.dumps(content))
