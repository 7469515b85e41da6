"""Labels, predictions and weights of whole batches, paired as TFMA pairs them row by row.

The counterpart of ``tfma.metrics.to_label_prediction_example_weight``: it looks up model and output, applies the
prediction key, the class vocabulary, class ids, top k and class weights, all on arrays whose first axis is the row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlops_tfx.errors import DataError

Array = npt.NDArray[Any]

# Where TFMA looks for the prediction in a model's outputs when no prediction_key is given.
DEFAULT_PREDICTION_KEYS = ("scores", "outputs", "predictions", "logistic", "probabilities", "logits")


class NotVectorizable(Exception):
    """What is asked for cannot be computed on arrays here; TFMA computes it row by row instead."""


@dataclass(frozen=True)
class Rows:
    """What the metrics of one batch need.

    Attributes:
        count: number of rows.
        labels, weights: arrays of shape (rows, values); by model name for several models; by output name for several
            outputs; None when there are none.
        predictions: an array of shape (rows, ...); by model name for several models; by output name for several
            outputs.
    """

    count: int
    labels: Any
    predictions: Any
    weights: Any


@dataclass(frozen=True)
class PairSpec:
    """Which pairs a computation asks for. The fields are the arguments of TFMA's function."""

    model_name: str = ""
    output_name: str = ""
    label_key: str = ""
    prediction_key: str = ""
    class_id: int | None = None
    k: int | None = None
    top_k: int | None = None
    aggregated: bool = False
    class_weights: tuple[tuple[int, float], ...] = ()
    weighted: bool = False
    flatten: bool = True


@dataclass(frozen=True)
class Pairs:
    """Labels, predictions and weights of shape (rows, values); weights are (rows, 1) unless flattened."""

    labels: Array
    predictions: Array
    weights: Array


def pair(rows: Rows, spec: PairSpec) -> Pairs:
    """Returns the pairs of a batch.

    Raises NotVectorizable where rows would have to be treated differently from each other.
    """
    label, prediction, weight = _look_up(rows, spec)
    label, prediction = _label_and_prediction(label, prediction, spec.prediction_key)
    label, prediction = _as_rows(label), _as_rows(prediction)
    label, prediction = _select(label, prediction, spec)
    if not spec.flatten:
        return Pairs(label, prediction, _row_weights(weight, rows.count))
    return _flatten(label, prediction, weight, spec)


def one_hot(labels: Array, classes: int) -> Array:
    """Class ids of shape (rows, 1) as one row of 0 and 1 each; -1 (no class) gives all zeros."""
    ids = labels.reshape(-1).astype(np.int64)
    if ids.size and (ids.min() < -1 or ids.max() >= classes):
        wrong = ids[(ids < -1) | (ids >= classes)][0]
        raise DataError(f"expected labels from 0 to {classes - 1} (the model has {classes} classes), received {wrong}")
    return np.eye(classes + 1)[ids][:, :classes]


def _look_up(rows: Rows, spec: PairSpec) -> tuple[Any, Any, Any]:
    label = _optionally(rows.labels, spec.label_key) if spec.label_key else rows.labels
    prediction, weight = rows.predictions, rows.weights
    for name in (spec.model_name, spec.output_name):
        if name:
            prediction = _required(prediction, name)
            label, weight = _optionally(label, name), _optionally(weight, name)
    if not spec.weighted or weight is None:
        weight = np.ones((rows.count, 1), np.float32)
    for kind, value in (("label", label), ("weight", weight)):
        if isinstance(value, Mapping):
            raise DataError(
                f"the model's {kind}s come per output ({', '.join(value)}), but the metric names no output: set "
                "MetricsSpec.output_names"
            )
    return label, prediction, weight


def _optionally(value: Any, name: str) -> Any:
    return value[name] if isinstance(value, Mapping) and name in value else value


def _required(value: Any, name: str) -> Any:
    if not isinstance(value, Mapping):
        return value
    if name not in value:
        raise DataError(f"expected predictions for {name!r}, the model gives {', '.join(sorted(value))}")
    return value[name]


def _label_and_prediction(label: Any, prediction: Any, prediction_key: str) -> tuple[Any, Any]:
    vocabulary = None
    if isinstance(prediction, Mapping):
        vocabulary = _vocabulary(prediction)
        prediction = _one_output(prediction, prediction_key)
    if label is None or prediction is None:
        raise NotVectorizable("labels or predictions are absent")
    if label.dtype.kind in "OSU" and vocabulary is not None:
        label = _class_ids(label, vocabulary)
        if label.size and (label == -1).any():
            label = one_hot(label, prediction.shape[-1])
    if label.dtype.kind in "OSU":
        raise DataError(
            f"the label is text ({label.flat[0]!r}), and the model's outputs hold no class vocabulary to number it by "
            "(expected `all_classes`, or `scores` with `classes`): let the model return one, or evaluate a numeric "
            "label, for example through ModelSpec.preprocessing_function_names"
        )
    return label, prediction


