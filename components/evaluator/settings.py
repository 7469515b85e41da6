"""The configuration of an evaluation: read in any of its forms, completed as TFX completes it, and checked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlops_tfx.errors import ConfigError, did_you_mean
from mlops_tfx.eval_config import EvalConfig

_PROTO_NAME = "tensorflow_model_analysis.EvalConfig"


def config_problem(value: Any) -> str | None:
    """What is wrong with a value given as ``eval_config``, or None; imports no TFMA."""
    if isinstance(value, EvalConfig) or _is_proto(value):
        return None
    if not isinstance(value, Mapping):
        return (
            "eval_config: expected mlops_tfx.eval_config.EvalConfig, tfma.EvalConfig or a dict of its shape, received "
            f"{type(value).__name__} {value!r}"
        )
    try:
        EvalConfig(**value)
    except ConfigError as error:
        return f"eval_config: {error}"
    return None


def _is_proto(value: Any) -> bool:
    return str(getattr(getattr(value, "DESCRIPTOR", None), "full_name", "")) == _PROTO_NAME


def eval_config_proto(
    value: Any, *, has_baseline: bool, fairness_indicator_thresholds: Sequence[float] | None = None
) -> Any:
    """Returns the ``tfma.EvalConfig`` that is evaluated, with TFX's defaults.

    Without a baseline model, baseline specs and change thresholds are dropped, as TFX does on a pipeline's first run.

    Raises:
        ConfigError: TFMA refuses it, or it names a metric that does not exist.
    """
    from tensorflow_model_analysis.utils import config_util

    given = value if _is_proto(value) else (value if isinstance(value, EvalConfig) else EvalConfig(**value)).to_proto()
    config = type(given)()
    config.CopyFrom(given)
    if fairness_indicator_thresholds:
        # The metric class FairnessIndicators has left TFMA; its rates are those of the confusion matrices.
        indicators = config.metrics_specs.add().metrics.add(class_name="ConfusionMatrixAtThresholds")
        indicators.config = json.dumps({"thresholds": list(fairness_indicator_thresholds)})
    config = config_util.update_eval_config_with_defaults(config, has_baseline=has_baseline, rubber_stamp=True)
    try:
        config_util.verify_eval_config(config)
    except ValueError as error:
        raise ConfigError(f"eval_config: {error}") from error
    if len(config.model_specs) > 2:
        raise ConfigError(
            f"expected one model and at most one baseline, received {len(config.model_specs)} model_specs"
        )
    _check_metric_classes(config)
    return config


def _check_metric_classes(config: Any) -> None:
    known = None
    for metric in (metric for spec in config.metrics_specs for metric in spec.metrics):
        if metric.module:
            continue
        known = known or metric_classes()
        if metric.class_name not in known:
            hint = did_you_mean(metric.class_name, known)
            # The whole list is several hundred names long.
            hint = hint if "did you mean" in hint else "; see tfma.metrics and tf_keras.metrics for the names"
            raise ConfigError(f"unknown metric MetricConfig(class_name={metric.class_name!r}){hint}")


def metric_classes() -> set[str]:
    """Names that MetricConfig.class_name may have without a module: TFMA's metrics, Keras' metrics and losses."""
    from tensorflow_model_analysis.metrics import metric_types
    from tensorflow_model_analysis.utils.keras_lib import tf_keras

    keras = {
        name
        for module, base in ((tf_keras.metrics, tf_keras.metrics.Metric), (tf_keras.losses, tf_keras.losses.Loss))
        for name, item in vars(module).items()
        if isinstance(item, type) and issubclass(item, base)
    }
    return keras | set(metric_types.registered_metrics())


def has_thresholds(config: Any) -> bool:
    """Whether anything is to be validated. Without a threshold TFX gives no blessing, lest one is given by mistake."""
    from tensorflow_model_analysis.metrics import metric_specs

    return bool(metric_specs.metric_thresholds_from_metrics_specs(config.metrics_specs, eval_config=config))


def add_metrics_of_thresholds(config: Any, computed: Iterable[str]) -> list[str]:
    """Adds the metrics that thresholds name and nothing computes, where a class has that name; returns the names.

    ``MetricsSpec(thresholds={"sparse_categorical_accuracy": ...})`` without ``metrics`` is how TFX's users ask for what
    the model was compiled with, which SavedModels of Keras 3 do not keep. ``accuracy`` stands for several metrics
    there, and is not guessed. The thresholds become those of the metric: TFMA finds them by whole keys, not by name.
    """
    names = set(computed) | {"accuracy", "loss"}
    added = []
    classes: dict[str, str] = {}
    for spec in config.metrics_specs:
        wanted = {*spec.thresholds, *spec.per_slice_thresholds, *spec.cross_slice_thresholds} - names
        if wanted and not classes:
            classes = {_snake_case(name): name for name in sorted(metric_classes())}
        for name in sorted(wanted & classes.keys()):
            _move_thresholds(spec, name, spec.metrics.add(class_name=classes[name]))
            added.append(name)
    return added


def _move_thresholds(spec: Any, name: str, metric: Any) -> None:
    if name in spec.thresholds:
        metric.threshold.CopyFrom(spec.thresholds[name])
    for field in ("per_slice_thresholds", "cross_slice_thresholds"):
        given = getattr(spec, field)
        getattr(metric, field).extend(given[name].thresholds if name in given else ())
        given.pop(name, None)
    spec.thresholds.pop(name, None)


def _snake_case(class_name: str) -> str:
    """The name that Keras gives a metric of a class."""
    words = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", class_name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def check_threshold_names(config: Any, computed: Iterable[str]) -> None:
    """Raises ConfigError for thresholds (given by metric name) on a metric that is not computed."""
    names = {name for name in computed if not name.startswith("_")}
    for spec in config.metrics_specs:
        for field in ("thresholds", "per_slice_thresholds", "cross_slice_thresholds"):
            for name in getattr(spec, field):
                if name not in names:
                    raise ConfigError(
                        f"MetricsSpec.{field} has a threshold for {name!r}, which is not computed"
                        f"{did_you_mean(name, names)}"
                    )


def needs_tfma(config: Any, model_paths: Mapping[str, str]) -> str | None:
    """Why only TFMA's own pipeline can evaluate this, or None."""
    options = config.options
    reasons = {
        "confidence intervals": options.compute_confidence_intervals.value,
        "cross slices": bool(config.cross_slicing_specs),
        "slices by SQL": any(spec.slice_keys_sql for spec in config.slicing_specs),
        "metrics per query": any(spec.query_key for spec in config.metrics_specs),
        "model types other than tf_generic": any(s.model_type not in ("", "tf_generic") for s in config.model_specs),
        "no metrics of its own": not config.metrics_specs,
        "a Keras 2 model with compiled metrics, called without a signature_name": _calls_keras(config, model_paths),
    }
    return next((reason for reason, applies in reasons.items() if applies), None)


def _calls_keras(config: Any, model_paths: Mapping[str, str]) -> bool:
    # Without a signature TFMA calls the Keras model itself, and not what it was saved with for serving.
    from mlops_tfx.components.evaluator.keras_metrics import has_compiled_metrics

    return any(
        not spec.signature_name and has_compiled_metrics(config, model_paths[spec.name])
        for spec in config.model_specs
        if spec.name in model_paths
    )
