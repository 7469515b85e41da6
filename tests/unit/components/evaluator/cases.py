"""Small models and tables for the Evaluator's tests, and TFMA's results as dicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Table = Mapping[str, Any]


def record_batch(table: Table) -> Any:
    """Columns (lists; None is missing, a list is several values) as a record batch in tf.Example form."""
    import pyarrow as pa

    def column(values: Any) -> Any:
        rows = [None if v is None else (list(v) if isinstance(v, list | np.ndarray) else [v]) for v in values]
        first = next(row[0] for row in rows if row)
        kind = pa.large_binary() if isinstance(first, bytes) else pa.int64() if isinstance(first, int) else pa.float32()
        return pa.array(rows, pa.large_list(kind))

    return pa.RecordBatch.from_arrays([column(v) for v in table.values()], list(table))


def binary(x: Any) -> Mapping[str, Any]:
    """One probability."""
    import tensorflow as tf

    return {"probability": tf.sigmoid(x)}


def three_classes(x: Any) -> Mapping[str, Any]:
    """Three probabilities."""
    import tensorflow as tf

    logits = tf.concat([-0.7 * x, 0.1 + 0.0 * x, 0.7 * x + 0.2], axis=1)
    return {"probabilities": tf.nn.softmax(logits)}


def named_classes(x: Any) -> Mapping[str, Any]:
    """Three probabilities and the names of the classes, as TF Serving's Classify has them."""
    import tensorflow as tf

    names = tf.constant([["low", "mid", "high"]])
    return {"scores": three_classes(x)["probabilities"], "classes": tf.repeat(names, tf.shape(x)[0], axis=0)}


def random_table(rows: int, seed: int = 0, classes: int = 2) -> dict[str, Any]:
    """x, label y (correlated with x), weight w, and slicing columns: c with gaps, o, n (int), tags (several values)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows).astype(np.float32)
    noisy = x + rng.normal(size=rows)
    y = np.digitize(noisy, [0.0] if classes == 2 else [-0.6, 0.6])
    tags = [[t for t in (b"red", b"green", b"blue") if rng.random() < 0.4] or None for _ in range(rows)]
    return {
        "x": [float(v) for v in x],
        "y": [int(v) for v in y],
        "w": [float(v) for v in rng.uniform(0.1, 3.0, rows).astype(np.float32)],
        "c": [None if i % 11 == 5 else [b"AA", b"BB", b"UA"][int(rng.integers(3))] for i in range(rows)],
        "o": [[b"JFK", b"LGA"][int(rng.integers(2))] for _ in range(rows)],
        "n": [int(v) for v in rng.integers(1, 4, rows)],
        "tags": tags,
        "names": [[b"low", b"mid", b"high"][min(int(v), 2)] for v in y],
    }


def tfma_metrics(uri: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """All metrics that lie in an output folder, as TFMA reads them: by slice, then by key."""
    import tensorflow_model_analysis as tfma

    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for message in tfma.load_metrics(uri):
        key = tfma.slicer.deserialize_slice_key(message.slice_key)
        found[key] = {str(item.key): item.value for item in message.metric_keys_and_values}
    return found
