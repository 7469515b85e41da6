"""The model that the serving benchmarks ask: a small Keras model of 17 raw features behind a transform graph."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import traceback
from typing import Any

NUMBERS = [f"number{i}" for i in range(8)]
WORDS = [f"word{i}" for i in range(4)]
COUNTS = [f"count{i}" for i in range(4)]
ROW: dict[str, Any] = {
    **{name: index / 10 for index, name in enumerate(NUMBERS)},
    **dict.fromkeys(WORDS, "a"),
    **{name: index for index, name in enumerate(COUNTS)},
    "required": 0.5,
}


def transform(folder: str) -> None:
    """Writes a transform graph: z-scores, vocabularies and buckets."""
    import apache_beam as beam
    import tensorflow as tf
    import tensorflow_transform as tft
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

    def dense(sparse: Any, default: Any) -> Any:
        return tf.squeeze(tf.sparse.to_dense(sparse, default), axis=1)

    def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
        outputs = {name: tft.scale_to_z_score(dense(inputs[name], 0.0)) for name in NUMBERS}
        for name in WORDS:
            outputs[name] = tft.compute_and_apply_vocabulary(dense(inputs[name], ""), num_oov_buckets=1)
        outputs.update({name: tft.bucketize(dense(inputs[name], 0), 4) for name in COUNTS})
        return {**outputs, "required": inputs["required"], "label": inputs["label"]}

    spec = {name: tf.io.VarLenFeature(tf.float32) for name in NUMBERS}
    spec.update({name: tf.io.VarLenFeature(tf.string) for name in WORDS})
    spec.update({name: tf.io.VarLenFeature(tf.int64) for name in COUNTS})
    spec["required"] = tf.io.FixedLenFeature([], tf.float32)
    spec["label"] = tf.io.FixedLenFeature([], tf.int64)
    rows = [example_row(index) for index in range(200)]
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    with tft_beam.Context(temp_dir=tempfile.mkdtemp(dir=os.path.dirname(folder))), beam.Pipeline() as pipeline:
        data = pipeline | beam.Create(rows)
        transform_fn = (data, metadata) | tft_beam.AnalyzeDataset(preprocessing_fn)
        _ = transform_fn | tft_beam.WriteTransformFn(folder)
        _ = metadata | tft_beam.WriteMetadata(os.path.join(folder, "metadata"), pipeline=pipeline)


def transform_apart(folder: str) -> None:
    """`transform` in a process of its own, which leaves without Python's cleaning up.

    A process that has run Beam and TensorFlow Transform here crashes in the last garbage collection, after all its work
    is done ("Garbage-collecting, no Python frame"), also without anything of mlops_tfx in it.
    """
    process = multiprocessing.get_context("spawn").Process(target=_transform_and_leave, args=(folder,))
    process.start()
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"the transform graph could not be made: exit code {process.exitcode}")


def _transform_and_leave(folder: str) -> None:
    try:
        transform(folder)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def example_row(index: int) -> dict[str, Any]:
    word = [b"a", b"b", b"c"][index % 3]
    row: dict[str, Any] = {name: [index * 0.1] for name in NUMBERS}
    row.update({name: [word] for name in WORDS})
    row.update({name: [index % 10] for name in COUNTS})
    return {**row, "required": 1.0, "label": index % 2}


def build_model() -> Any:
    """A Keras model of embeddings and numbers."""
    import keras

    inputs, parts = {}, []
    for name in [*NUMBERS, *WORDS, *COUNTS, "required"]:
        is_category = name in WORDS + COUNTS
        inputs[name] = keras.Input((1,), name=name, dtype="int64" if is_category else "float32")
        parts.append(
            keras.layers.Flatten()(keras.layers.Embedding(6, 4)(inputs[name])) if is_category else inputs[name]
        )
    hidden = keras.layers.Dense(32, activation="relu")(keras.layers.Concatenate()(parts))
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))
