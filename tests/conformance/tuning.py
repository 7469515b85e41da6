"""A search that trains nothing, for the conformance pipeline."""

from __future__ import annotations

from typing import Any

import keras_tuner

from mlops_tfx.components.tuner import TunerFnResult
from mlops_tfx.training import FnArgs


class Square(keras_tuner.GridSearch):  # type: ignore[misc]  # an untyped class
    """Its score is the square of its one hyperparameter."""

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
        return float(trial.hyperparameters.Int("x", -1, 1) ** 2)


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Searches -1, 0 and 1, once there are rows."""
    from tfx_bsl.public.tfxio import RecordBatchesOptions

    assert fn_args.data_accessor is not None
    batches = fn_args.data_accessor.record_batch_factory(fn_args.train_files, RecordBatchesOptions(100, num_epochs=1))
    assert next(iter(batches)).num_rows
    return TunerFnResult(Square(directory=fn_args.working_dir, project_name="squares"), {})
