"""Ragged transformed features, of one ragged dimension and of two: right ones are blessed, others are named.

Padding alone would not tell [5] from [5, 0], nor a list that is there and empty from none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mlops_tfx.skew.comparison import NUMBERS_OF_VALUES
from mlops_tfx.skew.lengths import NO_LIST, compare_lengths, lengths
from tests.unit.skew.world import World, feature_spec, make_world, validate


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
    import tensorflow_transform as tft

    places = tft.compute_and_apply_vocabulary(inputs["tags"], num_oov_buckets=1, vocab_filename="tags")
    tags = tf.RaggedTensor.from_sparse(inputs["tags"])
    return {
        "price_xf": inputs["price"],
        "tags_xf": tf.RaggedTensor.from_sparse(places),
        "letters_xf": tf.cast(tf.strings.unicode_decode(tags, "UTF-8", errors="replace"), tf.int64),
        "late_xf": inputs["late"],
    }


class Trained(tf.Module):
    """Sums of embeddings of the tags, letters, and how many there are."""

    specs = {
        "price_xf": tf.TensorSpec([None], tf.float32),
        "tags_xf": tf.RaggedTensorSpec([None, None], tf.int64, 1, tf.int64),
        "letters_xf": tf.RaggedTensorSpec([None, None, None], tf.int64, 2, tf.int64),
    }

    def __init__(self) -> None:
        super().__init__()
        self.embedding = tf.Variable(np.linspace(-1, 1, 4, dtype=np.float32))

    @tf.function(input_signature=[specs])
    def __call__(self, features: dict[str, Any]) -> dict[str, Any]:
        tags, letters = features["tags_xf"], features["letters_xf"]
        words = tf.math.unsorted_segment_sum(tf.gather(self.embedding, tags.values), tags.value_rowids(), tags.nrows())
        per_tag = tf.cast(letters.values.row_lengths() + tf.reduce_sum(letters.values, 1), tf.float32)
        spelled = tf.math.unsorted_segment_sum(per_tag, letters.value_rowids(), letters.nrows())
        return {"score": tf.tanh(words + features["price_xf"] / 100 + spelled / 1000)}


@pytest.fixture(scope="module")
def ragged(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("ragged"), preprocessing_fn, with_stale=False)


def rewritten(world: World, name: str, change: Any) -> str:
    """The model behind preprocessing by hand, whose features are changed."""
    import tensorflow_transform as tft

    model = Trained()
    words = tft.TFTransformOutput(world.graph).vocabulary_by_name("tags")
    initializer = tf.lookup.KeyValueTensorInitializer(tf.constant(words), tf.range(len(words), dtype=tf.int64))
    model.table = tf.lookup.StaticVocabularyTable(initializer, num_oov_buckets=1)
    spec = {key: value for key, value in feature_spec().items() if key in ("price", "tags")}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples: Any) -> dict[str, Any]:
        raw = tf.io.parse_example(examples, spec)
        tags = tf.RaggedTensor.from_sparse(raw["tags"])
        letters = tf.cast(tf.strings.unicode_decode(tags, "UTF-8", errors="replace"), tf.int64)
        found = {"price_xf": raw["price"], "tags_xf": tags.with_values(model.table.lookup(tags.values))}
        return dict(model(change({**found, "letters_xf": letters})))

    folder = str(world.folder / name / "Format-Serving")
    tf.saved_model.save(model, folder, signatures={"serving_default": serve})
    return folder


def one_more(tags: Any) -> Any:
    """A zero behind the values of every row, which padding would be, too."""
    return tf.concat([tags, tf.zeros([tags.nrows(), 1], tags.dtype)], 1)


CHANGES = {
    "nothing": (lambda features: features, None, ""),
    "a zero more": (lambda f: {**f, "tags_xf": one_more(f["tags_xf"])}, "tags_xf", "numbers of values"),
    "another order": (lambda f: {**f, "tags_xf": f["tags_xf"].with_values(2 - f["tags_xf"].values)}, "tags_xf",
                      "elements"),
    "inner lists without their last": (lambda f: {**f, "letters_xf": f["letters_xf"][:, :, :-1]}, "letters_xf",
                                       "numbers of values"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHANGES)
def test_rewritten_ragged_features(ragged: World, tmp_path: Path, kind: str) -> None:
    change, feature, counted = CHANGES[kind]
    blessing, report = validate(ragged, rewritten(ragged, kind, change), tmp_path, one_by_one=4)
    assert set(report["skewed_features"]) == ({feature} if feature else set())
    assert blessing.custom_properties["blessed"] == (0 if feature else 1), report["reasons"]
    if feature:
        assert counted in {place["counted"] for place in report["skewed_features"][feature]}
        assert counted in str(blessing.custom_properties["not_blessed_reason"])


def test_exported_model_with_ragged_features_is_blessed_on_all_paths(ragged: World, tmp_path: Path) -> None:
    from mlops_tfx.serving.export import export_model

    folder = str(ragged.folder / "exported" / "Format-Serving")
    export_model(Trained(), ragged.graph, folder, label_key="late_xf")
    paths = ("in_process", "grpc", "rest", "bulk_inferrer")
    blessing, report = validate(ragged, folder, tmp_path, paths=paths, one_by_one=6)
    assert report["reasons"] == []
    assert blessing.custom_properties["blessed"] == 1
    seen = {outcome["name"] for result in report["results"] for outcome in result["inside_the_graph"]}
    assert seen == {"price_xf", "tags_xf", "letters_xf"}


def test_lengths() -> None:
    rows = [[[1, 2], [3]], [], [[], [4, 5, 6], [7]]]
    outer, inner = lengths(tf.ragged.constant(rows))
    assert outer.tolist() == [len(row) for row in rows]
    assert inner.tolist() == [[2, 1, NO_LIST], [NO_LIST] * 3, [0, 3, 1]]
    sparse = tf.SparseTensor([[0, 1], [0, 4], [2, 0]], [1, 0, 5], [4, 5])
    assert [counts.tolist() for counts in lengths(sparse)] == [[2, 0, 1, 0]]
    assert lengths(tf.zeros([3, 2])) == []


def test_the_outermost_numbers_that_differ_are_told() -> None:
    first, second = tf.ragged.constant([[[1], [2]], [[3]]]), tf.ragged.constant([[[1], [2, 0]], [[3]]])
    assert compare_lengths("x", lengths(first), lengths(first)) == []
    (outcome,) = compare_lengths("x", lengths(first), lengths(second))
    assert (outcome.counted, outcome.elements, outcome.differing, outcome.rows) == (NUMBERS_OF_VALUES, 4, 1, 1)
    assert outcome.worst is not None
    assert (outcome.worst.row, outcome.worst.training, outcome.worst.served) == (0, 1, 2)
    (outcome,) = compare_lengths("x", lengths(first), lengths(second[:1]))
    assert outcome.problem is not None
