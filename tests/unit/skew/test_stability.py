"""Answers that depend on more than their row: chance, what was asked before, other rows, the clock, Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from tests.unit.skew.world import Rewrite, World, feature_spec, make_world, trained_model, validate

Features = dict[str, Any]


def save(
    world: World,
    folder: Path,
    features: Callable[[Features], Features] = dict,
    answer: Callable[[Any], Any] = tf.identity,
    model: Any = None,
) -> str:
    """The model behind right preprocessing, whose features or answers are changed on the way."""
    model, rewrite = model or trained_model(world.weights), Rewrite()
    spec = {name: value for name, value in feature_spec().items() if name != "late"}
    model.tables = rewrite.tables(world.graph)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples: Any) -> dict[str, Any]:
        found = rewrite(tf.io.parse_example(examples, spec), model.tables, world.graph)
        return {"probability": answer(model(features(found))["probability"])}

    path = str(folder / "Format-Serving")
    tf.saved_model.save(model, path, signatures={"serving_default": serve})
    return path


def with_price(change: Callable[[Any], Any]) -> Callable[[Features], Features]:
    return lambda features: {**features, "price_xf": change(features["price_xf"])}


def of_python(price: Any) -> Any:
    found = tf.numpy_function(lambda array: array * 1, [price], tf.float32)
    return tf.ensure_shape(found, price.shape)


AGAIN = "signature 'serving_default' does not answer the same when it is asked the same again: output 'probability' of"
ALONE = "signature 'serving_default' answers a row otherwise when it is alone than among 32 rows: output 'probability'"
CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "noise": (
        {"features": with_price(lambda price: price + tf.random.normal(tf.shape(price)))},
        [AGAIN, "(its graph has RandomStandardNormal", "call layers with training=False"],
    ),
    "means of the request": (
        {"features": with_price(lambda price: (price - tf.reduce_mean(price)) / tf.math.reduce_std(price + 1e-3))},
        [ALONE, "BatchNormalization with training=False"],
    ),
    "ranks": (
        {"answer": lambda probability: tf.cast(tf.argsort(probability, 0), tf.float32)},
        [ALONE, "no means, ranks or lengths over the rows"],
    ),
    "a number for all": (
        {"answer": tf.reduce_mean},
        ["signature 'serving_default': expected a row of output 'probability' for each of 32 rows, received shape=()"],
    ),
    "the clock": (
        {"features": with_price(lambda price: price + 0 * tf.cast(tf.timestamp(), tf.float32))},
        ["signature 'serving_default' reads the clock (Timestamp): training saw another time"],
    ),
    "Python": (
        {"features": with_price(of_python)},
        ["signature 'serving_default' calls Python code (PyFunc), which is not in the SavedModel", "tf.numpy_function"],
    ),
}


@pytest.mark.parametrize("kind", CASES)
def test_signatures(world: World, tmp_path: Path, kind: str) -> None:
    changes, texts = CASES[kind]
    blessing, report = validate(world, save(world, tmp_path, **changes), tmp_path)
    assert blessing.custom_properties["blessed"] == 0
    reason = next((reason for reason in report["reasons"] if texts[0] in reason), report["reasons"])
    assert all(text in reason for text in texts), reason


def test_state_is_told(world: World, tmp_path: Path) -> None:
    model = trained_model(world.weights)
    model.asked = tf.Variable(0.0)
    model_path = save(world, tmp_path, answer=lambda value: value + model.asked.assign_add(0.01), model=model)
    _, report = validate(world, model_path, tmp_path)
    assert AGAIN in report["reasons"][0]
    assert "AssignAddVariableOp" in report["reasons"][0]
    assert report["results"] == [], "nothing is compared with answers that change"


class Unstable(tf.Module):
    """What was trained, with something left on that is for training only."""

    def __init__(self, world: World, leave_on: Callable[[Any], Any]) -> None:
        super().__init__()
        self.inner = trained_model(world.weights)
        self._leave_on = leave_on
        specs = self.inner.__call__.input_signature[0]
        self.call = tf.function(self._call, input_signature=[specs])

    def __call__(self, features: Features) -> dict[str, Any]:
        return dict(self.call(features))

    def _call(self, features: Features) -> dict[str, Any]:
        return {"probability": self._leave_on(self.inner(features)["probability"])}


@pytest.mark.parametrize(
    ("leave_on", "text"),
    [
        (
            lambda value: tf.nn.dropout(value, 0.5),
            "what was trained does not answer the same when it is asked the same",
        ),
        (
            lambda value: (value - tf.reduce_mean(value)) / (tf.math.reduce_std(value) + 1e-3),
            "what was trained answers a row otherwise when it is alone than among 32 rows: output 'probability' of row",
        ),
    ],
)
def test_what_was_trained(world: World, tmp_path: Path, leave_on: Callable[[Any], Any], text: str) -> None:
    from mlops_tfx.serving.export import export_model

    path = str(tmp_path / "Format-Serving")
    export_model(Unstable(world, leave_on), world.graph, path, label_key="late_xf")
    blessing, report = validate(world, path, tmp_path)
    assert blessing.custom_properties["blessed"] == 0
    (reason,) = report["reasons"]
    assert reason.startswith(text)
    assert report["digests"]["model"], "told for every model that is refused"


def of_many(price: Any) -> Any:
    return price - tf.reduce_mean(price)


def of_chance(price: Any) -> Any:
    return price + tf.random.normal(tf.shape(price))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            of_many,
            "the transform graph computes a row otherwise when it is alone than among 32 rows: output 'price_xf'",
        ),
        (of_chance, "the transform graph does not compute the same when it is applied again: output 'price_xf' of row"),
    ],
)
def test_preprocessing(tmp_path: Path, change: Callable[[Any], Any], text: str) -> None:
    from mlops_tfx.serving.export import export_model

    def preprocessing_fn(inputs: Features) -> Features:
        return {"price_xf": change(inputs["price"]), "late_xf": inputs["late"]}

    class Trained(tf.Module):
        @tf.function(input_signature=[{"price_xf": tf.TensorSpec([None], tf.float32)}])
        def __call__(self, features: Features) -> Features:
            return {"score": tf.tanh(features["price_xf"] / 100)}

    made = make_world(tmp_path / "world", preprocessing_fn, with_stale=False)
    path = str(tmp_path / "Format-Serving")
    export_model(Trained(), made.graph, path, label_key="late_xf")
    blessing, report = validate(made, path, tmp_path, without_transformed=True)
    assert blessing.custom_properties["blessed"] == 0
    (reason,) = report["reasons"]
    assert reason.startswith(text)
