"""preprocessing_fn with a vocabulary, an integer id, and scaled numbers."""

import tensorflow as tf
import tensorflow_transform as tft

NUMBERS = ["bill_length_mm", "flipper_length_mm"]


def preprocessing_fn(inputs):
    outputs = {}
    for name in NUMBERS:
        outputs[f"{name}_xf"] = tft.scale_to_z_score(tf.cast(inputs[name], tf.float32))
    outputs["mass_xf"] = tft.scale_to_0_1(tf.cast(inputs["body_mass_g"], tf.float32))
    outputs["island_xf"] = tft.compute_and_apply_vocabulary(inputs["island"], vocab_filename="islands")
    outputs["years"] = tft.apply_vocabulary(
        inputs["year"], tft.vocabulary(inputs["year"], vocab_filename="years", frequency_threshold=1)
    )
    outputs["label"] = tf.cast(tf.equal(inputs["species"], "Gentoo"), tf.int64)
    return outputs
