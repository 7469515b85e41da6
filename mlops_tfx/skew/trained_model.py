"""What was trained, without preprocessing: the function from transformed features to predictions in a SavedModel."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from mlops_tfx.errors import ConfigError, did_you_mean
from mlops_tfx.serving.export import PREDICT_TRANSFORMED

SINGLE_OUTPUT = ""
"""The name of the only output of a model that returns a tensor."""


@dataclass(frozen=True)
class TrainedModel:
    """A function from transformed features.

    Attributes:
        source: where in the SavedModel it was found, for the report.
        function: the concrete function.
        specs: transformed feature -> its tf.TypeSpec.
        signature: its name, if it is one.
    """

    source: str
    function: Any
    specs: Mapping[str, Any]
    signature: str | None = None

    @cached_property
    def frozen(self) -> Any:
        """The function as one flat graph."""
        return frozen(self.function)

    @property
    def order(self) -> list[str]:
        """The features in the order in which TensorFlow flattens them."""
        return sorted(self.specs)

    def __call__(self, features: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the outputs by name as arrays ``[rows, ...]``. Raises tf.errors.OpError.

        Args:
            features: feature -> tensor; others than those of ``specs`` are left out.
        """
        values = {name: _fitted(features[name], spec) for name, spec in self.specs.items()}
        if self.signature is not None:
            return named_outputs(self.function(**values))
        arguments, keywords = self.function.structured_input_signature
        return named_outputs(self.function(values, *arguments[1:], **keywords))


def frozen(function: Any) -> Any:
    """Returns a concrete function as one flat graph with constants for variables."""
    # TensorFlow gives this no public name; TensorFlow Lite's converter and many programs import it from here.
    return convert_variables_to_constants_v2(function, lower_control_flow=False, aggressive_inlining=True)


def named_outputs(result: Any) -> dict[str, Any]:
    """Returns what a model returns as arrays by name: a mapping, a sequence or a tensor."""
    if isinstance(result, Mapping):
        return {name: dense_array(value) for name, value in result.items()}
    if isinstance(result, (list, tuple)) and len(result) != 1:
        return {f"output_{index}": dense_array(value) for index, value in enumerate(result)}
    return {SINGLE_OUTPUT: dense_array(result[0] if isinstance(result, (list, tuple)) else result)}


def dense_array(value: Any) -> Any:
    """Returns a tensor as an array; a sparse or ragged one padded with 0 or ``""``, as signatures give it."""
    if isinstance(value, tf.SparseTensor):
        value = tf.sparse.to_dense(value)
    elif isinstance(value, tf.RaggedTensor):
        value = value.to_tensor()
    return value.numpy()


def _fitted(value: Any, spec: Any) -> Any:
    """A feature in the type and rank that the model takes."""
    if not isinstance(spec, tf.TensorSpec) or not tf.is_tensor(value):
        return value
    if value.dtype != spec.dtype:
        value = tf.cast(value, spec.dtype)
    rank = spec.shape.rank
    if rank is not None and rank == value.shape.rank - 1 and value.shape[-1] == 1:
        return tf.squeeze(value, -1)
    if rank is not None and rank == value.shape.rank + 1 and spec.shape[-1] in (1, None):
        return tf.expand_dims(value, -1)
    return value


def find_trained_model(loaded: Any, transformed: Collection[str], signature: str | None) -> TrainedModel | None:
    """Returns the function in a SavedModel that takes transformed features by name; None if there is none.

    Looked at, in this order: what `export_model` leaves, the SavedModel itself if it can be called (a tf_keras model,
    a tf.Module), and signatures.

    Args:
        loaded: from ``tf.saved_model.load``.
        transformed: names of the transformed features.
        signature: the signature to take, in place of all this.

    Raises:
        ConfigError: there is no such signature, or it takes something else.
    """
    if signature is not None:
        return _named_signature(loaded, transformed, signature)
    for candidate in (*_functions(loaded), *_signatures(loaded)):
        if candidate.specs and set(candidate.specs) <= set(transformed):
            return candidate
    return None


def _named_signature(loaded: Any, transformed: Collection[str], name: str) -> TrainedModel:
    found = {candidate.signature: candidate for candidate in _signatures(loaded)}
    if name not in found:
        hint = did_you_mean(name, loaded.signatures)
        raise ConfigError(f"training_signature: the model has no signature {name!r}{hint}")
    strange = sorted(set(found[name].specs) - set(transformed))
    if strange:
        raise ConfigError(
            f"training_signature: expected a signature of transformed features, received {name!r} with the input "
            f"{strange[0]!r}{did_you_mean(strange[0], transformed)}"
        )
    return found[name]


def _functions(loaded: Any) -> Iterator[TrainedModel]:
    for name, where in ((PREDICT_TRANSFORMED, f"its function {PREDICT_TRANSFORMED!r}"), ("__call__", "its call")):
        function = getattr(loaded, name, None)
        for concrete in getattr(function, "concrete_functions", ()):
            arguments, keywords = concrete.structured_input_signature
            # Keras saves its call once for training and once for inference: call(inputs, training, mask).
            trains = any(flag is True for flag in (*arguments[1:], *keywords.values()))
            if arguments and isinstance(arguments[0], Mapping) and not trains:
                yield TrainedModel(where, concrete, dict(arguments[0]))


def _signatures(loaded: Any) -> Iterator[TrainedModel]:
    for name, concrete in getattr(loaded, "signatures", {}).items():
        yield TrainedModel(f"its signature {name!r}", concrete, dict(concrete.structured_input_signature[1]), name)
