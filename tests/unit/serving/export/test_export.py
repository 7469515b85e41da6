"""Exported models answer raw data as the transform and the model would one after the other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from mlops_tfx.artifacts import TransformGraph
from mlops_tfx.errors import ExportError
from mlops_tfx.serving.export import export_model
from tests.unit.serving.export.conftest import ROWS, SPECIES, Numbers

Encode = Callable[[list[dict[str, Any]]], list[bytes]]
WEIGHTS = {"number_xf": 0.5, "word_xf": 1.0, "odd_xf": 0.25, "required_xf": -0.125}
UNSEEN = ("species", "weight")


class Linear(tf.Module):
    """A model whose answer is known: a weighted sum of some transformed features."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = {name: tf.Variable(weight) for name, weight in WEIGHTS.items()}

    def __call__(self, features: dict[str, Any]) -> Any:
        return tf.add_n([tf.cast(features[name], tf.float32) * weight for name, weight in self.weights.items()])


class Typed(tf.Module):
    """A model that says itself which transformed features it takes: not all."""

    @tf.function(input_signature=[{"number_xf": tf.TensorSpec([None], tf.float32)}])
    def __call__(self, features: dict[str, Any]) -> Any:
        return features["number_xf"] * 2.0


def expected(numbers: Numbers, row: dict[str, Any]) -> float:
    values = numbers.transform(row)
    return sum(weight * values[name] for name, weight in WEIGHTS.items())


def load(folder: Path | str) -> Any:
    loaded = tf.saved_model.load(str(folder))
    # The signatures work only as long as what they belong to is alive.
    return loaded, loaded.signatures


def without(rows: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in names} for row in rows]


def functional(package: Any, classes: int = 1) -> Any:
    inputs = {name: package.Input((1,), name=name, dtype="float32") for name in WEIGHTS}
    joined = package.layers.Concatenate()(list(inputs.values()))
    activation = "sigmoid" if classes == 1 else "softmax"
    return package.Model(inputs, package.layers.Dense(classes, activation=activation)(joined))


