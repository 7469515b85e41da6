"""The metrics of an evaluation: planned from TFMA's configuration, computed in one pass over the batches."""

from __future__ import annotations

import logging
import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlops_tfx.components.evaluator import combiners, histograms
from mlops_tfx.components.evaluator.combiners import ArrayCombiner, PairCache
from mlops_tfx.components.evaluator.keras_metrics import CompiledMetrics, KerasMetrics
from mlops_tfx.components.evaluator.matrices import Result, result_function
from mlops_tfx.components.evaluator.pairing import Array, NotVectorizable, Rows
from mlops_tfx.components.evaluator.rowwise import RowByRow
from mlops_tfx.components.evaluator.slices import SliceKey

_LOG = logging.getLogger(__name__)

# TFMA's combiners and their twins. Names only: a class that a release of TFMA renames is then fed row by row.
TWINS: Mapping[str, type[ArrayCombiner]] = {
    "_ExampleCountCombiner": combiners.ExampleCount,
    "_WeightedLabelsPredictionsExamplesCombiner": combiners.WeightedMeans,
    "_MeanAbsoluteErrorCombiner": combiners.AbsoluteError,
    "_MeanSquaredErrorCombiner": combiners.SquaredError,
    "_MeanAbsolutePercentageErrorCombiner": combiners.AbsolutePercentageError,
    "_MeanSquaredLogarithmicErrorCombiner": combiners.SquaredLogarithmicError,
    "_BinaryCrossEntropyCombiner": combiners.BinaryCrossEntropy,
    "_CategoricalCrossEntropyCombiner": combiners.CategoricalCrossEntropy,
    "_ClassWeightsFromLabelsCombiner": combiners.ClassWeights,
    "_CalibrationHistogramCombiner": histograms.CalibrationHistogram,
    "_BinaryConfusionMatrixCombiner": histograms.BinaryConfusionMatrices,
    "_MultiClassConfusionMatrixCombiner": histograms.MultiClassConfusionMatrices,
    "_CompilableMetricsCombiner": KerasMetrics,
    "_KerasCompiledMetricsCombiner": CompiledMetrics,
}
_SMALL_SLICE = (
    "Example count for this slice key is lower than the minimum required value: %d. "
    "No data is aggregated for this slice."
)


@dataclass(frozen=True)
class Plan:
    """TFMA's computations for a configuration, each once and in TFMA's order; ``names`` are the metrics' names."""

    combining: tuple[ArrayCombiner, ...]
    derived: tuple[Result, ...]
    last: tuple[Result, ...]
    baseline_name: str | None
    min_slice_size: int
    names: frozenset[str]


def plan_metrics(eval_config: Any, schema: Any = None, compiled: Sequence[Any] = ()) -> Plan:
    """Returns what to compute, ``compiled`` computations of the models first, as TFMA orders them.

    Raises NotVectorizable for what only TFMA's own pipeline can do.
    """
    from tensorflow_model_analysis.metrics import metric_specs, metric_types
    from tensorflow_model_analysis.utils import model_util

    computations = metric_specs.to_computations(list(eval_config.metrics_specs), eval_config=eval_config, schema=schema)
    # Computations that depend on the same sums bring a copy each; equal ones are equal and have one hash.
    unique = dict.fromkeys([*compiled, *computations])
    combining, derived, last = [], [], []
    for computation in unique:
        if isinstance(computation, metric_types.MetricComputation):
            combining.append(_combiner(computation))
        elif isinstance(computation, metric_types.CIDerivedMetricComputation):
            last.append(computation.result)
        elif isinstance(computation, metric_types.DerivedMetricComputation):
            derived.append(result_function(computation))
    baseline = model_util.get_baseline_model_spec(eval_config)
    return Plan(
        combining=tuple(combining),
        derived=tuple(derived),
        last=tuple(last),
        baseline_name=baseline.name if baseline is not None else None,
        min_slice_size=eval_config.options.min_slice_size.value,
        names=frozenset(key.name for computation in unique for key in getattr(computation, "keys", ())),
    )


