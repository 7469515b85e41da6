"""What was trained is found in a SavedModel, and inside the graph of a signature, however it was saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

FEATURES = ("age", "place", "other")


def build(keras: Any) -> Any:
    keras.utils.set_random_seed(0)
    inputs = {"age": keras.Input((1,), name="age"), "place": keras.Input((1,), name="place", dtype="int64")}
    place = keras.layers.Flatten()(keras.layers.Embedding(5, 2)(inputs["place"]))
    hidden = keras.layers.Dense(3, activation="relu")(keras.layers.Concatenate()([inputs["age"], place]))
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))


def serving(model: Any) -> Any:
    import tensorflow as tf

    spec = {"years": tf.io.FixedLenFeature([1], tf.float32), "town": tf.io.FixedLenFeature([1], tf.int64)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples: Any) -> dict[str, Any]:
        raw = tf.io.parse_example(examples, spec)
        return {"score": model({"age": (raw["years"] - 30.0) / 8.0, "place": raw["town"] + 1}, training=False)}

    return serve


def save_tf_keras(folder: str) -> Any:
    import tensorflow as tf
    import tf_keras

    model = build(tf_keras)
    tf.saved_model.save(model, folder, signatures={"serving_default": serving(model)})
    return model


def save_keras_with_a_signature(folder: str) -> Any:
    import keras
    import tensorflow as tf

    model = build(keras)
    archive = keras.export.ExportArchive()
    archive.track(model)
    examples = [tf.TensorSpec([None], tf.string, name="examples")]
    archive.add_endpoint("serving_default", serving(model), examples)
    trained = tf.function(lambda age, place: model({"age": age, "place": place}, training=False))
    trained.get_concrete_function(
        age=tf.TensorSpec([None, 1], tf.float32, "age"), place=tf.TensorSpec([None, 1], tf.int64, "place")
    )
    archive.add_endpoint("trained", trained)
    archive.write_out(folder, verbose=False)
    return model


@pytest.mark.parametrize("save", [save_tf_keras, save_keras_with_a_signature])
def test_model_is_found_and_its_features_observed(save: Any, tmp_path: Path) -> None:
    import tensorflow as tf

    from mlops_tfx.skew.observation import observe
    from mlops_tfx.skew.trained_model import SINGLE_OUTPUT, find_trained_model

    keras_model = save(str(tmp_path / "model"))
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    model = find_trained_model(loaded, FEATURES, None)
    assert model is not None
    assert model.source == ("its call" if save is save_tf_keras else "its signature 'trained'")
    features = {"age": tf.constant([[0.5], [-1.0]]), "place": tf.constant([[3], [0]], tf.int64)}
    (answer,) = model({**features, "other": tf.zeros([2])}).values()
    np.testing.assert_allclose(answer, np.asarray(keras_model(features, training=False)), rtol=1e-6)
    assert SINGLE_OUTPUT in model(features) or save is save_keras_with_a_signature

    years, towns = [41.0, 29.5], [2, 0]
    found = observe(loaded.signatures["serving_default"], model)({"examples": np.array(encode(years, towns), object)})
    assert found["age"].numpy().tolist() == [[(year - 30.0) / 8.0] for year in years]
    assert found["place"].numpy().tolist() == [[town + 1] for town in towns]


def encode(years: list[float], towns: list[int]) -> list[bytes]:
    import tensorflow as tf

    rows = []
    for year, town in zip(years, towns, strict=True):
        example = tf.train.Example()
        example.features.feature["years"].float_list.value.append(year)
        example.features.feature["town"].int64_list.value.append(town)
        rows.append(example.SerializeToString())
    return rows


def test_another_model_is_not_found_in_the_graph(tmp_path: Path) -> None:
    import tensorflow as tf

    from mlops_tfx.skew.observation import UnobservableError, observe
    from mlops_tfx.skew.trained_model import find_trained_model

    save_tf_keras(str(tmp_path / "first"))
    first = tf.saved_model.load(str(tmp_path / "first"))
    import tf_keras

    other = build(tf_keras)
    other.set_weights([weights + 1 for weights in other.get_weights()])
    tf.saved_model.save(other, str(tmp_path / "second"), signatures={"serving_default": serving(other)})
    second = tf.saved_model.load(str(tmp_path / "second"))
    model = find_trained_model(second, FEATURES, None)
    assert model is not None
    with pytest.raises(UnobservableError, match="does not have the operations of the model"):
        observe(first.signatures["serving_default"], model)
    assert find_trained_model(first, ["age"], None) is None
