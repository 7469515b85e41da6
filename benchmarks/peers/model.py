"""The SavedModel as every peer calls it: columns in, predictions out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

KINDS = {"number": "float32", "requir": "float32", "word": "string", "count": "int64"}


def kind(name: str) -> str:
    return next(kind for prefix, kind in KINDS.items() if name.startswith(prefix))


class Model:
    """Loaded from the folder that MODEL_FOLDER names."""

    def __init__(self) -> None:
        import tensorflow as tf

        self._tf = tf
        self._loaded = tf.saved_model.load(os.environ["MODEL_FOLDER"])
        self._function = self._loaded.signatures["serving_raw"]

    def predict(self, columns: Mapping[str, Sequence[Any]]) -> list[float]:
        tensors = {name: self._tf.constant(values, kind(name)) for name, values in columns.items()}
        (output,) = self._function(**tensors).values()
        predictions: list[float] = output.numpy().ravel().tolist()
        return predictions

    def predict_rows(self, rows: Sequence[Mapping[str, Any]]) -> list[float]:
        return self.predict({name: [row[name] for row in rows] for name in rows[0]})
