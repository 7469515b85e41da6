"""Preprocessing of tables: what the schema says a column is decides how it becomes numbers.

    float     z-score, and an indicator of missing values
    int       the same, and a category of its most frequent values
    string    a category: the position in a vocabulary
    label     float (binary, regression) or the position in the vocabulary of classes (multiclass)

The building blocks are there for preprocessing functions of your own. TensorFlow is imported when they are called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Names of transformed features: "distance" -> "distance_number", "distance_missing", "distance_category".
NUMBER, MISSING, CATEGORY = "_number", "_missing", "_category"
# The vocabulary of the classes, in the transform graph.
CLASSES = "classes"
MAX_STRINGS, MAX_INTEGERS = 10_000, 100


def preprocessing_fn(inputs: Mapping[str, Any], custom_config: Mapping[str, Any]) -> dict[str, Any]:
    """Transforms every column; ``custom_config`` has ``label``, ``task`` and ``ignore`` (columns that stay out)."""
    import tensorflow as tf

    target, skipped = custom_config["label"], set(custom_config.get("ignore", ()))
    outputs = {target: label(inputs[target], custom_config["task"])}
    for name, column in inputs.items():
        if name == target or name in skipped:
            continue
        if column.dtype == tf.string:
            outputs[name + CATEGORY] = category(column, name, MAX_STRINGS)
            continue
        outputs[name + NUMBER] = number(column)
        if isinstance(column, tf.SparseTensor):
            outputs[name + MISSING] = missing(column)
        if column.dtype == tf.int64:
            outputs[name + CATEGORY] = category(column, name, MAX_INTEGERS)
    return outputs


def number(column: Any) -> Any:
    """Returns the z-score as float32 ``[rows, 1]``; a missing value becomes 0, the mean."""
    import tensorflow as tf
    import tensorflow_transform as tft

    scaled = tft.scale_to_z_score(tf.cast(column, tf.float32))
    return dense(scaled, 0.0)


def missing(column: Any) -> Any:
    """Returns 1.0 where a value is missing, else 0.0, as float32 ``[rows, 1]``."""
    import tensorflow as tf

    if not isinstance(column, tf.SparseTensor):
        return tf.zeros_like(column, tf.float32)
    present = tf.SparseTensor(column.indices, tf.ones_like(column.values, tf.float32), column.dense_shape)
    return 1.0 - dense(present, 0.0)


def category(column: Any, name: str, limit: int = MAX_STRINGS) -> Any:
    """Returns the position in the vocabulary of the ``limit`` most frequent values, as int64 ``[rows, 1]``.

    Values outside the vocabulary and missing ones share the position after the last.
    """
    import tensorflow_transform as tft

    return tft.compute_and_apply_vocabulary(
        text(column), top_k=limit, num_oov_buckets=1, vocab_filename=f"{name}_vocabulary"
    )


def label(column: Any, task: str) -> Any:
    """Returns the label ``[rows, 1]``: float32 with NaN where missing; for multiclass int64 with -1 where missing."""
    import tensorflow as tf
    import tensorflow_transform as tft

    if task == "multiclass":
        return tft.compute_and_apply_vocabulary(text(column), vocab_filename=CLASSES)
    if column.dtype == tf.string:
        raise ValueError(f"task={task!r} expects a label of numbers, received strings; use task='multiclass'")
    return dense(tf.cast(column, tf.float32), float("nan"))


def text(column: Any) -> Any:
    """Returns a column as strings ``[rows, 1]``, empty where a value is missing; no vocabulary has the empty string."""
    import tensorflow as tf

    if column.dtype == tf.string:
        return dense(column, "")
    if isinstance(column, tf.SparseTensor):
        strings = tf.strings.as_string(column.values)
        return dense(tf.SparseTensor(column.indices, strings, column.dense_shape), "")
    return tf.strings.as_string(column)


def dense(column: Any, default: Any) -> Any:
    """Returns a column of single values as a dense tensor ``[rows, 1]``, with ``default`` where a value is missing."""
    import tensorflow as tf

    if not isinstance(column, tf.SparseTensor):
        return column
    shaped = tf.SparseTensor(column.indices, column.values, [column.dense_shape[0], 1])
    result = tf.sparse.to_dense(shaped, default_value=tf.constant(default, column.dtype))
    result.set_shape([None, 1])
    return result
