"""The user's preprocessing_fn and stats_options_updater_fn: bound to their custom_config, results checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mlops_tfx.errors import UserCodeError, did_you_mean
from mlops_tfx.execution.user_code import user_code


class PreprocessingFn:
    """Calls the user's preprocessing_fn and checks what it returns, every time that TensorFlow Transform traces it.

    It is picklable, since Beam workers trace it too.

    Args:
        function: the user's function, ``preprocessing_fn(inputs)`` or ``preprocessing_fn(inputs, custom_config)``.
        custom_config: given to the function if it has such an argument.
    """

    def __init__(self, function: Callable[..., Any], custom_config: Mapping[str, Any] | None) -> None:
        self._function = function
        self._arguments = custom_arguments(function, custom_config)

    def __call__(self, inputs: Mapping[str, Any]) -> Any:
        """Returns the transformed features. Raises UserCodeError if the function raises or returns something else."""
        with user_code("preprocessing_fn"):
            outputs = self._function(_Features(inputs), **self._arguments)
        problems = list(_problems(outputs))
        if problems:
            raise UserCodeError(f"{_where(self._function)}: " + "; ".join(problems))
        return outputs


class _Features(dict[str, Any]):
    """The inputs of preprocessing_fn; asking for a feature that the schema has not says so."""

    def __missing__(self, name: str) -> Any:
        raise UserCodeError(f"preprocessing_fn asks for feature {name!r}, which the schema has not{self._hint(name)}")

    def _hint(self, name: str) -> str:
        return did_you_mean(str(name), self)


def custom_arguments(function: Callable[..., Any], custom_config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns the keyword arguments for a user function: custom_config, if it takes one."""
    try:
        names = inspect.signature(function).parameters.keys()
    except ValueError:  # a function of C code has no signature
        return {}
    return {"custom_config": dict(custom_config or {})} if "custom_config" in names else {}


def _where(function: Callable[..., Any]) -> str:
    function = inspect.unwrap(getattr(function, "func", function))
    code = getattr(function, "__code__", None)
    return f"preprocessing_fn ({code.co_filename}:{code.co_firstlineno})" if code else "preprocessing_fn"


def _problems(outputs: Any) -> Iterator[str]:
    if not isinstance(outputs, Mapping):
        yield f"expected a dict of feature name to tensor, received {type(outputs).__name__}; return a dict"
        return
    if not outputs:
        yield "expected at least one feature, received an empty dict; return the features that the model needs"
    for name, value in outputs.items():
        if not isinstance(name, str):
            yield f"expected feature names of type str, received {name!r} of type {type(name).__name__}"
        else:
            yield from _value_problems(name, value)


def _value_problems(name: str, value: Any) -> Iterator[str]:
    import tensorflow as tf

    if not isinstance(value, tf.Tensor | tf.SparseTensor | tf.RaggedTensor):
        yield f"feature {name!r}: expected a Tensor, SparseTensor or RaggedTensor, received {type(value).__name__}"
        return
    if value.dtype not in (tf.float32, tf.int64, tf.string):
        yield (
            f"feature {name!r}: expected dtype float32, int64 or string, which tf.Examples can hold, "
            f"received dtype={value.dtype.name}; use tf.cast"
        )
    if isinstance(value, tf.Tensor):
        yield from _shape_problems(name, value)


def _shape_problems(name: str, value: Any) -> Iterator[str]:
    shape = value.shape
    if shape.rank is None:
        yield f"feature {name!r}: expected a known rank, received shape={shape}; use tf.ensure_shape"
    elif shape.rank == 0:
        yield f"feature {name!r}: expected one row per input row, received a scalar; use tf.fill or add tf.zeros_like"
    elif shape[0] is not None:
        yield (
            f"feature {name!r}: expected one row per input row, received a tensor that always has {shape[0]} rows "
            f"(shape={shape}); compute it from the inputs row by row"
        )
    elif not shape[1:].is_fully_defined():
        yield (
            f"feature {name!r}: expected known dimensions after the first, received shape={shape}; "
            f"a sparse input made dense needs its width: tf.sparse.to_dense, then tf.reshape or tf.ensure_shape"
        )
