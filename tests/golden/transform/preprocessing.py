"""The preprocessing_fn of the golden test; TFX and mlops_tfx both run this file."""

import tensorflow as tf
import tensorflow_transform as tft


def dense(feature, default):
    """A feature with at most one value per row as a vector."""
    rows = tf.SparseTensor(feature.indices, feature.values, [feature.dense_shape[0], 1])
    return tf.squeeze(tf.sparse.to_dense(rows, default), axis=1)


def preprocessing_fn(inputs):
    """Vocabularies, z-scores, buckets, n-grams, hashes; categorical and multivalent features."""
    distance = tf.cast(inputs["distance"], tf.float32)
    temp = dense(inputs["temp"], 0.0)
    carrier = tf.squeeze(inputs["carrier"], axis=1)
    words = tf.strings.split(tf.strings.reduce_join([carrier, dense(inputs["tailnum"], "")], axis=0, separator=" "))
    bucket = tft.bucketize(distance, 10)
    return {
        "distance_z": tft.scale_to_z_score(distance),
        "temp_0_1": tft.scale_to_0_1(temp),
        "distance_bucket": bucket,
        "carrier": tft.compute_and_apply_vocabulary(carrier, num_oov_buckets=1, vocab_filename="carrier"),
        "month": tft.compute_and_apply_vocabulary(tf.strings.as_string(inputs["month"]), vocab_filename="month"),
        "tailnum_top": tft.compute_and_apply_vocabulary(inputs["tailnum"], top_k=50, vocab_filename="tailnum"),
        "tailnum_hash": tft.hash_strings(dense(inputs["tailnum"], ""), 100),
        "letters": tft.compute_and_apply_vocabulary(
            inputs["letters"], frequency_threshold=20, vocab_filename="letters"
        ),
        "pairs": tft.ngrams(words.to_sparse(), (1, 2), separator="_"),
        "pairs_ids": tft.compute_and_apply_vocabulary(
            tft.ngrams(words.to_sparse(), (2, 2), separator="_"), top_k=30, vocab_filename="pairs"
        ),
    }
