"""What is wrong with an answer: outputs, types, shapes, numbers, and whether it is what this process computes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from mlops_tfx.components.infra_validator.failures import ModelRefusedError
from mlops_tfx.inference.signatures import CLASSES, CLASSIFY, PREDICT, SCORES, VALUE

if TYPE_CHECKING:
    from mlops_tfx.components.infra_validator.requests import Query

_RELATIVE, _ABSOLUTE = 1e-4, 1e-5  # servers are compiled with other instructions than this process


def read_answer(query: Query, response: Any) -> dict[str, Any]:
    """Returns the outputs by name, ``[rows, ...]`` each. Raises ModelRefusedError for messages that cannot be read."""
    if query.task.kind == PREDICT:
        try:
            return {alias: tf.make_ndarray(proto) for alias, proto in response.outputs.items()}
        except (TypeError, ValueError) as error:
            raise ModelRefusedError(f"{query.where}: expected tensors, received others: {error}") from error
    if query.task.kind == CLASSIFY:
        rows = [found.classes for found in response.result.classifications]
        arrays = {
            CLASSES: np.array([[found.label.encode() for found in classes] for classes in rows], object),
            SCORES: np.array([[found.score for found in classes] for classes in rows], np.float32),
        }
        return {alias: array for alias, array in arrays.items() if alias in query.task.outputs}
    return {VALUE: np.array([found.value for found in response.result.regressions], np.float32)}


def problems(query: Query, arrays: Mapping[str, Any], require_finite: bool) -> Iterator[str]:
    """Yields what is wrong with an answer by itself."""
    expected = set(query.task.outputs)
    if set(arrays) != expected:
        yield f"{query.where}: expected outputs {sorted(expected)!r}, received {sorted(arrays)!r}"
    for alias in sorted(expected & set(arrays)):
        yield from _problems_of(query, alias, arrays[alias], require_finite)


def _problems_of(query: Query, alias: str, array: Any, require_finite: bool) -> Iterator[str]:
    where = f"{query.where}, output {alias!r}"
    rows = query.stop - query.start
    if array.shape[:1] != (rows,):
        yield f"{where}: expected {rows} rows, received shape={array.shape!r}"
    if query.task.kind == PREDICT:
        info = query.definition.outputs[alias]
        declared, received = tf.as_dtype(info.dtype), tf.as_dtype(array.dtype)
        if declared != received:
            yield f"{where}: expected {declared.name} as the signature says, received {received.name}"
        shape = tf.TensorShape(info.tensor_shape)
        if not shape.is_compatible_with(array.shape):
            yield f"{where}: expected shape {shape} as the signature says, received {array.shape!r}"
    if require_finite and array.dtype.kind == "f" and not np.isfinite(array).all():
        wrong = array[~np.isfinite(array)]
        yield f"{where}: expected finite numbers, received {wrong.flat[0]} ({wrong.size} of {array.size} values)"


def differences(query: Query, arrays: Mapping[str, Any], computed: Mapping[str, Any]) -> Iterator[str]:
    """Yields where an answer differs from what this process computes for all rows."""
    for alias in sorted(set(arrays) & set(computed)):
        served = arrays[alias]
        ours = np.asarray(computed[alias])[query.start : query.stop]
        if query.task.kind != PREDICT:
            ours = ours.reshape(served.shape) if ours.size == served.size else ours
        if served.shape != ours.shape:
            yield (
                f"{query.where}, output {alias!r}: the server answers with shape {served.shape!r}, this process "
                f"computes {ours.shape!r}"
            )
        elif not _equal(served, ours):
            yield f"{query.where}, output {alias!r}: {_worst(served, ours)}"


def _equal(served: Any, ours: Any) -> bool:
    if served.dtype.kind == "f":
        return bool(np.allclose(served, ours, rtol=_RELATIVE, atol=_ABSOLUTE, equal_nan=True))
    return bool(np.array_equal(served, ours))


def _worst(served: Any, ours: Any) -> str:
    if served.dtype.kind == "f":
        place = int(np.argmax(np.nan_to_num(np.abs(served.astype(np.float64) - ours), nan=np.inf)))
    else:
        place = int(np.argmax(served.reshape(-1) != ours.reshape(-1)))
    return f"the server answers {served.flat[place]!r} where this process computes {ours.flat[place]!r}"
