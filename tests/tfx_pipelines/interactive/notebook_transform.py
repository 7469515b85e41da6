"""preprocessing_fn for tensors that may have gaps."""

import tensorflow as tf
import tensorflow_transform as tft

_DENSE = ["bill_length_mm", "flipper_length_mm"]


def _column(x):
    """A vector of what may be a sparse column; gaps become 0 or empty."""
    if isinstance(x, tf.sparse.SparseTensor):
        x = tf.sparse.to_dense(x, "" if x.dtype == tf.string else 0)[:, :1]
        return tf.reshape(x, [-1])
    return x


def preprocessing_fn(inputs):
    """Scaled measures, the index of the island, and whether a penguin is heavier than the mean."""
    outputs = {name + "_xf": tft.scale_to_z_score(tf.cast(_column(inputs[name]), tf.float32)) for name in _DENSE}
    outputs["island_xf"] = tft.compute_and_apply_vocabulary(_column(inputs["island"]), num_oov_buckets=1)
    mass = _column(inputs["body_mass_g"])
    mean = tft.mean(tf.cast(mass, tf.float32))
    outputs["big"] = tf.cast(tf.cast(mass, tf.float32) > mean, tf.int64)
    return outputs