def _vocabulary(outputs: Mapping[str, Array]) -> Array | None:
    found = outputs.get("all_classes")
    if found is None and "scores" in outputs:
        found = outputs.get("classes")
    # The vocabulary comes once per row; all rows are equal.
    return None if found is None else found.reshape(-1, found.shape[-1])[0]


def _one_output(outputs: Mapping[str, Array], prediction_key: str) -> Array:
    wanted = [prediction_key] if prediction_key else [key for key in DEFAULT_PREDICTION_KEYS if key in outputs]
    if not wanted or wanted[0] not in outputs:
        asked = f"ModelSpec.prediction_key={prediction_key!r}" if prediction_key else "no ModelSpec.prediction_key"
        raise DataError(
            f"expected one prediction per row, the model gives {', '.join(sorted(outputs))} and there is {asked}"
        )
    return outputs[wanted[0]]


def _class_ids(labels: Array, vocabulary: Array) -> Array:
    known: dict[Any, int] = {}
    for index, name in enumerate(vocabulary.tolist()):
        known.setdefault(name, index)
    names, inverse = np.unique(labels.astype(object).reshape(-1), return_inverse=True)
    ids = np.array([known.get(name, -1) for name in names.tolist()], np.int64)
    return ids[inverse].reshape(labels.shape)


def _as_rows(values: Array) -> Array:
    """Shape (rows, values); what has more axes is TFMA's business."""
    if values.ndim > 2:
        squeezed = values.reshape(values.shape[0], -1)
        if squeezed.shape[1] != max(values.shape[1:]):
            raise NotVectorizable(f"labels or predictions have shape {values.shape}")
        return squeezed
    return values.reshape(-1, 1) if values.ndim == 1 else values


def _select(label: Array, prediction: Array, spec: PairSpec) -> tuple[Array, Array]:
    for name, k in (("k", spec.k), ("top_k", spec.top_k)):
        if k is not None and prediction.shape[-1] < k:
            raise DataError(f"expected at least {k} predictions a row for {name}={k}, received {prediction.shape[-1]}")
    if spec.k is not None:
        index = np.argpartition(prediction, -spec.k, axis=-1)[:, -spec.k][:, None]
        label = _dense(label, prediction)
        return np.take_along_axis(label, index, -1), np.take_along_axis(prediction, index, -1)
    if spec.top_k is not None:
        label, prediction = _best(label, prediction, spec.top_k, spec.aggregated)
    if spec.class_id is not None:
        return _one_class(label, prediction, spec.class_id)
    return label, prediction


def _best(label: Array, prediction: Array, top_k: int, aggregated: bool) -> tuple[Array, Array]:
    index = np.argpartition(prediction, -top_k, axis=-1)[:, -top_k:]
    chosen = np.take_along_axis(prediction, index, -1)
    if aggregated:
        return np.take_along_axis(_dense(label, prediction), index, -1), chosen
    result = np.full(prediction.shape, float("-inf"))
    np.put_along_axis(result, index, chosen, -1)
    return label, result


def _one_class(label: Array, prediction: Array, class_id: int) -> tuple[Array, Array]:
    if not 0 <= class_id < prediction.shape[-1]:
        raise DataError(f"expected a class id below {prediction.shape[-1]}, received class_id={class_id}")
    if label.shape[-1] != prediction.shape[-1]:
        if label.shape[-1] != 1:
            raise NotVectorizable(f"labels of shape {label.shape} for predictions of shape {prediction.shape}")
        chosen = (label == class_id).astype(np.int64)
    else:
        chosen = label[:, class_id : class_id + 1]
    return chosen, prediction[:, class_id : class_id + 1]


def _dense(label: Array, prediction: Array) -> Array:
    if label.shape == prediction.shape:
        return label
    if label.shape[-1] != 1:
        raise NotVectorizable(f"labels of shape {label.shape} for predictions of shape {prediction.shape}")
    return one_hot(label, prediction.shape[-1])


def _row_weights(weight: Array, count: int) -> Array:
    weight = weight.reshape(count, -1)
    if weight.shape[1] != 1:
        raise NotVectorizable("several weights a row")
    return weight


def _flatten(label: Array, prediction: Array, weight: Array, spec: PairSpec) -> Pairs:
    values = prediction.shape[-1]
    weight = weight.reshape(prediction.shape[0], -1).astype(np.float64)
    if weight.shape[1] == 1:
        weight = np.repeat(weight, values, axis=1)
    elif weight.shape[1] != values:
        raise DataError(f"expected 1 or {values} weights a row, received {weight.shape[1]}")
    if spec.class_weights:
        factors = dict(spec.class_weights)
        weight = weight * np.array([factors.get(i, 0.0) for i in range(values)])
    return Pairs(_dense(label, prediction), prediction, weight)
