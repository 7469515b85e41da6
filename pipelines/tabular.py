"""The whole pipeline for a table: from CSV files to a pushed model, every part replaceable."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from mlops_tfx.artifacts import Model, ModelBlessing
from mlops_tfx.channel import Channel
from mlops_tfx.components.csv_example_gen import CsvExampleGen
from mlops_tfx.components.evaluator import Evaluator
from mlops_tfx.components.example_validator import ExampleValidator
from mlops_tfx.components.import_schema_gen import ImportSchemaGen
from mlops_tfx.components.pusher import Pusher
from mlops_tfx.components.schema_gen import SchemaGen
from mlops_tfx.components.skew_validator import SkewValidator
from mlops_tfx.components.statistics_gen import StatisticsGen
from mlops_tfx.components.trainer import Trainer
from mlops_tfx.components.transform import Transform
from mlops_tfx.config import EvalArgs, PushDestination, TrainArgs
from mlops_tfx.connection import ConnectionConfig
from mlops_tfx.errors import ConfigError, did_you_mean
from mlops_tfx.eval_config import (
    EvalConfig,
    GenericChangeThreshold,
    GenericValueThreshold,
    MetricConfig,
    MetricDirection,
    MetricsSpec,
    MetricThreshold,
    ModelSpec,
    PerSliceMetricThreshold,
    SlicingSpec,
)
from mlops_tfx.node import Node
from mlops_tfx.pipeline import Pipeline
from mlops_tfx.resolvers import LatestBlessedModelStrategy, Resolver

Task = Literal["binary", "multiclass", "regression"]
UserFunction = str | os.PathLike[str] | Callable[..., Any]

# The first metric of a task decides whether a model is good enough, and no worse than the one in production.
_METRICS: Mapping[str, Sequence[str]] = {
    "binary": ("AUC", "AUCPrecisionRecall", "BinaryAccuracy", "BinaryCrossentropy", "Calibration"),
    "multiclass": ("SparseCategoricalAccuracy", "SparseCategoricalCrossentropy"),
    "regression": ("MeanSquaredError", "MeanAbsoluteError"),
}
_ANY_MODEL: Mapping[str, float] = {"binary": 0.5, "multiclass": 0.0, "regression": float("inf")}
_DEFAULTS = "mlops_tfx.pipelines"


def tabular_pipeline(
    name: str,
    data: str | os.PathLike[str],
    label: str,
    task: Task,
    pipeline_root: str | os.PathLike[str],
    push_to: str | os.PathLike[str],
    *,
    ignore: Sequence[str] = (),
    slices: Sequence[str] = (),
    threshold: float | None = None,
    schema_file: str | os.PathLike[str] | None = None,
    preprocessing_fn: UserFunction = f"{_DEFAULTS}.tabular_preprocessing.preprocessing_fn",
    run_fn: UserFunction = f"{_DEFAULTS}.tabular_model.run_fn",
    eval_config: Any = None,
    example_gen: Node | None = None,
    custom_config: Mapping[str, Any] | None = None,
    train_args: TrainArgs | None = None,
    eval_args: EvalArgs | None = None,
    fail_on_anomalies: bool = False,
    validate_skew: bool = False,
    enable_cache: bool = True,
    metadata_connection_config: ConnectionConfig | None = None,
    beam_pipeline_args: Sequence[str] = (),
) -> Pipeline:
    """Returns the pipeline: ingest, validate, transform, train, evaluate, push.

    Args:
        name: the pipeline's name.
        data: a folder of CSV files with the same header.
        label: the column to predict; no row may lack it.
        task: ``binary`` (a label of 0 and 1), ``multiclass`` or ``regression``.
        pipeline_root: folder for all outputs.
        push_to: folder for the pushed versions of the model.
        ignore: columns that are no features.
        slices: columns by whose values the evaluation is sliced.
        threshold: the least AUC (binary; default 0.5, as good as chance) or accuracy (multiclass; default 0), or the
            largest squared error (regression; by default any), with
            which a model is pushed. A model that is worse than the last one pushed is not pushed in any case.
        schema_file: a schema to hold the data against, in place of one that is inferred from them.
        preprocessing_fn: a module file that defines it, its dotted path, or the function.
        run_fn: likewise.
        eval_config: an ``EvalConfig`` of your own, or a ``tfma.EvalConfig``.
        example_gen: a node with an output ``examples``, in place of CsvExampleGen.
        custom_config: handed to ``preprocessing_fn`` and ``run_fn``, with ``label``, ``task`` and ``ignore`` added; for
            the model that comes with this pipeline, any of ``tabular_model.HYPERPARAMETERS``.
        train_args: splits and steps of training.
        eval_args: splits and steps of evaluation while training.
        fail_on_anomalies: whether the run stops at data that do not fit the schema.
        validate_skew: whether a model is only pushed if served answers equal training's, element by element. ``run_fn``
            must export with ``export_model``, or as SkewValidator wants it.
        enable_cache: whether results are reused.
        metadata_connection_config: the metadata store; by default a file in ``pipeline_root``.
        beam_pipeline_args: flags for Beam.

    Raises:
        ConfigError: ``task`` is unknown.
        WiringError: the parts do not fit.
    """
    if task not in _METRICS:
        raise ConfigError(f"expected a task, received task={task!r}{did_you_mean(str(task), _METRICS)}")
    config = {**(custom_config or {}), "label": label, "task": task, "ignore": list(ignore)}
    gen = example_gen or CsvExampleGen(input_base=os.fspath(data))
    examples = gen.outputs["examples"]
    statistics = StatisticsGen(examples=examples)
    schema_gen = _schema_gen(statistics, schema_file)
    schema = schema_gen.outputs["schema"]
    validator = ExampleValidator(
        statistics=statistics.outputs["statistics"],
        schema=schema,
        examples=examples,
        fail_on_anomalies=fail_on_anomalies,
    )
    transform = Transform(
        examples=examples, schema=schema, custom_config=config, **_user_function("preprocessing_fn", preprocessing_fn)
    )
    if fail_on_anomalies:
        transform.add_upstream_node(validator)
    trainer = Trainer(
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema,
        train_args=train_args,
        eval_args=eval_args,
        custom_config=config,
        **_user_function("run_fn", run_fn),
    )
    baseline = Resolver(
        strategy_class=LatestBlessedModelStrategy,
        candidate=trainer.outputs["model"],
        model=Channel(Model),
        model_blessing=Channel(ModelBlessing),
    ).with_id("latest_blessed_model")
    evaluator = Evaluator(
        examples=examples,
        model=trainer.outputs["model"],
        baseline_model=baseline.outputs["model"],
        schema=schema,
        eval_config=eval_config or default_eval_config(label, task, slices, threshold),
    )
    validators: list[Node] = [evaluator]
    blessings: dict[str, Any] = {"model_blessing": evaluator.outputs["blessing"]}
    if validate_skew:
        skew_validator = SkewValidator(
            model=trainer.outputs["model"],
            transform_graph=transform.outputs["transform_graph"],
            examples=examples,
            schema=schema,
            transformed_examples=transform.outputs["transformed_examples"],
            label_key=label,
        )
        validators.append(skew_validator)
        blessings["skew_blessing"] = skew_validator.outputs["blessing"]
    pusher = Pusher(
        model=trainer.outputs["model"],
        push_destination=PushDestination(filesystem=PushDestination.Filesystem(base_directory=os.fspath(push_to))),
        **blessings,
    )
    return Pipeline(
        pipeline_name=name,
        pipeline_root=os.fspath(pipeline_root),
        components=[gen, statistics, schema_gen, validator, transform, trainer, baseline, *validators, pusher],
        enable_cache=enable_cache,
        metadata_connection_config=metadata_connection_config,
        beam_pipeline_args=beam_pipeline_args,
    )


def default_eval_config(label: str, task: Task, slices: Sequence[str], threshold: float | None) -> EvalConfig:
    """Returns the evaluation of a task: its metrics, overall and by the values of each column in ``slices``."""
    first, *others = _METRICS[task]
    metrics = [MetricConfig(class_name=first, per_slice_thresholds=[_threshold(task, threshold)])]
    metrics += [MetricConfig(class_name=other) for other in ("ExampleCount", *others)]
    return EvalConfig(
        model_specs=[ModelSpec(signature_name="serving_default", label_key=label)],
        slicing_specs=[SlicingSpec(), *(SlicingSpec(feature_keys=[column]) for column in slices)],
        metrics_specs=[MetricsSpec(metrics=metrics)],
    )


def _threshold(task: Task, threshold: float | None) -> PerSliceMetricThreshold:
    is_error = task == "regression"
    bound = _ANY_MODEL[task] if threshold is None else threshold
    # Equally good is good enough; rounding must not decide.
    if is_error:
        # Relative, since the error has the unit of the label, squared.
        change = GenericChangeThreshold(relative=1e-6, direction=MetricDirection.LOWER_IS_BETTER)
    else:
        change = GenericChangeThreshold(absolute=-1e-6, direction=MetricDirection.HIGHER_IS_BETTER)
    # Without any value threshold a first model, which has no other to be compared with, would not be judged at all.
    value = GenericValueThreshold(**{"upper_bound" if is_error else "lower_bound": bound})
    # All rows together decide; a threshold without slicing specs would hold for every slice, the smallest too.
    return PerSliceMetricThreshold(
        slicing_specs=[SlicingSpec()], threshold=MetricThreshold(value_threshold=value, change_threshold=change)
    )


def _schema_gen(statistics: StatisticsGen, schema_file: str | os.PathLike[str] | None) -> Node:
    if schema_file is not None:
        return ImportSchemaGen(schema_file=os.fspath(schema_file))
    return SchemaGen(statistics=statistics.outputs["statistics"])


def _user_function(name: str, given: UserFunction) -> dict[str, Any]:
    """The arguments that a component takes for a function of the user's."""
    if callable(given):
        return {name: given}
    text = os.fspath(given)
    return {"module_file": text} if text.endswith(".py") else {name: text}
