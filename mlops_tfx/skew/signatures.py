"""What the signatures of a model take and give: serialized rows, raw tensors, predictions, transformed features."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from mlops_tfx.errors import ConfigError, did_you_mean
from mlops_tfx.serving.input_names import input_aliases
from mlops_tfx.skew.comparison import FEATURE, PREDICTION
from mlops_tfx.skew.trained_model import SINGLE_OUTPUT

if TYPE_CHECKING:
    from mlops_tfx.skew.trained_model import TrainedModel

SERIALIZED, RAW_TENSORS = "serialized examples", "raw tensors"


@dataclass(frozen=True)
class Signature:
    """A signature that raw rows can be sent to.

    Attributes:
        name: its name.
        function: its concrete function.
        takes: SERIALIZED or RAW_TENSORS.
        inputs: input -> its tf.TensorSpec.
        features: input -> the raw feature that it takes; empty for serialized rows.
        predictions: output -> the output of the trained model that it must equal.
        transformed: outputs that must equal the transformed features of the same name.
        unknown: outputs that training has nothing to hold against.
    """

    name: str
    function: Any
    takes: str
    inputs: Mapping[str, Any]
    features: Mapping[str, str]
    predictions: Mapping[str, str]
    transformed: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def kinds(self) -> dict[str, str]:
        """Output -> PREDICTION or FEATURE, of those that are compared."""
        return {**dict.fromkeys(self.predictions, PREDICTION), **dict.fromkeys(self.transformed, FEATURE)}


def read_signatures(
    loaded: Any,
    wanted: Sequence[str],
    raw: Collection[str],
    transformed: Collection[str],
    model: TrainedModel | None,
    outputs: Collection[str],
) -> tuple[list[Signature], dict[str, str]]:
    """Returns the signatures that raw rows can be sent to, and by name why the others are left out.

    Args:
        loaded: from ``tf.saved_model.load``.
        wanted: their names; none for all.
        raw: names of the raw features.
        transformed: names of the transformed features.
        model: what was trained; a signature that takes transformed features only is one of its kind.
        outputs: the outputs of what was trained.

    Raises:
        ConfigError: there is no signature of a name.
    """
    for name in wanted:
        if name not in loaded.signatures:
            raise ConfigError(f"signatures: the model has no signature {name!r}{did_you_mean(name, loaded.signatures)}")
    found, left_out = [], {}
    for name, function in loaded.signatures.items():
        if wanted and name not in wanted:
            left_out[name] = "not asked for"
            continue
        inputs = dict(function.structured_input_signature[1])
        features = _raw_features(inputs, raw)
        if features is None and not _takes_records(inputs):
            if model is not None and set(inputs) <= set(transformed):
                left_out[name] = "takes transformed features: it is what was trained, without preprocessing"
            else:
                left_out[name] = ""
            continue
        found.append(_signature(name, function, inputs, features or {}, transformed, outputs))
    return found, left_out


def _takes_records(inputs: Mapping[str, Any]) -> bool:
    spec = next(iter(inputs.values()), None)
    return len(inputs) == 1 and spec is not None and spec.dtype == tf.string and spec.shape.rank in (None, 1)


def _raw_features(inputs: Mapping[str, Any], raw: Collection[str]) -> dict[str, str] | None:
    names = {alias: name for name, alias in input_aliases(raw).items()}
    names |= {name: name for name in raw}
    return {alias: names[alias] for alias in inputs} if inputs and set(inputs) <= set(names) else None


def _signature(
    name: str,
    function: Any,
    inputs: Mapping[str, Any],
    features: Mapping[str, str],
    transformed: Collection[str],
    outputs: Collection[str],
) -> Signature:
    given = list(function.structured_outputs)
    predictions = {output: output for output in given if output in outputs}
    # An output may have the name of a feature only where it is not one of the model's.
    as_features = tuple(output for output in given if output in transformed and output not in predictions)
    rest = [output for output in given if output not in predictions and output not in as_features]
    if set(outputs) == {SINGLE_OUTPUT} and len(rest) == 1:
        predictions, rest = {rest[0]: SINGLE_OUTPUT}, []
    takes = RAW_TENSORS if features else SERIALIZED
    return Signature(name, function, takes, inputs, features, predictions, as_features, tuple(rest))
