"""TFMA's metric computations on arrays.

Every metric of TFMA rests on a few *combiners* that see one row at a time (counts, histograms of predictions,
confusion matrices, sums) and on functions that derive AUC, precision and all others from their results. Here each of
these combiners has a twin that adds whole arrays, and hands its sums back to TFMA's ``extract_output``: definitions,
names and derived metrics stay TFMA's own, only the loop over rows is gone.

TFMA's combiners do not publish their settings, so the twins read them from the instances. A combiner of an unknown
class, or one whose settings are not found, is fed row by row (``rowwise.py``), so a new release of TFMA can make
the evaluation slower but not different.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from mlops_tfx.components.evaluator.pairing import Array, NotVectorizable, Pairs, PairSpec, Rows, pair
from mlops_tfx.errors import DataError


class ArrayCombiner(ABC):
    """Adds whole arrays where one of TFMA's combiners adds rows.

    ``columns`` is called once per batch; ``add`` once per batch and slice, with the slice's rows of these columns.
    """

    FLATTEN: ClassVar[bool] = True

    def __init__(self, combiner: Any) -> None:
        self.combiner = combiner
        self.settings: Mapping[str, Any] = vars(combiner)
        self.spec = pair_spec(self.settings, flatten=self.FLATTEN)

    def columns(self, rows: Rows, pairs: PairCache) -> tuple[Array, ...]:
        """Arrays whose first axis is the row."""
        found = pairs.get(rows, self.spec)
        return found.labels, found.predictions, found.weights

    @abstractmethod
    def create(self) -> Any:
        """An empty state."""

    @abstractmethod
    def add(self, state: Any, *columns: Array) -> Any:
        """Returns the state with rows added; ``state`` may be changed in place."""

    @abstractmethod
    def accumulator(self, state: Any) -> Any:
        """The state as the accumulator of TFMA's combiner."""

    def output(self, state: Any) -> dict[Any, Any]:
        """Metric values by MetricKey or PlotKey."""
        return dict(self.combiner.extract_output(self.accumulator(state)))


class PairCache:
    """The pairs of the current batch, shared by the computations that ask for the same."""

    def __init__(self) -> None:
        self._rows: Rows | None = None
        self._found: dict[PairSpec, Pairs] = {}

    def get(self, rows: Rows, spec: PairSpec) -> Pairs:
        """Returns the pairs of ``rows``, computed once."""
        if rows is not self._rows:
            self._rows, self._found = rows, {}
        if spec not in self._found:
            self._found[spec] = pair(rows, spec)
        return self._found[spec]


def pair_spec(settings: Mapping[str, Any], *, flatten: bool) -> PairSpec:
    """Reads from a combiner's settings which pairs it works on."""
    key = settings.get("_key") or settings.get("_metric_key")
    sub_key = getattr(key, "sub_key", None) or settings.get("_sub_key")
    model_name = (getattr(key, "model_name", None) or settings.get("_model_name")) or ""
    model_spec = _model_spec(settings.get("_eval_config"), model_name)
    return PairSpec(
        model_name=model_name,
        output_name=(getattr(key, "output_name", None) or settings.get("_output_name")) or "",
        label_key=model_spec.label_key if model_spec is not None else "",
        prediction_key=model_spec.prediction_key if model_spec is not None else "",
        class_id=getattr(sub_key, "class_id", None),
        k=getattr(sub_key, "k", None),
        top_k=getattr(sub_key, "top_k", None),
        aggregated=settings.get("_aggregation_type") is not None,
        class_weights=tuple(sorted((settings.get("_class_weights") or {}).items())),
        weighted=bool(settings["_example_weighted"]),
        flatten=flatten,
    )


def _model_spec(eval_config: Any, model_name: str) -> Any:
    for spec in eval_config.model_specs if eval_config is not None else ():
        if (spec.name if len(eval_config.model_specs) > 1 else "") == model_name:
            return spec
    return None


def refuse_custom_pairs(settings: Mapping[str, Any]) -> None:
    """Raises NotVectorizable for a combiner that pairs labels and predictions by a function of its own."""
    function = settings.get("_extract_label_prediction_and_weight")
    if getattr(function, "__name__", "") != "to_label_prediction_example_weight" or settings.get("_example_id_key"):
        raise NotVectorizable("the metric pairs labels and predictions in its own way")


def check_fractional(labels: Array) -> None:
    """Raises DataError for labels that are no probabilities; TFMA allows a rounding error of 1e-7."""
    wrong = labels[~((labels >= -1e-7) & (labels <= 1 + 1e-7))]
    if wrong.size:
        raise DataError(f"expected labels from 0 to 1 for a binary metric, received label={wrong.flat[0]}")


class ExampleCount(ArrayCombiner):
    """Number of rows, or sum of their weights."""

    def columns(self, rows: Rows, pairs: PairCache) -> tuple[Array, ...]:
        if not self.spec.weighted or rows.weights is None:
            return (np.ones((rows.count, 1)),)
        weights = rows.weights
        for name in (self.spec.model_name, self.spec.output_name):
            if name and isinstance(weights, Mapping):
                weights = weights.get(name, weights)
        if isinstance(weights, Mapping) or weights is None:
            raise NotVectorizable("weights per output")
        return (weights.reshape(rows.count, -1),)

    def create(self) -> float:
        return 0.0

    def add(self, state: float, *columns: Array) -> float:
        return state + float(columns[0].sum(dtype=np.float64))

    def accumulator(self, state: float) -> float:
        return state


