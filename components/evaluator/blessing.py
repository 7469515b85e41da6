"""The verdict on a model: TFX's blessing file and properties, and the reasons in words."""

from __future__ import annotations

import os
from typing import Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Model, ModelBlessing
from mlops_tfx.components.evaluator.tfma_rows import metric_name, text_of

BLESSED = "BLESSED"
NOT_BLESSED = "NOT_BLESSED"
# Custom properties are for reading; ML Metadata on MySQL takes 64 KiB of text.
_MAX_REASON = 4000


def bless(
    blessing: ModelBlessing, validation: Any, node_id: str, model: Model | None, baseline: Model | None
) -> list[str]:
    """Writes the blessing file and its custom properties, as TFX does; returns why the model is not blessed.

    Args:
        blessing: the artifact.
        validation: TFMA's ValidationResult.
        node_id: id of the Evaluator.
        model: the candidate.
        baseline: the model it was compared with.
    """
    properties = blessing.custom_properties
    if model is not None:
        properties["current_model"], properties["current_model_id"] = model.recorded_uri, model.id
    if baseline is not None:
        properties["baseline_model"], properties["baseline_model_id"] = baseline.recorded_uri, baseline.id
    properties["component_id"] = node_id
    properties["blessed"] = int(validation.validation_ok)
    filesystem.write_bytes(os.path.join(blessing.uri, BLESSED if validation.validation_ok else NOT_BLESSED), b"")
    reasons = [] if validation.validation_ok else refusals(validation)
    if reasons:
        properties["not_blessed_reason"] = "; ".join(reasons)[:_MAX_REASON]
    return reasons


def refusals(validation: Any) -> list[str]:
    """Every threshold that was not met: which metric, in which slice, what was expected and what was measured."""
    from tensorflow_model_analysis.slicer import slicer_lib

    found = []
    for item in validation.metric_validations_per_slice:
        if item.HasField("cross_slice_key"):
            keys = slicer_lib.deserialize_cross_slice_key(item.cross_slice_key)
            where = " vs ".join(text_of(key) for key in keys)
        else:
            where = text_of(slicer_lib.deserialize_slice_key(item.slice_key))
        found += [f"{_refusal(failure)} (slice {where})" for failure in item.failures]
    for spec in validation.missing_slices:
        wanted = [*spec.feature_keys, *(f"{name}={value}" for name, value in spec.feature_values.items())]
        found.append(f"no slice of {', '.join(wanted) or 'all rows'} was found, but there are thresholds for it")
    if validation.missing_cross_slices:
        found.append("a pair of slices was not found, but there are thresholds for it")
    return found or ["TFMA gives no reason"]


def _refusal(failure: Any) -> str:
    name = metric_name(failure.metric_key)
    details = [f"{key}={value}" for key, value in name.items() if key not in ("metric", "is_diff")]
    metric = name["metric"] + (f" [{', '.join(details)}]" if details else "")
    bounds = _bounds(failure.metric_threshold)
    if not failure.HasField("metric_value"):
        return f"{metric}: expected {bounds}, but {' '.join(failure.message.split()) or 'it was not computed'}"
    value = failure.metric_value.double_value.value
    change = "change of " if failure.metric_threshold.HasField("change_threshold") else ""
    return f"{change}{metric}: expected {bounds}, received {value:.6g}"


def _bounds(threshold: Any) -> str:
    if threshold.HasField("value_threshold"):
        limits = threshold.value_threshold
        parts = [("at least", limits, "lower_bound", ""), ("at most", limits, "upper_bound", "")]
    else:
        limits = threshold.change_threshold
        word = "at most" if limits.direction == 1 else "at least"
        parts = [(word, limits, "absolute", ""), (word, limits, "relative", " times the baseline")]
    known = [f"{word} {getattr(m, field).value:g}{unit}" for word, m, field, unit in parts if m.HasField(field)]
    return " and ".join(known) or "a bound"
