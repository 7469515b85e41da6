"""Confusion matrices from a histogram of predictions, on arrays: the one slow step among TFMA's derived metrics.

TFMA walks over 10,000 buckets and thresholds in Python, for every slice. This is the same sum in the same order, so
results are equal to the last bit.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mlops_tfx.components.evaluator.pairing import Array

_MODULE = "tensorflow_model_analysis.metrics.binary_confusion_matrices"
_EPSILON = 1e-7
_BUCKETS = 10_000

Metrics = Mapping[Any, Any]
Result = Callable[[Metrics], Mapping[Any, Any]]


def result_function(computation: Any) -> Result:
    """Returns the function that computes a derived metric: TFMA's, or its twin on arrays where there is one."""
    original: Result = computation.result
    if getattr(original, "__module__", "") != _MODULE:
        return original
    settings = inspect.getclosurevars(original).nonlocals
    needed = ("use_histogram", "thresholds", "input_metric_key", "matrices_key")
    if any(name not in settings for name in needed) or not settings["use_histogram"]:
        return original
    thresholds: list[float] = list(settings["thresholds"])
    if thresholds != sorted(thresholds):
        return original

    def result(metrics: Metrics) -> Mapping[Any, Any]:
        return {settings["matrices_key"]: matrices(metrics[settings["input_metric_key"]], thresholds)}

    return result


def matrices(histogram: Sequence[Any], thresholds: list[float]) -> Any:
    """TFMA's ``Matrices`` at the thresholds (ascending), from the buckets of a histogram over [0, 1]."""
    from tensorflow_model_analysis.metrics.binary_confusion_matrices import Matrices

    positive: Array
    examples: Array
    ids = np.array([bucket.bucket_id for bucket in histogram], np.int64)
    positive = np.array([bucket.weighted_labels for bucket in histogram], np.float64)
    examples = np.array([bucket.weighted_examples for bucket in histogram], np.float64)
    if not (len(thresholds) == 1 and thresholds[0] < 0):
        edges = _edges(thresholds)
        index = np.clip(np.searchsorted(edges, _starts(ids), side="right") - 1, 0, None)
        positive = np.bincount(index, weights=positive, minlength=len(edges))
        examples = np.bincount(index, weights=examples, minlength=len(edges))
    negative = examples - positive
    tp, fp = (part[::-1].cumsum()[::-1] for part in (positive, negative))
    tn, fn = (np.concatenate([[0.0], part.cumsum()[:-1]]) if len(part) else part for part in (negative, positive))
    first = 1 if (thresholds[0] >= 0 or len(thresholds) == 1) and len(positive) > 1 else 0
    tp, fp, tn, fn = (part[first : first + len(thresholds)] for part in (tp, fp, tn, fn))
    # Beyond 1 nothing is predicted positive.
    beyond = np.asarray(thresholds) >= 1.0 + _EPSILON
    if beyond.any():
        tp, fp = np.where(beyond, 0.0, tp), np.where(beyond, 0.0, fp)
        fn, tn = np.where(beyond, tp[0], fn), np.where(beyond, fp[0], tn)
    return Matrices(thresholds, tp.tolist(), tn.tolist(), fp.tolist(), fn.tolist())


def _edges(thresholds: Sequence[float]) -> Array:
    """Where buckets are cut: TFMA's thresholds are exclusive, its buckets include their start."""
    edges = [t + _EPSILON if t != 0 else t for t in thresholds]
    if thresholds[0] >= 0:
        edges = [-_EPSILON, *edges]
    if thresholds[-1] < 1.0:
        edges = [*edges, 1.0 + _EPSILON]
    return np.asarray(edges, np.float64)


def _starts(ids: Array) -> Array:
    starts = (ids - 1) / _BUCKETS
    return np.where(ids == 0, -np.inf, np.where(ids > _BUCKETS, np.inf, starts))
