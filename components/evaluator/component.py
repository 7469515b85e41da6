"""Evaluator: measures a model in slices, compares it with a baseline and blesses it, or says why not."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Examples, Model, ModelBlessing, ModelEvaluation, Schema
from mlops_tfx.component import Component
from mlops_tfx.components.evaluator.settings import config_problem
from mlops_tfx.errors import ConfigError, ValidationFailure
from mlops_tfx.execution.user_code import code_ingredients, optional_function, user_code
from mlops_tfx.ports import Inputs, OptionalInput, Output

_LOG = logging.getLogger(__name__)
_USER_FUNCTIONS = ("custom_eval_shared_model", "custom_extractors")


class Evaluator(Component):
    """Evaluates a model with TFMA's metrics, writes TFMA's files, and blesses the model if all thresholds are met.

    Common metrics are computed from arrays in one pass; for everything else TFMA's own pipeline runs. Without any
    threshold no blessing is given.

    Args:
        examples: what to evaluate on.
        model: the candidate; without one, ``ModelSpec.prediction_key`` names the column of the predictions.
        baseline_model: what change thresholds compare with; without one they do not count (a first run).
        feature_slicing_spec: TFX's configuration for estimators, which TensorFlow no longer has; refused.
        fairness_indicator_thresholds: also compute confusion matrices and their rates at these thresholds.
        example_splits: names of the splits; ``eval`` by default.
        eval_config: an ``mlops_tfx.eval_config.EvalConfig``, a ``tfma.EvalConfig`` or a dict of that shape.
        schema: for metrics that ask for one.
        module_file: Python file with ``custom_eval_shared_model`` or ``custom_extractors``, with TFX's arguments.
        module_path: dotted path of such a module.
        fail_if_not_blessed: raise ValidationFailure instead of writing ``NOT_BLESSED``.

    Outputs:
        evaluation: TFMA's files (``tfma.load_eval_result`` reads them) and ``metrics.json`` (``read_metrics``).
        blessing: an empty file ``BLESSED`` or ``NOT_BLESSED``, and custom properties ``blessed``, ``current_model``,
            ``baseline_model`` and, when refused, ``not_blessed_reason``.
    """

    EXECUTION_TYPE: ClassVar[str | None] = "tfx.components.evaluator.component.Evaluator"
    BASE_TYPE: ClassVar[str | None] = "Evaluate"
    HEAVY_IMPORTS: ClassVar[tuple[str, ...]] = ("tensorflow", "apache_beam", "tensorflow_model_analysis")

    examples: Inputs[Examples]
    model: OptionalInput[Model] = OptionalInput()
    baseline_model: OptionalInput[Model] = OptionalInput()
    feature_slicing_spec: Any = None
    fairness_indicator_thresholds: list[float] | None = None
    example_splits: list[str] | None = None
    eval_config: Any = None
    schema: OptionalInput[Schema] = OptionalInput()
    module_file: str | None = None
    module_path: str | None = None
    fail_if_not_blessed: bool = False
    evaluation = Output(ModelEvaluation)
    blessing = Output(ModelBlessing)

    def check(self) -> Iterable[str]:
        if self.module_file and self.module_path:
            yield "expected module_file or module_path, received both"
        if self.feature_slicing_spec is not None and self.eval_config is not None:
            yield "expected eval_config or feature_slicing_spec, received both; set eval_config.slicing_specs"
        elif self.eval_config is None:
            yield (
                "eval_config is required: without it TFX takes the model for an estimator, which TensorFlow no longer "
                "has; slices are set by eval_config.slicing_specs"
            )
        else:
            problem = config_problem(self.eval_config)
            if problem:
                yield problem

    def cache_ingredients(self) -> Mapping[str, str]:
        function = f"{self.module_path}.{_USER_FUNCTIONS[0]}" if self.module_path else None
        return code_ingredients(self.module_file, function)

    def run(self) -> None:
        from mlops_tfx.components.evaluator.settings import eval_config_proto, has_thresholds

        config = eval_config_proto(
            self.eval_config,
            has_baseline=self.baseline_model is not None,
            fairness_indicator_thresholds=self.fairness_indicator_thresholds,
        )
        engine, validation = self._evaluate(config)
        blessed, reasons = None, []
        filesystem.makedirs(self.blessing.uri)
        if has_thresholds(config):
            reasons = self._bless(validation)
            blessed = not reasons
        else:
            self._log("no threshold is configured: the model is not validated and gets no blessing")
        from mlops_tfx.components.evaluator.results import write_metrics_json

        write_metrics_json(self.evaluation.uri, {"engine": engine, "blessed": blessed, "reasons": reasons})
        if reasons and self.fail_if_not_blessed:
            raise ValidationFailure("the model is not blessed: " + "; ".join(reasons))

    def _evaluate(self, config: Any) -> tuple[str, Any]:
        """Returns who computed (``arrays`` or ``tfma``) and TFMA's ValidationResult."""
        from mlops_tfx.components.evaluator.evaluation import evaluate
        from mlops_tfx.components.evaluator.pairing import NotVectorizable
        from mlops_tfx.components.evaluator.settings import needs_tfma
        from mlops_tfx.components.evaluator.tfma_pipeline import evaluate_with_tfma

        paths = self._model_paths(config)
        splits = self.example_splits or ["eval"]
        schema = self._read_schema()
        functions = self._user_functions()
        reason = "functions of the user's module" if functions else needs_tfma(config, paths)
        arguments = (self.examples, splits, config, paths, self.evaluation.uri)
        if reason is None:
            try:
                return "arrays", evaluate(*arguments, schema=schema, report_rows=self.context.report_rows)
            except NotVectorizable as error:
                reason = str(error)
        self._log(f"TFMA's own pipeline evaluates, row by row, because of: {reason}")
        return "tfma", evaluate_with_tfma(
            *arguments,
            beam_pipeline=self.context.beam_pipeline,
            temp_dir=self.context.temp_dir,
            schema=schema,
            custom_eval_shared_model=functions.get("custom_eval_shared_model"),
            custom_extractors=functions.get("custom_extractors"),
        )

    def _model_paths(self, config: Any) -> dict[str, str]:
        """Folder of the SavedModel for every ModelSpec."""
        paths = {}
        for spec in config.model_specs:
            artifact = self.baseline_model if spec.is_baseline else self.model
            if artifact is not None:
                paths[spec.name] = _saved_model(artifact, spec.model_type)
            elif self.model is None and not (spec.prediction_key or spec.prediction_keys):
                raise ConfigError("expected a model, or ModelSpec.prediction_key naming the column of the predictions")
        return paths

    def _user_functions(self) -> dict[str, Callable[..., Any]]:
        if self.module_file:
            found = {name: optional_function(self.module_file, name) for name in _USER_FUNCTIONS}
        elif self.module_path:
            with user_code(f"importing {self.module_path!r}"):
                module = importlib.import_module(self.module_path)
            found = {name: getattr(module, name, None) for name in _USER_FUNCTIONS}
        else:
            found = {}
        return {name: function for name, function in found.items() if function is not None}

    def _read_schema(self) -> Any:
        if self.schema is None:
            return None
        from mlops_tfx.io.protos import read_schema

        return read_schema(os.path.join(self.schema.uri, "schema.pbtxt"))

    def _bless(self, validation: Any) -> list[str]:
        from mlops_tfx.components.evaluator.blessing import bless

        reasons = bless(self.blessing, validation, self.context.node_id, self.model, self.baseline_model)
        if reasons:
            self._log("NOT BLESSED: " + "; ".join(reasons))
        else:
            self._log("BLESSED: all thresholds are met")
        return reasons

    def _log(self, text: str) -> None:
        _LOG.info(text)
        self.context.log(text)


def _saved_model(artifact: Model, model_type: str) -> str:
    folder = "Format-TFMA" if model_type == "tfma_eval" else "Format-Serving"
    path = os.path.join(artifact.uri, folder)
    # Models written by TFX before 0.29 lie in another folder.
    old = os.path.join(artifact.uri, "serving_model_dir")
    return old if not filesystem.exists(path) and filesystem.exists(old) else path
