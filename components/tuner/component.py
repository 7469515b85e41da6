"""Tuner: searches for the best hyperparameters with the user's ``tuner_fn``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mlops_tfx.artifacts import Examples, HyperParameters, Model, Schema, TransformGraph, TunerResults
from mlops_tfx.component import Component, Inputs, OptionalInput, Output
from mlops_tfx.config import EvalArgs, TrainArgs, TuneArgs
from mlops_tfx.training import SEED, FnArgs, only_file, seeded, split_patterns


class Tuner(Component):
    """Searches for the best hyperparameters with the user's ``tuner_fn(fn_args: FnArgs) -> TunerFnResult``.

    What ``tuner_fn`` returns names a KerasTuner tuner and the arguments of its ``search``. The best hyperparameters go
    to ``Trainer(hyperparameters=...)``, which gives them to run_fn as ``fn_args.hyperparameters``.

    A tuner whose ``directory`` is ``fn_args.working_dir`` goes on where it stopped when the node failed, or its process
    died: trials that are complete are not run again.

    Args:
        examples: rows to train on and to evaluate on, transformed or raw.
        schema: schema of the examples.
        transform_graph: Transform's graph.
        base_model: a model to start from.
        module_file: Python file that defines ``tuner_fn``; it may import its neighbours.
        tuner_fn: the function itself, or its dotted path. Exactly one of ``module_file`` and ``tuner_fn`` is given.
        train_args: splits to train on (default: train) and number of steps (0: tuner_fn decides).
        eval_args: splits to evaluate on (default: eval) and number of steps (0: tuner_fn decides).
        tune_args: how many trials run side by side, each in a process of its own (0: as many as there are cores).
            Without it they run one after the other in this process, as in TFX, which refuses ``tune_args``.
        custom_config: anything JSON, handed to tuner_fn.

    Outputs: ``best_hyperparameters`` (``best_hyperparameters.txt``, the ``get_config()`` of the best) and
    ``tuner_results`` (``tuner_results.json``, ``{trial_id, score, <name>: <value>...}`` of every complete trial, the
    best first).
    """

    EXECUTION_TYPE = "tfx.components.tuner.component.Tuner"
    HEAVY_IMPORTS = ("tensorflow",)

    examples: Inputs[Examples]
    schema: OptionalInput[Schema] = OptionalInput()
    transform_graph: OptionalInput[TransformGraph] = OptionalInput()
    base_model: OptionalInput[Model] = OptionalInput()
    module_file: str | None = None
    tuner_fn: str | Callable[..., Any] | None = None
    train_args: TrainArgs | None = None
    eval_args: EvalArgs | None = None
    tune_args: TuneArgs | None = None
    custom_config: dict[str, Any] | None = None
    best_hyperparameters = Output(HyperParameters)
    tuner_results = Output(TunerResults)

    def check(self) -> Iterable[str]:
        """Exactly one source of tuner_fn."""
        if (self.module_file is None) == (self.tuner_fn is None):
            yield (
                "parameter 'tuner_fn': expected exactly one of module_file (a Python file that defines tuner_fn) "
                "and tuner_fn (a function or its dotted path), "
                f"received module_file={self.module_file!r}, tuner_fn={self.tuner_fn!r}"
            )

    def cache_ingredients(self) -> Mapping[str, str]:
        """The code of tuner_fn and of every project module that it imports."""
        from mlops_tfx.execution.user_code import code_ingredients

        return code_ingredients(self.module_file, self.tuner_fn)

    def run(self) -> None:
        """Calls tuner_fn, searches, and writes what was found."""
        _require_keras_tuner()
        from mlops_tfx.components.tuner import results
        from mlops_tfx.components.tuner.job import Job
        from mlops_tfx.components.tuner.search import search
        from mlops_tfx.execution.autograph import leave_libraries_unconverted

        leave_libraries_unconverted()
        job = Job(self.module_file, self.tuner_fn, self.fn_args())
        with seeded(SEED):
            tuner = search(job, self._parallel_trials(), self.context.log)
        results.write(tuner, self.best_hyperparameters.uri, self.tuner_results.uri)

    def _parallel_trials(self) -> int:
        if self.tune_args is None:
            return 1
        return self.tune_args.num_parallel_trials or os.cpu_count() or 1

    def fn_args(self) -> FnArgs:
        """What tuner_fn receives: as in TFX, what only a Trainer has is None."""
        from mlops_tfx.io.dataset import data_accessor

        train_args, eval_args = self.train_args or TrainArgs(), self.eval_args or EvalArgs()
        return FnArgs(
            working_dir=self.context.stateful_working_dir or self.context.temp_dir,
            train_files=split_patterns(self.examples, train_args.splits or ["train"], "train_args"),
            eval_files=split_patterns(self.examples, eval_args.splits or ["eval"], "eval_args"),
            train_steps=train_args.num_steps or None,
            eval_steps=eval_args.num_steps or None,
            schema_path=only_file(self.schema.uri, "schema.pbtxt") if self.schema else None,
            transform_graph_path=self.transform_graph.uri if self.transform_graph else None,
            data_accessor=data_accessor(self.examples),
            base_model=os.path.join(self.base_model.uri, "Format-Serving") if self.base_model else None,
            custom_config=self.custom_config,
        )


def _require_keras_tuner() -> None:
    try:
        import keras_tuner  # noqa: F401
    except ImportError as error:
        raise ImportError("Tuner needs KerasTuner: pip install 'mlops_tfx[tuner]'") from error
