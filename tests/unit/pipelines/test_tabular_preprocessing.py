"""Preprocessing of tables against numpy and straight counting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from mlops_tfx.pipelines import tabular_preprocessing as tabular

ROWS = 200


@pytest.fixture(scope="module")
def table() -> dict[str, list[Any]]:
    random = np.random.default_rng(0)
    gaps = random.random(ROWS) < 0.3
    weights = random.normal(50, 10, ROWS).astype(np.float32)
    return {
        "mass": [float(value) for value in random.normal(4000, 700, ROWS).astype(np.float32)],
        "gust": [None if gap else float(value) for gap, value in zip(gaps, weights, strict=True)],
        "month": [int(value) for value in random.choice([1, 2, 3, 4], ROWS, p=[0.4, 0.3, 0.2, 0.1])],
        "stops": [None if gap else int(value) for gap, value in zip(gaps, random.integers(0, 3, ROWS), strict=True)],
        "city": [None if gap else str(v) for gap, v in zip(gaps, random.choice(["a", "b", "c"], ROWS), strict=True)],
        "kind": [str(value) for value in random.choice(["x", "y", "z"], ROWS, p=[0.5, 0.3, 0.2])],
        "late": [int(value) for value in random.integers(0, 2, ROWS)],
    }


def transform(
    function: Callable[[Any], Mapping[str, Any]], table: Mapping[str, list[Any]], folder: Any
) -> dict[str, Any]:
    """Runs a preprocessing function with TensorFlow Transform; columns with gaps come in as sparse tensors."""
    import tensorflow as tf
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

    types = {int: tf.int64, float: tf.float32, str: tf.string}
    spec = {}
    for name, values in table.items():
        dtype = types[type(next(value for value in values if value is not None))]
        spec[name] = tf.io.VarLenFeature(dtype) if None in values else tf.io.FixedLenFeature([1], dtype)
    rows = [
        {name: [] if value is None else [value.encode() if isinstance(value, str) else value]
         for name, value in zip(table, row, strict=True)}
        for row in zip(*table.values(), strict=True)
    ]  # fmt: skip
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    with tft_beam.Context(temp_dir=str(folder)):
        (data, _), _ = (rows, metadata) | tft_beam.AnalyzeAndTransformDataset(function)
    return {name: np.array([np.ravel(row[name])[0] for row in data]) for name in data[0]}


@pytest.fixture(scope="module")
def result(table: dict[str, list[Any]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    config = {"label": "late", "task": "binary", "ignore": ["kind"]}
    folder = tmp_path_factory.mktemp("tft")
    return transform(lambda inputs: tabular.preprocessing_fn(inputs, config), table, folder)


def by_frequency(values: list[Any]) -> list[str]:
    """The vocabulary that TensorFlow Transform makes: most frequent first, then in reverse order of the text."""
    counts = Counter(str(value) for value in values if value is not None)
    return sorted(counts, key=lambda text: (counts[text], text), reverse=True)


def test_every_type_of_column_becomes_its_features(result: dict[str, Any]) -> None:
    assert set(result) == {
        "mass_number", "gust_number", "gust_missing", "month_number", "month_category",
        "stops_number", "stops_missing", "stops_category", "city_category", "late",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["mass", "month", "gust", "stops"])
def test_numbers_are_z_scores_and_gaps_are_the_mean(
    name: str, table: dict[str, list[Any]], result: dict[str, Any]
) -> None:
    values = np.array([np.nan if value is None else value for value in table[name]])
    expected = np.nan_to_num((values - np.nanmean(values)) / np.nanstd(values))
    np.testing.assert_allclose(result[f"{name}_number"], expected, atol=1e-4)


@pytest.mark.parametrize("name", ["gust", "stops"])
def test_gaps_are_indicated(name: str, table: dict[str, list[Any]], result: dict[str, Any]) -> None:
    assert result[f"{name}_missing"].tolist() == [float(value is None) for value in table[name]]


@pytest.mark.parametrize("name", ["month", "stops", "city"])
def test_categories_are_places_in_the_vocabulary_and_gaps_come_after(
    name: str, table: dict[str, list[Any]], result: dict[str, Any]
) -> None:
    vocabulary = by_frequency(table[name])
    expected = [len(vocabulary) if value is None else vocabulary.index(str(value)) for value in table[name]]
    assert result[f"{name}_category"].tolist() == expected


def test_labels(table: dict[str, list[Any]], result: dict[str, Any], tmp_path: Any) -> None:
    assert result["late"].tolist() == table["late"]

    def labels(inputs: Any) -> dict[str, Any]:
        return {
            "classes": tabular.label(inputs["kind"], "multiclass"),
            "value": tabular.label(inputs["gust"], "regression"),
            "rare": tabular.category(inputs["kind"], "rare", limit=1),
        }

    found = transform(labels, {name: table[name] for name in ("kind", "gust")}, tmp_path)
    vocabulary = by_frequency(table["kind"])
    assert found["classes"].tolist() == [vocabulary.index(value) for value in table["kind"]]
    np.testing.assert_array_equal(found["value"], np.array(table["gust"], dtype=np.float32))
    assert found["rare"].tolist() == [0 if value == vocabulary[0] else 1 for value in table["kind"]]


def test_a_label_of_strings_for_a_binary_task_says_what_to_do() -> None:
    import tensorflow as tf

    with pytest.raises(ValueError, match="use task='multiclass'"):
        tabular.label(tf.constant([["yes"], ["no"]]), "binary")
