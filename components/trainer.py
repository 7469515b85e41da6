"""Trainer: calls the user's run_fn, and accepts what it wrote only if it is a sound model."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import (
    Artifact,
    Examples,
    ExampleStatistics,
    HyperParameters,
    Model,
    ModelRun,
    Schema,
    TransformGraph,
)  # fmt: skip
from mlops_tfx.component import Component, OptionalInput, OptionalInputs, Output
from mlops_tfx.config import EvalArgs, TrainArgs
from mlops_tfx.deployment.lineage import TRAINED_ON, describe_inputs
from mlops_tfx.errors import ArtifactError, UserCodeError
from mlops_tfx.training import SEED, FnArgs, only_file, seeded, split_patterns

_LOG = logging.getLogger(__name__)


class Trainer(Component):
    """Trains a model with the user's ``run_fn(fn_args: FnArgs)``, which writes its model to ``serving_model_dir``.

    Args:
        examples: rows to train on and to evaluate on, transformed or raw.
        transformed_examples: the older name of ``examples`` when they come from Transform.
        transform_graph: Transform's graph, to be put into the model for serving.
        schema: schema of the examples.
        base_model: a model to start from.
        hyperparameters: a Tuner's best hyperparameters.
        module_file: Python file that defines ``run_fn``; it may import its neighbours.
        run_fn: the function itself, or its dotted path. Exactly one of ``module_file`` and ``run_fn`` is given.
        train_args: splits to train on (default: train) and number of steps (0: run_fn decides).
        eval_args: splits to evaluate on (default: eval) and number of steps (0: run_fn decides).
        custom_config: anything JSON, handed to run_fn.
        custom_executor_spec: trains in place of ``run()``: an ExecutorClassSpec of TFX's kind. Better subclass Trainer.
        statistics: statistics of the examples; gives ``fn_args.num_examples``.

    The model should be a SavedModel; any other is taken with a warning, for Evaluators with custom extractors.

    What went in is noted on the model (custom property ``trained_on``): places, content digests, spans.

    The seeds of Python, NumPy, TensorFlow and Keras are set before run_fn is called.
    """

    EXECUTION_TYPE = "tfx.components.trainer.component.Trainer"
    BASE_TYPE = "Train"
    HEAVY_IMPORTS = ("tensorflow",)

    examples: OptionalInputs[Examples] = OptionalInputs()
    transformed_examples: OptionalInputs[Examples] = OptionalInputs()
    transform_graph: OptionalInput[TransformGraph] = OptionalInput()
    schema: OptionalInput[Schema] = OptionalInput()
    base_model: OptionalInput[Model] = OptionalInput()
    hyperparameters: OptionalInput[HyperParameters] = OptionalInput()
    module_file: str | None = None
    run_fn: str | Callable[..., Any] | None = None
    train_args: TrainArgs | None = None
    eval_args: EvalArgs | None = None
    custom_config: dict[str, Any] | None = None
    custom_executor_spec: Any = None
    statistics: OptionalInput[ExampleStatistics] = OptionalInput()
    model = Output(Model)
    model_run = Output(ModelRun)

    def check(self) -> Iterable[str]:
        """Exactly one source of examples and one of run_fn."""
        given = [name for name in ("examples", "transformed_examples") if name in self.inputs]
        if len(given) != 1:
            received = "both" if given else "neither"
            yield f"input 'examples': expected it or 'transformed_examples', received {received}"
        if (self.module_file is None) == (self.run_fn is None):
            yield (
                "parameter 'run_fn': expected exactly one of module_file (a Python file that defines run_fn) "
                "and run_fn (a function or its dotted path), "
                f"received module_file={self.module_file!r}, run_fn={self.run_fn!r}"
            )
        if self.custom_executor_spec is not None and not hasattr(self.custom_executor_spec, "run_for"):
            yield f"expected an ExecutorClassSpec, received custom_executor_spec={self.custom_executor_spec!r}"

    def cache_ingredients(self) -> Mapping[str, str]:
        """The code of run_fn and of every project module that it imports."""
        from mlops_tfx.execution.user_code import code_ingredients

        return code_ingredients(self.module_file, self.run_fn)

    def run(self) -> None:
        """Calls run_fn and checks what it wrote."""
        if self.custom_executor_spec is not None:
            self.custom_executor_spec.run_for(self)
        else:
            self.train(self.fn_args())

    def train(self, fn_args: FnArgs) -> None:
        """Calls run_fn with these arguments. Raises UserCodeError if it fails, or writes no sound model."""
        from mlops_tfx.execution.autograph import leave_libraries_unconverted
        from mlops_tfx.execution.user_code import load_function, user_code

        leave_libraries_unconverted()
        train = load_function(self.module_file, self.run_fn, "run_fn")
        filesystem.makedirs(self.model.uri)
        filesystem.makedirs(self.model_run.uri)
        with seeded(SEED), user_code("run_fn"):
            train(fn_args)
        check_saved_model(str(fn_args.serving_model_dir))
        _make_restorable(str(fn_args.serving_model_dir))
        self.model.custom_properties[TRAINED_ON] = describe_inputs(self._given())

    def _given(self) -> dict[str, Sequence[Artifact]]:
        found: dict[str, Sequence[Artifact]] = {}
        for name in self.INPUTS:
            value: Artifact | Sequence[Artifact] | None = getattr(self, name)
            if value:
                found[name] = [value] if isinstance(value, Artifact) else list(value)
        return found

    def fn_args(self) -> FnArgs:
        """What run_fn receives. Raises ArtifactError for a split or a file that is not there."""
        from mlops_tfx.io.dataset import data_accessor

        train_args, eval_args = self.train_args or TrainArgs(), self.eval_args or EvalArgs()
        examples = self.examples or self.transformed_examples
        schema_path = only_file(self.schema.uri, "schema.pbtxt") if self.schema else None
        graph_path = self.transform_graph.uri if self.transform_graph else None
        return FnArgs(
            train_files=split_patterns(examples, train_args.splits or ["train"], "train_args"),
            eval_files=split_patterns(examples, eval_args.splits or ["eval"], "eval_args"),
            train_steps=train_args.num_steps or None,
            eval_steps=eval_args.num_steps or None,
            schema_path=schema_path,
            schema_file=schema_path,
            transform_graph_path=graph_path,
            transform_output=graph_path,
            data_accessor=data_accessor(examples),
            serving_model_dir=os.path.join(self.model.uri, "Format-Serving"),
            eval_model_dir=os.path.join(self.model.uri, "Format-TFMA"),
            model_run_dir=self.model_run.uri,
            base_model=os.path.join(self.base_model.uri, "Format-Serving") if self.base_model else None,
            hyperparameters=_read_hyperparameters(self.hyperparameters) if self.hyperparameters else None,
            custom_config=self.custom_config,
            num_examples=_count_examples(self.statistics) if self.statistics else None,
        )


def _make_restorable(folder: str) -> None:
    from mlops_tfx.serving.export.restoring import link_variables

    unlinked = link_variables(folder)
    if unlinked:
        _LOG.warning(
            "tf.saved_model.save left %d variables of the model (%s, ...) unlinked from what TensorFlow Serving and "
            "BulkInferrer restore, as it does with Keras 3; the model was written anew, linked",
            len(unlinked),
            unlinked[0],
        )


def _read_hyperparameters(artifact: HyperParameters) -> dict[str, Any]:
    path = only_file(artifact.uri, "best_hyperparameters.txt")
    try:
        values = json.loads(filesystem.read_bytes(path))
    except ValueError as error:
        raise ArtifactError(f"expected JSON in {path!r}: {error}") from error
    if not isinstance(values, dict):
        raise ArtifactError(f"expected a JSON object in {path!r}, received {type(values).__name__}")
    return values


def _count_examples(statistics: ExampleStatistics) -> dict[str, int]:
    from mlops_tfx.io.protos import read_statistics

    counts = {}
    for split in statistics.splits:
        measured = read_statistics(only_file(statistics.path(split), "FeatureStats.pb"))
        counts[split] = int(measured.datasets[0].num_examples)
    return counts


def check_saved_model(folder: str) -> None:
    """Raises UserCodeError if ``folder`` is empty, or a SavedModel with variables that are no numbers.

    A folder without a SavedModel is taken, with a warning in the log.
    """
    advice = (
        f"write it to fn_args.serving_model_dir={folder!r}, for instance with "
        "mlops_tfx.serving.export.export_model(model, fn_args.transform_graph_path, fn_args.serving_model_dir)"
    )
    if not filesystem.isdir(folder) or not filesystem.listdir(folder):
        raise UserCodeError(f"run_fn returned without writing a model: {advice}")
    names = filesystem.listdir(folder)
    if "saved_model.pb" not in names and "saved_model.pbtxt" not in names:
        # Any kind of model is a model: a pickled one of scikit-learn, for instance. What it cannot be used for says so.
        _LOG.warning(
            "run_fn wrote no SavedModel (found %s in %s): to evaluate it give the Evaluator a module_file with "
            "custom_eval_shared_model and custom_extractors, and serve it with a server of its own",
            ", ".join(names),
            folder,
        )
        return
    _check_variables(os.path.join(folder, "variables", "variables"))


def _check_variables(prefix: str) -> None:
    if not filesystem.exists(f"{prefix}.index"):
        return
    import numpy as np
    import tensorflow as tf

    reader = tf.train.load_checkpoint(prefix)
    for key, dtype in sorted(reader.get_variable_to_dtype_map().items()):
        if not dtype.is_floating:
            continue
        value = np.asarray(reader.get_tensor(key), dtype=np.float64)
        # A scalar may be infinite on purpose ("the best loss so far"); a matrix of weights may not.
        bad = int(np.isnan(value).sum() if value.ndim == 0 else (~np.isfinite(value)).sum())
        if bad:
            name = key.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")
            raise UserCodeError(
                f"the model that run_fn wrote is broken: variable {name!r} of shape {value.shape} has {bad} values "
                "that are NaN or infinite, as the loss was; look for a division by zero or a logarithm of zero in "
                "the features, lower the learning rate, or stop early with keras.callbacks.TerminateOnNaN"
            )
