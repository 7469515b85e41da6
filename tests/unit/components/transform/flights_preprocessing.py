"""A preprocessing_fn with every kind of analyzer, as a user would write it."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft


def dense(feature: Any, default: Any) -> Any:
    """A sparse feature as a dense one, with a default where it is missing."""
    if not isinstance(feature, tf.SparseTensor):
        return tf.squeeze(feature, axis=1)
    one_column = tf.SparseTensor(feature.indices, feature.values, [feature.dense_shape[0], 1])
    return tf.squeeze(tf.sparse.to_dense(one_column, default), axis=1)


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
    """Transforms the flights."""
    temp = dense(inputs["temp"], float("nan"))
    temp = tf.where(tf.math.is_nan(temp), tft.mean(inputs["temp"]), temp)
    return {
        "distance_z": tft.scale_to_z_score(tf.cast(dense(inputs["distance"], 0), tf.float32)),
        "temp_01": tft.scale_to_0_1(temp),
        "temp_bucket": tft.bucketize(temp, num_buckets=5),
        "carrier_id": tft.compute_and_apply_vocabulary(
            dense(inputs["carrier"], ""), num_oov_buckets=1, vocab_filename="carriers"
        ),
        "tailnum_id": tft.compute_and_apply_vocabulary(inputs["tailnum"], top_k=50, vocab_filename="tails"),
        "carrier_text": dense(inputs["carrier"], ""),
        "month": dense(inputs["month"], 0),
    }
