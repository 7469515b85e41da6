"""A transform graph in TensorFlow 1 form, as older pipelines have it, and serving code that was written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from mlops_tfx.skew.sources import feature_sources
from tests.unit.skew.world import World, feature_spec, make_world, validate


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
    import tensorflow_transform as tft

    return {
        "price_xf": inputs["price"] / 3.0,
        "word_xf": tft.compute_and_apply_vocabulary(inputs["word"], num_oov_buckets=1, vocab_filename="words"),
        "tags_xf": tft.compute_and_apply_vocabulary(inputs["tags"], vocab_filename="tags"),
        "late_xf": inputs["late"],
    }


class Trained(tf.Module):
    """A number and an embedding."""

    specs = {"price_xf": tf.TensorSpec([None], tf.float32), "word_xf": tf.TensorSpec([None], tf.int64)}

    def __init__(self) -> None:
        super().__init__()
        self.embedding = tf.Variable([0.5, -1.0, 2.0, 0.25])

    @tf.function(input_signature=[specs])
    def __call__(self, features: dict[str, Any]) -> dict[str, Any]:
        return {"score": tf.tanh(features["price_xf"] / 50 + tf.gather(self.embedding, features["word_xf"]))}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made = make_world(tmp_path_factory.mktemp("tf1"), preprocessing_fn, with_stale=False, in_tf1_form=True)
    assert not hasattr(tf.saved_model.load(f"{made.graph}/transform_fn"), "transform_fn")
    return made


# TensorFlow Transform warns of what it does itself there.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
@pytest.mark.parametrize(("factor", "skewed"), [(3.0, set()), (3.0000002, {"price_xf"})])
def test_graph_in_tf1_form(world: World, tmp_path: Path, factor: float, skewed: set[str]) -> None:
    import tensorflow_transform as tft

    model = Trained()
    words = tft.TFTransformOutput(world.graph).vocabulary_by_name("words")
    initializer = tf.lookup.KeyValueTensorInitializer(tf.constant(words), tf.range(len(words), dtype=tf.int64))
    model.table = tf.lookup.StaticVocabularyTable(initializer, num_oov_buckets=1)
    spec = {name: value for name, value in feature_spec().items() if name in ("price", "word")}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples: Any) -> dict[str, Any]:
        raw = tf.io.parse_example(examples, spec)
        return dict(model({"price_xf": raw["price"] / factor, "word_xf": model.table.lookup(raw["word"])}))

    folder = str(tmp_path / "model" / "Format-Serving")
    tf.saved_model.save(model, folder, signatures={"serving_default": serve})
    blessing, report = validate(world, folder, tmp_path)
    assert set(report["skewed_features"]) == skewed
    assert blessing.custom_properties["blessed"] == (0 if skewed else 1), report["reasons"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_sources_of_a_graph_in_tf1_form(world: World) -> None:
    found = feature_sources(f"{world.graph}/transform_fn")
    assert found == {"price_xf": {"price"}, "word_xf": {"word"}, "tags_xf": {"tags"}, "late_xf": {"late"}}
