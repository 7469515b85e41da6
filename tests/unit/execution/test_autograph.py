"""Rules for autograph: library code is left alone, code of users is converted as ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops_tfx.execution.autograph import LIBRARIES, leave_libraries_unconverted


@pytest.fixture
def converted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Modules whose functions autograph converts from here on."""
    from tensorflow.python.autograph.core import config
    from tensorflow.python.autograph.impl import api

    modules: list[str] = []
    convert = api._convert_actual

    def recorded(entity: Any, context: Any) -> Any:
        modules.append(entity.__module__)
        return convert(entity, context)

    monkeypatch.setattr(api, "_convert_actual", recorded)
    # Other tests of this process may have added the rules before.
    rules = tuple(rule for rule in config.CONVERSION_RULES if rule._prefix not in LIBRARIES)
    monkeypatch.setattr(config, "CONVERSION_RULES", rules)
    return modules


def doubling_layer() -> Any:
    import tensorflow as tf
    import tf_keras

    class DoubleIfPositive(tf_keras.layers.Layer):  # type: ignore[misc]
        def call(self, values: Any) -> Any:
            if tf.reduce_sum(values) > 0:  # only autograph makes this a condition of the graph
                values = values * 2
            return values

    return DoubleIfPositive()


def test_rules_are_added_once(converted: list[str]) -> None:
    from tensorflow.python.autograph.core import config

    assert leave_libraries_unconverted()
    rules = config.CONVERSION_RULES
    assert leave_libraries_unconverted()
    assert rules == config.CONVERSION_RULES
    assert [rule._prefix for rule in rules[: len(LIBRARIES)]] == list(LIBRARIES)


def test_a_layer_of_the_users_is_converted_and_keras_2_is_not(converted: list[str]) -> None:
    import tensorflow as tf
    import tf_keras

    leave_libraries_unconverted()
    model = tf_keras.Sequential([tf_keras.Input((2,)), doubling_layer()])
    served = tf.function(lambda values: model(values))
    converted.clear()
    for row in ([[1.0, 2.0]], [[-1.0, -2.0]]):
        expected = np.array(row) * (2 if np.sum(row) > 0 else 1)
        np.testing.assert_array_equal(served(tf.constant(row)).numpy(), expected)
    assert __name__ in converted
    assert not [name for name in converted if name.startswith("tf_keras.src.engine")]


def test_a_transform_layer_in_a_signature_gives_the_same_unconverted(converted: list[str], tmp_path: Path) -> None:
    import tensorflow as tf
    import tensorflow_transform as tft
    from tensorflow_transform.tf_metadata import schema_utils

    spec = {"x": tf.io.FixedLenFeature([], tf.float32)}
    raw = schema_utils.schema_from_feature_spec(spec)
    from tensorflow_transform.beam import impl
    from tensorflow_transform.tf_metadata import dataset_metadata

    transform_graph(tmp_path, impl, dataset_metadata.DatasetMetadata(raw))
    layer = tft.TFTransformOutput(str(tmp_path / "graph")).transform_features_layer()
    serialized = [
        tf.train.Example(
            features=tf.train.Features(feature={"x": tf.train.Feature(float_list=tf.train.FloatList(value=[value]))})
        ).SerializeToString()
        for value in (1.0, 5.0)
    ]

    def serve(examples: Any) -> Any:
        return layer(tf.io.parse_example(examples, spec))["x"]

    before = tf.function(serve)(tf.constant(serialized)).numpy()
    assert any(name.startswith("tensorflow_transform.saved") for name in converted)
    leave_libraries_unconverted()
    converted.clear()
    after = tf.function(lambda examples: serve(examples))(tf.constant(serialized)).numpy()
    assert not [name for name in converted if name.startswith(("tf_keras", "tensorflow_transform"))]
    np.testing.assert_array_equal(after, before)
    np.testing.assert_allclose(after, [-1.0, 1.0])  # mean 3, standard deviation 2


def transform_graph(folder: Path, impl: Any, metadata: Any) -> None:
    import apache_beam as beam
    import tensorflow_transform as tft

    with beam.Pipeline() as pipeline, impl.Context(temp_dir=str(folder / "temp")):
        data = pipeline | beam.Create([{"x": 1.0}, {"x": 5.0}])
        graph = (data, metadata) | impl.AnalyzeDataset(lambda inputs: {"x": tft.scale_to_z_score(inputs["x"])})
        _ = graph | tft.beam.WriteTransformFn(str(folder / "graph"))