class Sums(ArrayCombiner):
    """Base of combiners whose state is a few sums: a row of floats."""

    # Attributes of TFMA's accumulator that hold the sums, in order.
    ATTRIBUTES: ClassVar[Sequence[str]] = ()

    def create(self) -> Array:
        return np.zeros(len(self.ATTRIBUTES))

    def add(self, state: Array, *columns: Array) -> Array:
        return state + self.sums(*columns)

    @abstractmethod
    def sums(self, *columns: Array) -> Array:
        """The sums over the given rows."""

    def accumulator(self, state: Array) -> Any:
        accumulator = self.combiner.create_accumulator()
        for name, value in zip(self.ATTRIBUTES, state.tolist(), strict=True):
            if not hasattr(accumulator, name):
                raise NotVectorizable(f"{type(accumulator).__name__} has no {name}")
            setattr(accumulator, name, value)
        return accumulator


class WeightedMeans(Sums):
    """Weighted sums of labels and predictions: Calibration, MeanLabel, MeanPrediction."""

    ATTRIBUTES = ("total_weighted_labels", "total_weighted_predictions", "total_weighted_examples")

    def __init__(self, combiner: Any) -> None:
        super().__init__(combiner)
        if self.spec.top_k is not None:
            raise NotVectorizable("TFMA counts only the last of the top k")

    def sums(self, *columns: Array) -> Array:
        labels, predictions, weights = columns
        return np.array([(labels * weights).sum(), (predictions * weights).sum(), weights.sum()], np.float64)


class RegressionError(Sums):
    """Base of mean errors. A value whose error is NaN does not count, as in TFMA."""

    ATTRIBUTES = ("total_regression_error", "total_example_weights")

    def sums(self, *columns: Array) -> Array:
        labels, predictions, weights = columns
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = self.errors(labels, predictions).astype(np.float64)
        counted = ~np.isnan(errors)
        return np.array([(errors[counted] * weights[counted]).sum(), weights[counted].sum()])

    @abstractmethod
    def errors(self, labels: Array, predictions: Array) -> Array:
        """The error of every value."""


class AbsoluteError(RegressionError):
    """|label - prediction|."""

    def errors(self, labels: Array, predictions: Array) -> Array:
        return np.asarray(np.absolute(labels - predictions))


class SquaredError(RegressionError):
    """(label - prediction) squared."""

    def errors(self, labels: Array, predictions: Array) -> Array:
        return np.asarray((labels - predictions).astype(np.float64) ** 2)


class AbsolutePercentageError(RegressionError):
    """Percent of the label; labels of 0 do not count."""

    def errors(self, labels: Array, predictions: Array) -> Array:
        errors = 100 * np.absolute((labels - predictions) / labels).astype(np.float64)
        return np.where(labels == 0, np.nan, errors)


class SquaredLogarithmicError(RegressionError):
    """(log(1 + label) - log(1 + prediction)) squared."""

    def errors(self, labels: Array, predictions: Array) -> Array:
        return np.asarray((np.log(labels + 1) - np.log(predictions + 1)).astype(np.float64) ** 2)


class CrossEntropy(Sums):
    """Base of cross entropies: the mean over rows of one number each."""

    FLATTEN = False
    ATTRIBUTES = ("total_cross_entropy", "total_example_weights")

    def sums(self, *columns: Array) -> Array:
        labels, predictions, weights = columns
        weights = weights.reshape(-1).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = self.entropies(labels, predictions).astype(np.float64)
        return np.array([(values * weights).sum(), weights.sum()])

    @abstractmethod
    def entropies(self, labels: Array, predictions: Array) -> Array:
        """The cross entropy of every row."""


class BinaryCrossEntropy(CrossEntropy):
    """Mean over the row's values of -label log(p) - (1 - label) log(1 - p)."""

    def entropies(self, labels: Array, predictions: Array) -> Array:
        smoothing = self.settings["_label_smoothing"]
        labels = labels * (1.0 - smoothing) + 0.5 * smoothing
        if self.settings["_from_logits"]:
            log_odds = np.log(1 + np.exp(-np.abs(predictions)))
            values = np.maximum(predictions, 0) - predictions * labels + log_odds
        else:
            values = -labels * np.log(predictions) - (1 - labels) * np.log(1 - predictions)
        return np.asarray(values.mean(axis=1))


class CategoricalCrossEntropy(CrossEntropy):
    """-sum of label log(p) with p normalised; where p is 0 nothing is added, as in TFMA."""

    def entropies(self, labels: Array, predictions: Array) -> Array:
        smoothing = self.settings["_label_smoothing"]
        labels = labels * (1.0 - smoothing) + smoothing / predictions.shape[1]
        if self.settings["_from_logits"]:
            predictions = np.exp(predictions)
        predictions = predictions / predictions.sum(axis=1, keepdims=True)
        terms = labels * np.log(np.where(predictions > 0, predictions, 1.0))
        return np.asarray(-terms.sum(axis=1))


class ClassWeights(ArrayCombiner):
    """Share of every class among the labels: the weights of a weighted macro average."""

    FLATTEN = False

    def create(self) -> Array:
        return np.zeros(len(self.settings["_class_ids"]))

    def add(self, state: Array, *columns: Array) -> Array:
        labels, _, weights = columns
        ids = self.settings["_class_ids"]
        if labels.shape[1] == 1:
            labels = (labels == np.array([ids])).astype(np.float64)
        elif max(ids) >= labels.shape[1]:
            raise DataError(f"expected labels of more than {max(ids)} classes, received {labels.shape[1]}")
        else:
            labels = labels[:, list(ids)]
        return np.asarray(state + (labels * weights).sum(axis=0, dtype=np.float64))

    def accumulator(self, state: Array) -> dict[int, float]:
        return dict(zip(self.settings["_class_ids"], state.tolist(), strict=True))
