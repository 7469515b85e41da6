"""What a model returns, as named outputs; class names beside them where there is a vocabulary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from mlops_tfx.errors import ExportError, did_you_mean

PROBABILITIES = "probabilities"
PREDICTIONS = "predictions"
CLASSES = "classes"
ALL_CLASSES = "all_classes"
_SCORE_NAMES = (PROBABILITIES, "scores", PREDICTIONS, "logits")


def name_outputs(
    result: Any, names: str | Sequence[str] | Mapping[str, str] | None, has_classes: bool
) -> dict[str, Any]:
    """Returns the model's outputs by name; floats of 16 bits become float32, which every client can read."""
    if isinstance(result, Mapping):
        outputs = _rename(result, names)
    elif isinstance(result, (list, tuple)):
        outputs = _name_sequence(result, names)
    else:
        outputs = {_single_name(names, has_classes): result}
    return {name: _dense(name, value) for name, value in outputs.items()}


def _rename(result: Mapping[str, Any], names: Any) -> dict[str, Any]:
    if names is None:
        return dict(result)
    if isinstance(names, Mapping):
        unknown = [name for name in names if name not in result]
        if unknown:
            raise ExportError(f"the model has no output {unknown[0]!r}{did_you_mean(unknown[0], result)}")
        return {names.get(key, key): value for key, value in result.items()}
    if isinstance(names, str) and len(result) == 1:
        return {names: next(iter(result.values()))}
    raise ExportError(
        f"the model returns a dict with the outputs {sorted(result)}; expected output_names to be a mapping from "
        f"these names, received output_names={names!r}"
    )


def _name_sequence(result: Sequence[Any], names: Any) -> dict[str, Any]:
    if names is None:
        names = [f"output_{index}" for index in range(len(result))]
    if isinstance(names, str):
        names = [names]
    if isinstance(names, Mapping) or len(names) != len(result) or len(set(names)) != len(result):
        raise ExportError(f"the model returns {len(result)} outputs; expected as many different output_names, "
                          f"received output_names={names!r}")  # fmt: skip
    return dict(zip(names, result, strict=True))


def _single_name(names: Any, has_classes: bool) -> str:
    if names is None:
        return PROBABILITIES if has_classes else PREDICTIONS
    if isinstance(names, str):
        return names
    if isinstance(names, Sequence) and len(names) == 1:
        return str(names[0])
    raise ExportError(f"the model returns one output; expected one output name, received output_names={names!r}")


def _dense(name: str, value: Any) -> Any:
    if isinstance(value, tf.SparseTensor):
        return tf.sparse.to_dense(value)
    if isinstance(value, tf.RaggedTensor):
        return value.to_tensor()
    if not tf.is_tensor(value):
        raise ExportError(f"expected the model to return tensors, received {type(value).__name__} for output {name!r}")
    if value.dtype in (tf.float16, tf.bfloat16):
        return tf.cast(value, tf.float32)
    return value


def dense_features(features: Mapping[str, Any]) -> dict[str, Any]:
    """Returns transformed features as dense tensors; sparse ones are padded with 0 or ``""``."""
    return {name: _dense(name, tf.convert_to_tensor(value) if isinstance(value, (int, float)) else value)
            for name, value in features.items()}  # fmt: skip


def add_classes(outputs: Mapping[str, Any], vocabulary: Sequence[bytes]) -> dict[str, Any]:
    """Adds ``classes``, the most probable class of every row, and ``all_classes``, the names in order.

    A single column beside two class names is the probability of the second one.
    """
    scores = outputs[_score_name(outputs)]
    width = scores.shape[-1] if scores.shape.rank == 2 else 1 if scores.shape.rank == 1 else None
    binary = width == 1 and len(vocabulary) == 2
    if not binary and width != len(vocabulary):
        raise ExportError(
            f"expected class_vocabulary to have a name for every class of the model's output of shape {scores.shape}, "
            f"received {len(vocabulary)} names: {[name.decode(errors='replace') for name in vocabulary[:10]]}"
        )
    names = tf.constant(list(vocabulary))
    if binary:
        best = tf.cast(tf.reshape(scores, [-1]) >= 0.5, tf.int32)
    else:
        best = tf.argmax(scores, axis=-1)
    every = tf.tile(names[tf.newaxis, :], tf.stack([tf.shape(scores)[0], 1]))
    return {**outputs, CLASSES: tf.gather(names, best), ALL_CLASSES: every}


def _score_name(outputs: Mapping[str, Any]) -> str:
    if len(outputs) == 1:
        return next(iter(outputs))
    for name in _SCORE_NAMES:
        if name in outputs:
            return name
    raise ExportError(
        f"class_vocabulary is given, but the model's outputs {sorted(outputs)} have none of the names "
        f"{', '.join(_SCORE_NAMES)}; name the one with the class probabilities by output_names"
    )
