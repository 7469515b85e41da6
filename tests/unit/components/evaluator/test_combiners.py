"""Every array combiner against TFMA's own combiner, which is fed the same rows one by one."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format

from mlops_tfx.components.evaluator.keras_metrics import CompiledMetrics
from mlops_tfx.components.evaluator.metrics import TWINS, MetricAccumulator, plan_metrics
from mlops_tfx.components.evaluator.pairing import NotVectorizable, Rows
from mlops_tfx.components.evaluator.rowwise import RowByRow
from mlops_tfx.errors import DataError

ROWS = 40


def parse(text: str) -> Any:
    from tensorflow_model_analysis.proto import config_pb2

    return text_format.Parse(text, config_pb2.EvalConfig())


def binary_rows(rng: np.random.Generator, rows: int = ROWS) -> Rows:
    predictions = rng.random((rows, 1)).astype(np.float32)
    # Values on the borders of buckets and thresholds, where a careless comparison goes wrong.
    predictions[:6, 0] = [0.0, 1.0, 0.5, 0.25, 0.7, 0.0001]
    labels = (rng.random((rows, 1)) < predictions).astype(np.int64)
    weights = rng.uniform(0, 2, (rows, 1)).astype(np.float32)
    weights[7] = 0.0
    return Rows(rows, labels, predictions, weights)


def class_rows(rng: np.random.Generator, rows: int = ROWS, dense: bool = False) -> Rows:
    raw = rng.random((rows, 4)).astype(np.float32)
    labels = rng.integers(0, 4, (rows, 1))
    if dense:
        labels = np.eye(4, dtype=np.int64)[labels[:, 0]]
    weights = rng.uniform(0.1, 2, (rows, 1)).astype(np.float32)
    return Rows(rows, labels, raw / raw.sum(axis=1, keepdims=True), weights)


def regression_rows(rng: np.random.Generator, rows: int = ROWS) -> Rows:
    labels = rng.normal(3, 2, (rows, 1)).astype(np.float32) ** 2
    labels[3] = 0.0
    return Rows(rows, labels, labels + rng.normal(size=(rows, 1)).astype(np.float32) ** 2, None)


def metrics(*names: str, options: str = "") -> str:
    """The text of a MetricsSpec; a name may carry its config after a colon."""
    parts = [name.partition(":") for name in names]
    listing = " ".join(f"metrics {{ class_name: '{n}' config: '{{{c}}}' }}" for n, _, c in parts)
    return f"metrics_specs {{ {listing} {options} }}"


BOTH = "example_weights { weighted: true unweighted: true }"
BINARY = metrics(
    "ExampleCount", "WeightedExampleCount", "AUC", "AUCPrecisionRecall", "Precision", "Recall", "BinaryAccuracy",
    "F1Score", "Calibration", "MeanLabel", "MeanPrediction", "BinaryCrossentropy", "BinaryCrossEntropy",
    "ConfusionMatrixPlot", "CalibrationPlot", "MatthewsCorrelationCoefficient",
    'AUC:"num_thresholds": 200, "name": "a"',
    'ConfusionMatrixAtThresholds:"thresholds": [0.25, 0.5, 0.7]', 'Precision:"thresholds": 0.7, "name": "p"',
    'SpecificityAtSensitivity:"sensitivity": 0.5', "Hinge", "CoefficientOfDiscrimination", "SquaredPearsonCorrelation",
    'BinaryCrossEntropy:"label_smoothing": 0.1, "name": "s"',
    options=BOTH,
)  # fmt: skip
SPARSE = metrics(
    "SparseCategoricalAccuracy", "SparseCategoricalCrossentropy", 'SparseTopKCategoricalAccuracy:"k": 2',
    'MultiClassConfusionMatrixPlot:"thresholds": [0.3, 0.5, 0.4]', "MultiClassConfusionMatrixAtThresholds",
    options=BOTH,
)  # fmt: skip
DENSE = metrics(
    "CategoricalAccuracy", "CategoricalCrossentropy", "CategoricalCrossEntropy", "MultiClassConfusionMatrixPlot"
)
PER_CLASS = metrics(
    "AUC", "Precision", "Recall", "MeanLabel", "BinaryAccuracy", "BinaryCrossentropy", "BinaryCrossEntropy"
)
WEIGHTS = " ".join(f"class_weights {{ key: {key} value: {value} }}" for key, value in ((0, 1), (1, 2), (2, 0.5)))
CASES: Mapping[str, tuple[str, Any]] = {
    "binary": (BINARY, binary_rows),
    "regression": (
        metrics("MeanAbsoluteError", "MeanSquaredError", "RootMeanSquaredError", "MeanAbsolutePercentageError",
                "MeanSquaredLogarithmicError", "MeanLabel", "MeanPrediction", "Calibration"),
        regression_rows,
    ),
    "sparse labels": (SPARSE, class_rows),
    "dense labels": (DENSE, lambda rng: class_rows(rng, dense=True)),
    "per class": (PER_CLASS[:-1] + "binarize { class_ids { values: [0, 3] } } }", class_rows),
    "per class of dense labels": (
        PER_CLASS[:-1] + "binarize { class_ids { values: [1, 2] } } }", lambda rng: class_rows(rng, dense=True)
    ),
    "best two": (metrics("Precision", "Recall", options="binarize { top_k_list { values: [1, 2] } }"), class_rows),
    "second best": (
        metrics("AUC", "Recall", "MeanLabel", options="binarize { k_list { values: [1, 2] } }"), class_rows
    ),
    "micro average": (
        metrics("AUC", "Precision", "MeanLabel", "Hinge", options="aggregate { micro_average: true }"),
        lambda rng: class_rows(rng, dense=True),
    ),
    "micro average with class weights": (
        metrics("AUC", "Recall", options=f"aggregate {{ micro_average: true {WEIGHTS} }}"), class_rows
    ),
    "micro average of the best two": (
        metrics("Precision", options="aggregate { micro_average: true top_k_list { values: [1, 2] } }"), class_rows
    ),
    "macro average": (metrics("AUC", options=f"aggregate {{ macro_average: true {WEIGHTS} }}"), class_rows),
    "weighted macro average": (
        metrics("AUC", "Precision", options=f"aggregate {{ weighted_macro_average: true {WEIGHTS} }}"), class_rows
    ),
}  # fmt: skip


def evaluate(config: Any, parts: Sequence[tuple[Rows, dict[Any, Any]]], row_by_row: bool) -> dict[Any, dict[Any, Any]]:
    plan = plan_metrics(config)
    if row_by_row:
        for index, combiner in enumerate(plan.combining):
            replaced = list(plan.combining)
            replaced[index] = RowByRow(combiner.combiner)
            plan = type(plan)(**{**vars(plan), "combining": tuple(replaced)})
    accumulator = MetricAccumulator(plan)
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")  # TFMA's own: numpy's conversion of arrays to scalars, a warning per row
        for rows, slices in parts:
            accumulator.add(rows, slices)
        return dict(accumulator.results())


def assert_equal(ours: Any, theirs: Any, where: str) -> None:
    if isinstance(theirs, float | np.floating | np.ndarray | int):
        # Keras adds in float32, and so loses the seventh digit.
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7, err_msg=where)
    elif hasattr(theirs, "to_proto"):
        assert_equal(ours.to_proto(), theirs.to_proto(), where)
    elif isinstance(theirs, Mapping):
        assert ours.keys() == theirs.keys(), where
    else:
        one, other = (_numbers(message) for message in (ours, theirs))
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7, err_msg=where)


def _numbers(message: Any) -> list[float]:
    """All numbers of a proto, in order."""
    found: list[float] = []
    for field, value in message.ListFields():
        for item in value if field.label == field.LABEL_REPEATED else [value]:
            found += _numbers(item) if field.message_type is not None else [float(item)]
    return found


@pytest.mark.parametrize("name", CASES)
def test_arrays_give_what_tfma_gives_row_by_row(name: str) -> None:
    text, make = CASES[name]
    config = parse("model_specs { label_key: 'y' } " + text)
    rng = np.random.default_rng(len(name))
    parts = [
        (rows, {(): np.arange(rows.count), (("c", index % 2),): np.flatnonzero(rng.random(rows.count) < 0.4)})
        for index, rows in enumerate(make(rng) for _ in range(3))
    ]
    ours, theirs = evaluate(config, parts, row_by_row=False), evaluate(config, parts, row_by_row=True)
    assert ours.keys() == theirs.keys() == {(), (("c", 0),), (("c", 1),)}
    for slice_key, values in theirs.items():
        assert ours[slice_key].keys() == values.keys()
        for key, value in values.items():
            assert_equal(ours[slice_key][key], value, f"{slice_key} {key}")


def test_every_common_combiner_has_a_twin_that_is_used() -> None:
    text = " ".join(text for text, _ in CASES.values())
    used = {type(combiner) for combiner in plan_metrics(parse("model_specs { label_key: 'y' } " + text)).combining}
    # Compiled metrics need a Keras 2 model: see test_compiled_metrics.py.
    assert set(TWINS.values()) - used == {CompiledMetrics}
    # SquaredPearsonCorrelation has none: it goes row by row.
    assert RowByRow in used


def test_counts_are_exact_and_small_slices_are_withheld() -> None:
    config = parse("model_specs { label_key: 'y' } options { min_slice_size { value: 5 } }" + metrics("ExampleCount"))
    rows = binary_rows(np.random.default_rng(0))
    slices = {(): np.arange(ROWS), (("c", "big"),): np.arange(5), (("c", "small"),): np.arange(4)}
    results = evaluate(config, [(rows, slices), (rows, {(): np.arange(ROWS)})], row_by_row=False)
    assert {key: list(values.values()) for key, values in results.items()} == {
        (): [80.0],
        (("c", "big"),): [5.0],
        (("c", "small"),): [
            "Example count for this slice key is lower than the minimum required value: 5. No data is aggregated for "
            "this slice."
        ],
    }


@pytest.mark.parametrize(
    ("rows", "text", "message"),
    [
        (Rows(2, np.array([[0], [2]]), np.array([[0.1], [0.2]]), None), metrics("AUC"), "0 to 1 .* received label=2"),
        (Rows(1, np.array([[3]]), np.full((1, 3), 0.3), None), metrics("AUC"), "labels from 0 to 2 .* received 3"),
        (
            Rows(1, np.array([[1]]), np.full((1, 3), 0.3), None),
            metrics("AUC", options="binarize { class_ids { values: [3] } }"),
            "class id below 3, received class_id=3",
        ),
        (
            Rows(1, np.array([[1]]), np.full((1, 3), 0.3), None),
            metrics("Precision", options="binarize { top_k_list { values: [4] } }"),
            "at least 4 predictions a row for top_k=4, received 3",
        ),
        (Rows(1, np.array([[b"x"]], object), np.array([[0.1]]), None), metrics("AUC"), "text .*b'x'.* vocabulary"),
        (
            Rows(1, np.array([[1]]), {"one": np.array([[0.1]]), "two": np.array([[0.1]])}, None),
            metrics("AUC"),
            "the model gives one, two and there is no ModelSpec.prediction_key",
        ),
        (Rows(1, np.array([[1]]), np.array([[0.1]]), None), metrics("MultiClassConfusionMatrixPlot"), "several pred"),
        (Rows(1, {"a": np.array([[1]])}, np.array([[0.1]]), None), metrics("AUC"), "set MetricsSpec.output_names"),
    ],
)  # fmt: skip
def test_data_that_do_not_fit_the_metric_are_refused(rows: Rows, text: str, message: str) -> None:
    config = parse("model_specs { label_key: 'y' } " + text)
    with pytest.raises(DataError, match=message):
        evaluate(config, [(rows, {(): np.arange(rows.count)})], row_by_row=False)


def test_metrics_on_features_are_left_to_tfma() -> None:
    config = parse("model_specs { label_key: 'y' } " + metrics('Mean:"feature_key_path": ["features", "x"]'))
    with pytest.raises(NotVectorizable, match="reads features"):
        plan_metrics(config)
