"""Functions that a pipeline names by their dotted path."""

import tensorflow as tf
import tensorflow_transform as tft


def by_island(inputs, custom_config=None):
    """preprocessing_fn: ids of islands, and what custom_config names."""
    outputs = {"island_id": tft.compute_and_apply_vocabulary(inputs["island"])}
    for name in (custom_config or {}).get("numbers", []):
        outputs[name] = tft.scale_by_min_max(tf.cast(inputs[name], tf.float32))
    return outputs