def _combiner(computation: Any) -> ArrayCombiner:
    name = type(computation.combiner).__name__
    preprocessors = computation.preprocessors or ()
    simple = all(type(item).__name__ == "StandardMetricInputsPreprocessor" for item in preprocessors)
    if not simple or len(preprocessors) > 1 or (preprocessors and name != "_ExampleCountCombiner"):
        raise NotVectorizable(f"{name} reads features of the examples")
    if name not in TWINS:
        _LOG.info("%s is computed row by row: there is no array version of it", name)
        return RowByRow(computation.combiner)
    try:
        return TWINS[name](computation.combiner)
    except (KeyError, AttributeError) as error:
        _LOG.warning("%s of this release of TFMA is computed row by row: it has no setting %s", name, error)
        return RowByRow(computation.combiner)
    except NotVectorizable as error:
        _LOG.info("%s is computed row by row: %s", name, error)
        return RowByRow(computation.combiner)


class MetricAccumulator:
    """Sums of all slices, and the metrics made from them."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._states: dict[SliceKey, list[Any]] = {}
        self._counts: dict[SliceKey, int] = {}
        self._pairs = PairCache()

    def add(self, rows: Rows, slices: Mapping[SliceKey, Array]) -> None:
        """Adds a batch; ``slices`` gives the rows of every slice in it."""
        columns = [combiner.columns(rows, self._pairs) for combiner in self._plan.combining]
        for key, members in slices.items():
            states = self._states.setdefault(key, [combiner.create() for combiner in self._plan.combining])
            self._counts[key] = self._counts.get(key, 0) + len(members)
            whole = len(members) == rows.count
            for index, combiner in enumerate(self._plan.combining):
                chosen = columns[index] if whole else tuple(column[members] for column in columns[index])
                states[index] = combiner.add(states[index], *chosen)

    def results(self) -> Iterable[tuple[SliceKey, dict[Any, Any]]]:
        """Yields every slice, all rows first, with its metrics and plots by key."""
        for key in sorted(self._states, key=_slice_order):
            if key and self._counts[key] < self._plan.min_slice_size:
                yield key, {"__ERROR__": _SMALL_SLICE % self._plan.min_slice_size}
            else:
                yield key, self._metrics(self._states[key])

    def _metrics(self, states: list[Any]) -> dict[Any, Any]:
        metrics: dict[Any, Any] = {}
        for combiner, state in zip(self._plan.combining, states, strict=True):
            metrics.update(combiner.output(state))
        for derive in self._plan.derived:
            metrics.update(derive(metrics))
        if self._plan.baseline_name:
            metrics.update(_differences(metrics, self._plan.baseline_name))
        for derive in self._plan.last:
            metrics.update(derive(metrics))
        return {key: value for key, value in metrics.items() if not _is_private(key)}


def _slice_order(key: SliceKey) -> tuple[Any, ...]:
    # Values of one column may differ in type, which do not compare.
    return len(key), [(name, type(value).__name__, value) for name, value in key]


def _is_private(key: Any) -> bool:
    return key.name.startswith("_") and not key.name.startswith("__")


def _differences(metrics: Mapping[Any, Any], baseline_name: str) -> dict[Any, Any]:
    """Candidate minus baseline, for every metric that both have and that is a number."""
    found = {}
    for key, value in metrics.items():
        if _is_private(key) or key.is_diff or key.model_name == baseline_name:
            continue
        baseline_key = key.make_baseline_key(baseline_name)
        if baseline_key in metrics and _is_number(value):
            found[key.make_diff_key()] = value - metrics[baseline_key]
    return found


def _is_number(value: Any) -> bool:
    from tensorflow_model_analysis.api.types import StructuredMetricValue

    if isinstance(value, np.ndarray):
        return bool(np.issubdtype(value.dtype, np.number))
    return isinstance(value, numbers.Number | StructuredMetricValue)
