"""The preprocessing_fn of the whole-chain comparison; TFX and mlops_tfx both run this file."""

import tensorflow as tf
import tensorflow_transform as tft


def dense(feature, default):
    """A feature with at most one value per row as a vector."""
    if isinstance(feature, tf.SparseTensor):
        rows = tf.SparseTensor(feature.indices, feature.values, [feature.dense_shape[0], 1])
        feature = tf.sparse.to_dense(rows, default)
    return tf.squeeze(feature, axis=1)


def preprocessing_fn(inputs):
    """Z-scores, buckets and vocabularies, also of multi-byte text."""
    return {
        "distance_z": tft.scale_to_z_score(tf.cast(dense(inputs["distance"], 0), tf.float32)),
        "temp_bucket": tft.bucketize(dense(inputs["temp"], 50.0), 8),
        "wind_0_1": tft.scale_to_0_1(dense(inputs["wind_speed"], 0.0)),
        "city": tft.compute_and_apply_vocabulary(dense(inputs["city"], ""), vocab_filename="city"),
        "tailnum": tft.compute_and_apply_vocabulary(
            dense(inputs["tailnum"], ""), top_k=100, num_oov_buckets=2, vocab_filename="tailnum"
        ),
        "origin": tft.compute_and_apply_vocabulary(dense(inputs["origin"], ""), vocab_filename="origin"),
        "late": dense(inputs["late"], tf.constant(0, tf.int64)),
    }