@pytest.fixture(scope="module")
def linear(transform_graph: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("linear") / "serving"
    export_model(Linear(), str(transform_graph), folder, label_key="species", exclude=["weight"])
    return folder


def test_serving_default(linear: Path, numbers: Numbers, encode: Encode) -> None:
    _, signatures = load(linear)
    answer = signatures["serving_default"](examples=tf.constant(encode(without(ROWS, *UNSEEN))))
    np.testing.assert_allclose(answer["predictions"], [expected(numbers, row) for row in ROWS], rtol=0, atol=1e-6)


def test_one_row_that_lacks_every_optional_feature(linear: Path, numbers: Numbers, encode: Encode) -> None:
    _, signatures = load(linear)
    row = {"required": 1.5}
    answer = signatures["serving_default"](examples=tf.constant(encode([row])))
    np.testing.assert_allclose(answer["predictions"], [expected(numbers, row)], rtol=0, atol=1e-6)


def raw_tensors(rows: list[dict[str, Any]], rank: int) -> dict[str, Any]:
    def column(name: str, missing: Any, dtype: Any) -> Any:
        values = [row.get(name, []) for row in rows]
        flat = [(v[0] if v else missing) if isinstance(v, list) else v for v in values]
        return tf.constant(flat, dtype) if rank == 1 else tf.constant([[v] for v in flat], dtype)

    width = max(len(row["tags"]) for row in rows)
    return {
        "number": column("number", np.nan, tf.float32),
        "word": column("word", b"", tf.string),
        "odd_name__mm_": column("odd name (mm)", np.nan, tf.float32),
        "required": column("required", None, tf.float32),
        "unused": column("unused", None, tf.int64),
        "tags": tf.constant([row["tags"] + [b""] * (width - len(row["tags"])) for row in rows]),
    }


@pytest.mark.parametrize("rank", [1, 2])
def test_serving_raw(linear: Path, numbers: Numbers, rank: int) -> None:
    _, signatures = load(linear)
    answer = signatures["serving_raw"](**raw_tensors(ROWS, rank))
    np.testing.assert_allclose(answer["predictions"], [expected(numbers, row) for row in ROWS], rtol=0, atol=1e-6)


def test_scalars_count_for_all_rows(linear: Path, numbers: Numbers) -> None:
    _, signatures = load(linear)
    tensors = {**raw_tensors(ROWS, 1), "word": tf.constant("red")}
    rows = [{**row, "word": [b"red"]} for row in ROWS]
    answer = signatures["serving_raw"](**tensors)
    np.testing.assert_allclose(answer["predictions"], [expected(numbers, row) for row in rows], rtol=0, atol=1e-6)


def test_no_rows(linear: Path) -> None:
    _, signatures = load(linear)
    tensors = {name: value[:0] for name, value in raw_tensors(ROWS, 1).items()}
    assert signatures["serving_raw"](**tensors)["predictions"].shape == (0,)
    assert signatures["serving_default"](examples=tf.constant([], tf.string))["predictions"].shape == (0,)


def test_different_numbers_of_rows(linear: Path) -> None:
    _, signatures = load(linear)
    tensors = {**raw_tensors(ROWS, 1), "number": tf.constant([1.0, 2.0])}
    with pytest.raises(tf.errors.InvalidArgumentError, match="ncompatible shapes"):
        signatures["serving_raw"](**tensors)


def test_transform_features_with_and_without_the_label(linear: Path, numbers: Numbers, encode: Encode) -> None:
    _, signatures = load(linear)
    answer = signatures["transform_features"](examples=tf.constant(encode(without(ROWS, "weight"))))
    names = [row["species"].decode() for row in ROWS]
    assert answer["species_xf"].numpy().tolist() == [SPECIES.index(name) for name in names]
    for name in ("number_xf", "word_xf", "odd_xf", "required_xf", "tags_xf"):
        values = [numbers.transform(row)[name] for row in ROWS]
        np.testing.assert_allclose(answer[name], values, rtol=0, atol=1e-6)
    assert answer["sparse_xf"].numpy()[3].tolist() == [b"x", b"y", b"x"]
    unlabelled = signatures["transform_features"](examples=tf.constant(encode(without(ROWS, *UNSEEN))))
    assert unlabelled["species_xf"].numpy().tolist() == [-1] * len(ROWS)
    np.testing.assert_array_equal(unlabelled["number_xf"], answer["number_xf"])


def test_defaults_are_in_the_signature(linear: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((linear / "saved_model.pb").read_bytes())
    signature = saved.meta_graphs[0].signature_def["serving_raw"]
    # `unused` is required by the schema, but the model does not use it.
    assert sorted(set(signature.inputs) - set(signature.defaults)) == ["required"]
    assert np.isnan(tf.make_ndarray(signature.defaults["number"]))
    assert tf.make_ndarray(signature.defaults["word"]) == b""


@pytest.mark.parametrize("package", [keras, tf_keras], ids=["keras3", "tf_keras"])
def test_functional_keras(
    package: Any, transform_graph: Path, tmp_path: Path, numbers: Numbers, encode: Encode
) -> None:
    model = functional(package)
    graph = TransformGraph(uri=str(transform_graph))
    export_model(model, graph, tmp_path / "m", label_key=["species_xf", "leaky_xf"], output_names="probabilities")
    _, signatures = load(tmp_path / "m")
    answer = signatures["serving_default"](examples=tf.constant(encode(without(ROWS, *UNSEEN, "unused", "tags"))))
    transformed = [numbers.transform(row) for row in ROWS]
    inputs = {name: np.array([[row[name]] for row in transformed], np.float32) for name in WEIGHTS}
    np.testing.assert_allclose(answer["probabilities"], model.predict(inputs, verbose=0), rtol=0, atol=1e-6)
    # What no input depends on is optional.
    raw = signatures["serving_raw"](**raw_tensors(ROWS, 1), weight=tf.constant(0.0))
    np.testing.assert_allclose(raw["probabilities"], answer["probabilities"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("package", [keras, tf_keras], ids=["keras3", "tf_keras"])
@pytest.mark.parametrize("branches", [False, True])
def test_subclassed_keras(
    package: Any, branches: bool, transform_graph: Path, tmp_path: Path, numbers: Numbers, encode: Encode
) -> None:
    if branches and package is keras:
        pytest.skip("Keras 3 does not convert a model's Python, in training as little as here")

    class Subclassed(package.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.dense = package.layers.Dense(1, kernel_initializer="ones")

        def call(self, features: dict[str, Any], training: bool = False) -> Any:
            if branches and tf.reduce_max(features["required_xf"]) > 1e6:
                return self.dense(features["number_xf"][:, tf.newaxis]) * 0.0
            return self.dense(features["number_xf"][:, tf.newaxis])

    model = Subclassed()
    model({name: tf.zeros([1]) for name in WEIGHTS})
    export_model(model, transform_graph, tmp_path / "m", label_key="species", exclude=["weight"])
    _, signatures = load(tmp_path / "m")
    answer = signatures["serving_default"](examples=tf.constant(encode(without(ROWS, *UNSEEN))))
    values = [[numbers.transform(row)["number_xf"]] for row in ROWS]
    np.testing.assert_allclose(answer["predictions"], values, rtol=0, atol=1e-6)


def test_function_with_variables_and_a_table(transform_graph: Path, tmp_path: Path, encode: Encode) -> None:
    scale = tf.Variable(3.0)
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(tf.constant([0, 1, 2], tf.int64), tf.constant(["r", "b", "?"])), "none"
    )

    def model(features: dict[str, Any]) -> dict[str, Any]:
        return {"scaled": features["required_xf"] * scale, "colour": table.lookup(features["word_xf"])}

    export_model(model, transform_graph, tmp_path / "m", label_key="species", output_names={"scaled": "value"})
    _, signatures = load(tmp_path / "m")
    answer = signatures["serving_default"](examples=tf.constant(encode(without(ROWS, "species"))))
    assert answer["value"].numpy().tolist() == [row["required"] * 6 for row in ROWS]
    assert answer["colour"].numpy().tolist() == [b"r", b"r", b"b", b"?", b"r", b"b"]


def test_several_outputs(transform_graph: Path, tmp_path: Path, encode: Encode) -> None:
    def model(features: dict[str, Any]) -> Any:
        return features["required_xf"], tf.cast(features["required_xf"], tf.float16)

    export_model(model, transform_graph, tmp_path / "m", label_key="species", output_names=["a", "b"])
    answer = load(tmp_path / "m")[1]["serving_default"](examples=tf.constant(encode([{"required": 2.0}])))
    assert {name: (value.dtype, value.numpy().tolist()) for name, value in answer.items()} == {
        "a": (tf.float32, [4.0]),
        "b": (tf.float32, [4.0]),
    }


@pytest.mark.parametrize("vocabulary", ["species_names", SPECIES])
def test_class_names(transform_graph: Path, tmp_path: Path, encode: Encode, vocabulary: Any) -> None:
    model = functional(keras, classes=3)
    export_model(model, transform_graph, tmp_path / "m", label_key="species", class_vocabulary=vocabulary)
    _, signatures = load(tmp_path / "m")
    answer = signatures["serving_default"](examples=tf.constant(encode(without(ROWS, *UNSEEN))))
    best = answer["probabilities"].numpy().argmax(axis=1)
    assert answer["classes"].numpy().tolist() == [SPECIES[index].encode() for index in best]
    assert answer["all_classes"].numpy().tolist() == [[s.encode() for s in SPECIES]] * len(ROWS)


def test_two_class_names_of_one_probability(transform_graph: Path, tmp_path: Path, encode: Encode) -> None:
    def model(features: dict[str, Any]) -> Any:
        return features["required_xf"][:, tf.newaxis] / 10

    export_model(model, transform_graph, tmp_path / "m", label_key="species", class_vocabulary=["no", "yes"])
    answer = load(tmp_path / "m")[1]["serving_default"](examples=tf.constant(encode(without(ROWS, "species"))))
    assert answer["classes"].numpy().tolist() == [b"no", b"no", b"no", b"yes", b"yes", b"yes"]


def test_model_of_raw_features(transform_graph: Path, tmp_path: Path, encode: Encode) -> None:
    def model(features: dict[str, Any]) -> Any:
        return features["required"] + 1

    schema = transform_graph / "metadata" / "schema.pbtxt"
    export_model(model, None, tmp_path / "m", label_key="species", schema=schema)
    answer = load(tmp_path / "m")[1]["serving_default"](examples=tf.constant(encode(without(ROWS, "species"))))
    assert answer["predictions"].numpy().tolist() == [row["required"] + 1 for row in ROWS]


def test_answers_in_a_fresh_process(linear: Path, numbers: Numbers, encode: Encode, tmp_path: Path) -> None:
    (tmp_path / "example").write_bytes(encode(without(ROWS[:1], *UNSEEN))[0])
    code = f"""
import tensorflow as tf
example = open({str(tmp_path / "example")!r}, "rb").read()
answer = tf.saved_model.load({str(linear)!r}).signatures["serving_default"](examples=tf.constant([example]))
print(repr(float(answer["predictions"][0])))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert float(done.stdout) == pytest.approx(expected(numbers, ROWS[0]), abs=1e-6)


def test_replaces_what_is_there_and_leaves_nothing_beside(transform_graph: Path, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "old").write_text("old")
    assert export_model(Linear(), transform_graph, tmp_path / "m", label_key="species") == str(tmp_path / "m")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert not (tmp_path / "m" / "old").exists()


def refused(tmp_path: Path, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(ExportError) as caught:
        export_model(*args, tmp_path / "m", **kwargs)
    assert list(tmp_path.iterdir()) == []
    return str(caught.value)


def test_inputs_that_the_graph_does_not_produce(transform_graph: Path, tmp_path: Path) -> None:
    inputs = {name: keras.Input((1,), name=name) for name in ("number_fx", "required_xf", "leaky_xf")}
    model = keras.Model(inputs, keras.layers.Concatenate()(list(inputs.values())))
    text = refused(tmp_path, model, transform_graph, label_key="species")
    assert "'number_fx'; did you mean 'number_xf'" in text
    assert "'leaky_xf'" in text  # it depends on the label
    assert "'required_xf';" not in text


def test_a_model_that_says_what_it_takes(
    transform_graph: Path, numbers: Numbers, tmp_path: Path, encode: Encode
) -> None:
    export_model(Typed(), str(transform_graph), tmp_path / "model", label_key="species")
    _, signatures = load(tmp_path / "model")
    answer = signatures["serving_default"](examples=tf.constant(encode(without(ROWS, *UNSEEN))))
    wanted = [2 * numbers.transform(row)["number_xf"] for row in ROWS]
    np.testing.assert_allclose(answer["predictions"], wanted, rtol=0, atol=1e-6)


def test_unknown_label(transform_graph: Path, tmp_path: Path) -> None:
    text = refused(tmp_path, Linear(), transform_graph, label_key="specie")
    assert text.startswith("label_key names neither a raw nor a transformed feature: 'specie'; did you mean 'species'")


def test_unknown_exclude(transform_graph: Path, tmp_path: Path) -> None:
    assert "exclude names no raw feature: 'wieght'" in refused(tmp_path, Linear(), transform_graph, exclude=["wieght"])


def test_not_callable(transform_graph: Path, tmp_path: Path) -> None:
    assert "which is not callable" in refused(tmp_path, {"a": 1}, transform_graph)
    assert "which is not callable" in refused(tmp_path, tf.Module(), transform_graph)
    assert "a class, not an instance" in refused(tmp_path, Linear, transform_graph)


def test_nan_weights(transform_graph: Path, tmp_path: Path) -> None:
    model = functional(keras)
    kernel, bias = model.get_weights()
    kernel[1] = np.nan
    kernel[2] = np.inf
    model.set_weights([kernel, bias])
    text = refused(tmp_path, model, transform_graph, label_key="species")
    assert text.startswith("the model has weights that are NaN or infinite: ")
    assert "(2 of 4 values)" in text


def test_never_built(transform_graph: Path, tmp_path: Path) -> None:
    model = keras.Sequential([keras.layers.Dense(1)])
    assert "was never built" in refused(tmp_path, model, transform_graph, label_key="species")


def test_wrong_vocabularies(transform_graph: Path, tmp_path: Path) -> None:
    model = functional(keras, classes=3)
    text = refused(tmp_path, model, transform_graph, label_key="species", class_vocabulary=["a", "b"])
    assert "received 2 names: ['a', 'b']" in text
    text = refused(tmp_path, model, transform_graph, label_key="species", class_vocabulary="species_nam")
    assert "has no vocabulary 'species_nam'; did you mean 'species_names'?" in text


def test_wrong_output_names(transform_graph: Path, tmp_path: Path) -> None:
    text = refused(tmp_path, Linear(), transform_graph, label_key="species", output_names=["a", "b"])
    assert "the model returns one output" in text


def test_output_that_is_no_tensor(transform_graph: Path, tmp_path: Path) -> None:
    def model(features: dict[str, Any]) -> dict[str, Any]:
        return {"a": features["required_xf"], "b": None}

    text = refused(tmp_path, model, transform_graph, label_key="species")
    assert "received NoneType for output 'b'" in text


def test_model_that_uses_no_feature(transform_graph: Path, tmp_path: Path) -> None:
    text = refused(tmp_path, lambda features: tf.constant([1.0]), transform_graph, label_key="species")
    assert text.startswith("the model depends on no raw feature")


def test_not_a_transform_graph(tmp_path: Path, transform_graph: Path) -> None:
    assert "expected the output folder of Transform" in refused(tmp_path, Linear(), "/nowhere")
    assert "received transform_graph=3" in refused(tmp_path, Linear(), 3)
    assert "expected schema=..." in refused(tmp_path, Linear(), None)
    text = refused(tmp_path, Linear(), transform_graph, schema=transform_graph / "transform_fn" / "saved_model.pb")
    assert "expected a schema in text form" in text
