"""The preprocessing_fn of the golden test of sequences; TFX and mlops_tfx both run this file."""

import tensorflow as tf
import tensorflow_transform as tft


def preprocessing_fn(inputs):
    """Sequences, ragged features with partitions, sparse features with two indices, a default value."""
    return {
        "f_z": tft.scale_to_z_score(inputs["f"]),
        "i_0_1": tft.scale_to_0_1(tf.cast(inputs["i"], tf.float32)),
        "words_ids": tft.compute_and_apply_vocabulary(inputs["words"], vocab_filename="words"),
        "amounts_z": tf.ragged.map_flat_values(
            lambda values: (values - tft.mean(inputs["amounts"])) / 10.0, inputs["amounts"]
        ),
        "steps": tf.cast(inputs["amounts"].row_lengths(), tf.int64),
        "groups": inputs["groups"],
        "pairs": inputs["pairs"],
        "grid": inputs["grid"],
    }
