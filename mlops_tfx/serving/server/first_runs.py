"""Runs every signature of a new version once before requests come to it.

TensorFlow prepares much of a function when it is first run. The requests that are first after a switch would wait for
it, 100 ms for a small model, and all of them at once. So what the version before was asked is asked here, one request
per signature; or, where there was none, a row of nothing: zeros, empty texts and empty examples. What comes out, and
whether the model refuses it, matters to nobody. Signatures that change something, which count or train, are left out.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mlops_tfx.serving.server import statuses
from mlops_tfx.serving.server.calls import Call, Execute
from mlops_tfx.serving.server.saved_model import SavedModelSession
from mlops_tfx.serving.server.signatures import Signature

# Inputs larger than this are neither kept nor made up.
_MOST_VALUES = 1 << 16
_JOINT = "MultiInference"


class FirstRuns:
    """Keeps one small request per signature, and prepares new versions with it."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, str], Mapping[str, Any]] = {}

    async def intercept(self, call: Call, proceed: Execute) -> Sequence[Any]:
        """An interceptor: keeps the first request to a signature that was answered."""
        outputs = await proceed(call)
        key = (call.model_name, call.signature_name)
        if key not in self._asked and call.api != _JOINT:
            self._asked[key] = call.inputs if sum(map(_size, call.values)) <= _MOST_VALUES else {}
        return outputs

    def prepare(self, name: str, path: str, version: int, session: SavedModelSession) -> None:
        """Runs the signatures of a version that has been loaded."""
        for signature_name, signature in session.signatures.items():
            # What is asked changes: the next version is prepared with what this one is asked.
            asked = self._asked.pop((name, signature_name), {})
            if signature_name in session.changing:
                continue
            inputs = {
                alias: asked[alias] if alias in asked else _nothing(info)
                for alias, info in signature.definition.inputs.items()
            }
            if all(value is not None for value in inputs.values()):
                _run(signature, inputs)


def _run(signature: Signature, inputs: Mapping[str, Any]) -> None:
    # A dtype that another version had is refused here rather than by TensorFlow, which raises TypeError.
    with contextlib.suppress(statuses.StatusError, TypeError):
        signature.plan(signature.select(())).run(signature.order(inputs))


def _size(value: Any) -> int:
    array = np.asarray(value)
    return sum(len(item) for item in array.ravel()) if array.dtype == object else int(array.size)


def _nothing(info: Any) -> Any:
    """One row of an input by its TensorInfo; None if it would be large, or its dtype is none of numpy's."""
    shape = [1] if info.tensor_shape.unknown_rank else [max(dim.size, 1) for dim in info.tensor_shape.dim]
    if math.prod(shape) > _MOST_VALUES:
        return None
    dtype = tf.as_dtype(info.dtype)
    if dtype == tf.string:
        return np.full(shape, b"", object)
    return np.zeros(shape, dtype.as_numpy_dtype) if dtype.is_numpy_compatible and dtype != tf.resource else None
