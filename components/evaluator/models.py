"""Models under evaluation: loaded once, called with whole batches."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlops_tfx import filesystem
from mlops_tfx.components.evaluator.batches import EvalBatch
from mlops_tfx.components.evaluator.pairing import Array, NotVectorizable
from mlops_tfx.errors import ArtifactError, ConfigError, DataError, did_you_mean

# Signatures whose outputs TFMA takes as transformed features when none are named.
DEFAULT_PREPROCESSING = ("transformed_features", "transformed_labels")
_ROWS_PER_CALL = 4096


class EvalModel:
    """A SavedModel and its ModelSpec.

    Attributes:
        name: the model's name in the results; empty for a single model.
        path: folder of the SavedModel.
    """

    def __init__(self, path: str, spec: Any, name: str) -> None:
        import tensorflow as tf

        if not filesystem.exists(os.path.join(path, "saved_model.pb")):
            raise ArtifactError(
                f"expected a SavedModel in {path!r}, found no saved_model.pb there; another kind of "
                "model needs a module_file with custom_eval_shared_model and custom_extractors"
            )
        self.path, self.spec, self.name = path, spec, name
        self._model = tf.saved_model.load(path)
        self._rows_per_call = spec.inference_batch_size or _ROWS_PER_CALL

    def preprocess(self, batch: EvalBatch) -> dict[str, Array]:
        """Outputs of the preprocessing functions, by column; empty when there are none."""
        outputs: dict[str, Array] = {}
        named = list(self.spec.preprocessing_function_names)
        for name in named or [name for name in DEFAULT_PREPROCESSING if name in self._model.signatures]:
            outputs.update(self._call(name, batch))
        return outputs

    def predict(self, batch: EvalBatch) -> Array | dict[str, Array]:
        """The model's outputs for a batch: an array if there is only one, else a dict by output name."""
        outputs = self._call(self.spec.signature_name or None, batch)
        for key in [self.spec.prediction_key, *self.spec.prediction_keys.values()]:
            if key and key not in outputs and len(outputs) > 1:
                raise ConfigError(
                    f"ModelSpec.prediction_key={key!r} is no output of the model at {self.path!r}"
                    f"{did_you_mean(key, outputs)}"
                )
        self._refuse_nan(outputs)
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs

    def _refuse_nan(self, outputs: Mapping[str, Array]) -> None:
        for key, values in outputs.items():
            wrong = (
                int(np.isnan(values).any(axis=tuple(range(1, values.ndim))).sum()) if values.dtype.kind == "f" else 0
            )
            if wrong:
                raise DataError(
                    f"the model at {self.path!r} predicts NaN in {wrong} of {len(values)} rows of a batch (output "
                    f"{key!r}): no metric can be computed; look for NaN in the loss, or for missing values that reach "
                    "the model"
                )

    def _call(self, signature_name: str | None, batch: EvalBatch) -> dict[str, Array]:
        import tensorflow as tf

        function, inputs = self._resolve(signature_name, batch)
        # Sparse inputs cannot be cut; they are called with whole.
        step = self._rows_per_call if all(isinstance(value, tf.Tensor) for value in inputs.values()) else batch.count
        parts = []
        for start in range(0, batch.count, step):
            part = {
                name: value[start : start + step] if step < batch.count else value for name, value in inputs.items()
            }
            count = min(step, batch.count - start)
            parts.append(self._outputs(function, part, count, signature_name or "serving_default"))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _outputs(self, function: Any, inputs: dict[str, Any], count: int, name: str) -> dict[str, Array]:
        import tensorflow as tf

        try:
            result = function(**inputs) if hasattr(function, "structured_input_signature") else function(inputs)
        except (TypeError, ValueError, tf.errors.OpError) as error:
            raise DataError(
                f"signature {name!r} of the model at {self.path!r} fails on {count} examples: {error}"
            ) from error
        outputs = result if isinstance(result, Mapping) else {name: result}
        return {key: self._rows(value, count, key) for key, value in outputs.items()}

    def _rows(self, value: Any, count: int, key: str) -> Array:
        import tensorflow as tf

        if isinstance(value, tf.SparseTensor):
            value = tf.sparse.to_dense(value)
        elif isinstance(value, tf.RaggedTensor):
            value = value.to_tensor()
        array = np.asarray(value)
        if array.shape[:1] != (count,):
            raise DataError(
                f"output {key!r} of the model at {self.path!r} has shape {array.shape} for {count} examples: expected "
                "one row for each"
            )
        return array

    def _resolve(self, signature_name: str | None, batch: EvalBatch) -> tuple[Any, dict[str, Any]]:
        """The function to call and its inputs: named columns where they match, else serialized tf.Examples."""
        from tensorflow_model_analysis.utils import model_util

        if signature_name and "@" in signature_name:
            raise NotVectorizable(f"preprocessing function {signature_name!r} of TFMA")
        self._require(signature_name)
        specs = model_util.get_input_specs(self._model, signature_name) or {}
        function = model_util.get_callable(self._model, signature_name)
        if function is None:
            raise ConfigError(f"the model at {self.path!r} cannot be called: it has no signatures")
        if self._takes_serialized(specs, batch.record_batch.schema.names):
            import tensorflow as tf

            name = next(iter(specs), "examples")
            return function, {name: tf.constant(batch.serialized, tf.string)}
        return function, self._named_inputs(specs, batch, signature_name)

    def _require(self, signature_name: str | None) -> None:
        name = signature_name or ("predict" if "predict" in self._model.signatures else "serving_default")
        if name not in self._model.signatures and not callable(getattr(self._model, name, None)):
            raise ConfigError(
                f"the model at {self.path!r} has no signature {name!r}{did_you_mean(name, self._model.signatures)}; "
                f"signatures: {', '.join(sorted(self._model.signatures)) or 'none'}"
            )

    def _takes_serialized(self, specs: Mapping[str, Any], columns: Sequence[str]) -> bool:
        import tensorflow as tf

        if len(specs) != 1:
            return not specs
        name, spec = next(iter(specs.items()))
        return bool(spec.dtype == tf.string) and _column(name, columns) is None

    def _named_inputs(self, specs: Mapping[str, Any], batch: EvalBatch, signature_name: str | None) -> dict[str, Any]:
        from tensorflow_model_analysis.utils import model_util, util

        columns = batch.record_batch.schema.names
        wanted = {name: column for name in specs if (column := _column(name, columns)) is not None}
        absent = [name for name in specs if name not in wanted]
        if absent:
            raise DataError(
                f"signature {signature_name or 'serving_default'!r} of the model at {self.path!r} takes "
                f"{', '.join(map(repr, sorted(specs)))}; the examples have no {', '.join(map(repr, absent))}"
                f"{did_you_mean(absent[0], columns)}"
            )
        features = util.record_batch_to_tensor_values(batch.only(sorted(set(wanted.values()))))
        return dict(model_util.get_inputs(features, specs))


def _column(input_name: str, columns: Sequence[str]) -> str | None:
    """The column for an input; Keras appends ``_input`` to some names."""
    if input_name in columns:
        return input_name
    short = input_name.removesuffix("_input")
    return short if short in columns else None


def materialized(batch: EvalBatch, model_specs: Sequence[Any]) -> Any:
    """Predictions that are columns of the examples (``prediction_key``), for an evaluation without a model."""
    found: dict[str, Any] = {}
    for spec in model_specs:
        name = spec.name if len(model_specs) > 1 else ""
        if spec.prediction_key:
            found[name] = batch.dense(spec.prediction_key, name, "prediction")
        else:
            columns = dict(spec.prediction_keys)
            found[name] = {output: batch.dense(column, name, "prediction") for output, column in columns.items()}
    return found.get("") if len(model_specs) == 1 else found
