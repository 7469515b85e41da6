"""The input of the golden test of sequences: ``python -m tests.golden.transform.sequences FOLDER`` writes it.

tf.SequenceExamples with everything that tensor representations can say: steps of several values, missing and empty
features, ragged features with row lengths and uniform rows, a sparse feature with two indices, a default value.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Examples

ROWS = 400
SCHEMA = """
feature { name: "f" type: FLOAT value_count { min: 0 max: 1 } }
feature { name: "i" type: INT }
feature { name: "group_values" type: BYTES }
feature { name: "group_lengths" type: INT }
feature { name: "pair_values" type: FLOAT }
feature { name: "pair_lengths" type: INT }
feature { name: "grid_row" type: INT }
feature { name: "grid_column" type: INT }
feature { name: "grid_value" type: FLOAT }
feature {
  name: "##SEQUENCE##" type: STRUCT
  struct_domain {
    feature { name: "words" type: BYTES value_count { min: 0 max: 2 } }
    feature { name: "amounts" type: FLOAT }
    feature { name: "unused" type: INT }
  }
}
tensor_representation_group { key: "" value {
  tensor_representation { key: "f" value { varlen_sparse_tensor { column_name: "f" } } }
  tensor_representation { key: "i" value { dense_tensor {
    column_name: "i" shape { dim { size: 1 } } default_value { int_value: 7 } } } }
  tensor_representation { key: "words" value { ragged_tensor {
    feature_path { step: "##SEQUENCE##" step: "words" } } } }
  tensor_representation { key: "amounts" value { ragged_tensor {
    feature_path { step: "##SEQUENCE##" step: "amounts" } row_partition_dtype: INT64 } } }
  tensor_representation { key: "groups" value { ragged_tensor {
    feature_path { step: "group_values" } partition { row_length: "group_lengths" } } } }
  tensor_representation { key: "pairs" value { ragged_tensor {
    feature_path { step: "pair_values" } partition { row_length: "pair_lengths" }
    partition { uniform_row_length: 2 } } } }
  tensor_representation { key: "grid" value { sparse_tensor {
    dense_shape { dim { size: 5 } dim { size: 4 } } value_column_name: "grid_value"
    index_column_names: "grid_row" index_column_names: "grid_column" } } }
} }
"""


def _feature(values: Any) -> Any:
    import tensorflow as tf

    values = list(values)
    if values and isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if values and isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values)) if values else tf.train.Feature()


def record(random: np.random.Generator) -> bytes:
    """One random tf.SequenceExample."""
    import tensorflow as tf

    context: dict[str, list[Any]] = {}
    if random.random() < 0.8:
        context["f"] = [float(random.normal(50, 20))]
    if random.random() < 0.7:
        context["i"] = [int(random.integers(100))]
    lengths = random.integers(0, 3, random.integers(0, 4))
    context["group_lengths"] = lengths.tolist()
    context["group_values"] = [b"g%d" % n for n in random.integers(0, 9, lengths.sum())]
    pairs = random.integers(0, 3, random.integers(0, 3))
    context["pair_lengths"] = pairs.tolist()
    context["pair_values"] = random.normal(size=2 * pairs.sum()).tolist()
    cells = np.sort(random.choice(20, random.integers(0, 4), replace=False))
    context["grid_row"], context["grid_column"] = (cells // 4).tolist(), (cells % 4).tolist()
    context["grid_value"] = random.normal(size=len(cells)).tolist()
    steps = random.integers(0, 4)
    lists: dict[str, list[Any]] = {
        "words": [[b"w%d" % n for n in random.geometric(0.3, random.integers(0, 3))] for _ in range(steps)],
        "amounts": [random.normal(100, 30, random.integers(1, 3)).tolist() for _ in range(steps)],
        "unused": [[int(n)] for n in range(steps)],
    }
    kept = {name: values for name, values in lists.items() if random.random() < 0.9}
    feature_list = {
        name: tf.train.FeatureList(feature=[_feature(step) for step in values]) for name, values in kept.items()
    }
    message = tf.train.SequenceExample(
        context=tf.train.Features(feature={name: _feature(values) for name, values in context.items()}),
        feature_lists=tf.train.FeatureLists(feature_list=feature_list),
    )
    return bytes(message.SerializeToString(deterministic=True))


def write_input(folder: str) -> Examples:
    """Writes ``{folder}/examples`` and ``{folder}/schema``; the first half of the rows is split train."""
    import tensorflow as tf

    random = np.random.default_rng(20240229)
    records = [record(random) for _ in range(ROWS)]
    filesystem.write_bytes(os.path.join(folder, "schema", "schema.pbtxt"), SCHEMA.encode())
    properties = {"payload_format": "FORMAT_TF_SEQUENCE_EXAMPLE", "file_format": "tfrecords_gzip"}
    examples = Examples(os.path.join(folder, "examples"), custom_properties=properties)
    examples.splits = ["train", "eval"]
    for split, rows in (("train", records[: ROWS // 2]), ("eval", records[ROWS // 2 :])):
        filesystem.makedirs(examples.path(split))
        path = os.path.join(examples.path(split), "data_tfrecord-00000-of-00001.gz")
        with tf.io.TFRecordWriter(path, "GZIP") as writer:
            for row in rows:
                writer.write(row)
    return examples


if __name__ == "__main__":
    write_input(sys.argv[1])
