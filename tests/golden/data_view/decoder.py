"""Takes lines such as ``7,b|0.5 1.0`` apart: a decoder as users write it, for TFX and for us."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tfx_bsl.coders import tf_graph_record_decoder

ROWS = 60


def lines() -> list[bytes]:
    """The records: an id, a letter, and none to three numbers."""
    return [f"{i},{'abc'[i % 3]}|{' '.join(str(k / 2) for k in range(i % 4))}".encode() for i in range(ROWS)]


class LineDecoder(tf_graph_record_decoder.TFGraphRecordDecoder):
    """Makes a dense, a sparse and a ragged tensor."""

    def decode_record(self, records: tf.Tensor) -> dict[str, Any]:
        """Takes a vector of records apart."""
        parts = tf.strings.split(records, "|").to_tensor(shape=[None, 2])
        head = tf.strings.split(parts[:, 0], ",").to_tensor(shape=[None, 2])
        words = tf.strings.split(parts[:, 1], " ")
        return {
            "id": tf.strings.to_number(head[:, :1], tf.int64),
            "letter": tf.sparse.from_dense(head[:, 1:]),
            "numbers": tf.strings.to_number(tf.ragged.boolean_mask(words, words != ""), tf.float32),
        }


def create_decoder() -> LineDecoder:
    """What TfGraphDataViewProvider calls."""
    return LineDecoder()


def not_a_decoder() -> int:
    """A mistake."""
    return 7


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
    """Sums the ragged feature, and looks the sparse one up."""
    import tensorflow_transform as tft

    letters = tf.reshape(tf.sparse.to_dense(inputs["letter"], default_value=""), [-1, 1])
    return {
        "id": inputs["id"],
        "total": tft.scale_to_z_score(tf.reduce_sum(inputs["numbers"], axis=1)[:, None]),
        "letter": tft.compute_and_apply_vocabulary(letters),
    }
