"""preprocessing_fn for tensors that may have gaps."""

import tensorflow as tf
import tensorflow_transform as tft

_DENSE = ["bill_length_mm", "flipper_length_mm"]


def _fill_in_missing(x):
    if not isinstance(x, tf.sparse.SparseTensor):
        return x
    default_value = "" if x.dtype == tf.string else 0
    return tf.squeeze(
        tf.sparse.to_dense(tf.SparseTensor(x.indices, x.values, [x.dense_shape[0], 1]), default_value), axis=1
    )


def preprocessing_fn(inputs):
    """tf.transform's callback function for preprocessing inputs."""
    outputs = {
        name + "_xf": tft.scale_to_z_score(tf.cast(_fill_in_missing(inputs[name]), tf.float32)) for name in _DENSE
    }
    outputs["island_xf"] = tft.compute_and_apply_vocabulary(_fill_in_missing(inputs["island"]), num_oov_buckets=1)
    mass = _fill_in_missing(inputs["body_mass_g"])
    mean = tft.mean(tf.cast(mass, tf.float32))
    outputs["big"] = tf.cast(tf.cast(mass, tf.float32) > mean, tf.int64)
    return outputs
