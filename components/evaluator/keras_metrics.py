"""Keras metrics fed with arrays: what TFMA takes from ``tf_keras.metrics`` and ``tf_keras.losses``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mlops_tfx import filesystem
from mlops_tfx.components.evaluator.combiners import ArrayCombiner, PairCache, pair_spec
from mlops_tfx.components.evaluator.pairing import Array, NotVectorizable, PairSpec, Rows, one_hot

# A call of a Keras metric costs a millisecond whatever it is given, so slices wait until they have this many rows.
_ROWS_PER_UPDATE = 2048


class KerasMetrics(ArrayCombiner):
    """Updates Keras metrics with arrays of labels, predictions and weights.

    The state holds the metrics' variables, summed up in float64 over calls (Keras adds in float32), and rows that wait.
    """

    def __init__(self, combiner: Any) -> None:
        self.combiner = combiner
        combiner.setup()
        self.settings = vars(combiner)
        if getattr(combiner.create_accumulator(), "_pad", False):
            raise NotVectorizable("padding_options")
        aggregation = self.settings["_aggregation_type"]
        self._micro = bool(aggregation is not None and aggregation.micro_average)
        self._sub_key_in_config = bool(self.settings["_sub_key_in_config"])
        self._names: list[str] = list(self.settings["_output_names"])
        self.specs = [self._spec(name) for name in self._names]

    def _spec(self, output_name: str) -> PairSpec:
        settings = {**self.settings, "_output_name": output_name}
        if self._sub_key_in_config:
            settings["_sub_key"] = None
        return pair_spec(settings, flatten=self._micro)

    def columns(self, rows: Rows, pairs: PairCache) -> tuple[Array, ...]:
        columns: list[Array] = []
        for spec in self.specs:
            found = pairs.get(rows, spec)
            labels = found.labels
            if self._sub_key_in_config and labels.shape != found.predictions.shape:
                labels = one_hot(labels, found.predictions.shape[-1])
            columns += [labels, found.predictions, found.weights]
        return tuple(columns)

    def create(self) -> dict[str, Any]:
        return {"variables": {}, "waiting": [], "rows": 0}

    def add(self, state: dict[str, Any], *columns: Array) -> dict[str, Any]:
        state["waiting"].append(columns)
        state["rows"] += len(columns[0])
        if state["rows"] >= _ROWS_PER_UPDATE:
            self._update(state)
        return state

    def _update(self, state: dict[str, Any]) -> None:
        _without_autograph(self._update_metrics)(state)

    def _update_metrics(self, state: dict[str, Any]) -> None:
        columns = [np.concatenate(parts) for parts in zip(*state["waiting"], strict=True)]
        for index, name in enumerate(self._names):
            values = columns[3 * index : 3 * index + 3]
            if self._micro:
                # Every class of a row counts as a row of its own.
                values = [value.reshape(-1, 1) for value in values]
            for position, metric in enumerate(self.settings["_metrics"][name]):
                metric.reset_state()
                metric.update_state(*values)
                new = [np.asarray(variable, np.float64) for variable in metric.get_weights()]
                known = state["variables"].get((index, position))
                if known is not None:
                    new = [old + added for old, added in zip(known, new, strict=True)]
                state["variables"][index, position] = new
        state["waiting"], state["rows"] = [], 0

    def output(self, state: Any) -> dict[Any, Any]:
        found: dict[Any, Any] = _without_autograph(super().output)(state)
        return found

    def accumulator(self, state: dict[str, Any]) -> Any:
        if state["waiting"]:
            self._update(state)
        accumulator = self.combiner.create_accumulator()
        for (index, position), variables in state["variables"].items():
            accumulator.add_weights(index, position, variables)
        return accumulator


class CompiledMetrics(KerasMetrics):
    """Metrics and losses that a Keras 2 model was compiled with, updated with arrays by the model itself.

    The state is that of KerasMetrics. Keras makes a loss of a batch's mean times its rows, so sums over batches are
    those of all rows.
    """

    def __init__(self, combiner: Any) -> None:
        self.combiner = combiner
        combiner.setup()
        self.settings = vars(combiner)
        if getattr(combiner.create_accumulator(), "_pad", False):
            raise NotVectorizable("padding_options")
        self._micro = self._sub_key_in_config = False
        self._model = self.settings["_model"]
        names = list(self.settings["_output_names"])
        # Of several outputs, the one without a name stands for the metrics of all together.
        self._names = [name for name in names if name or len(names) == 1]
        shared = {"_eval_config": self.settings["_eval_config"], "_model_name": self.settings["_model_name"]}
        self.specs = [
            pair_spec({**shared, "_output_name": name, "_example_weighted": True}, flatten=False)
            for name in self._names
        ]

    def _update_metrics(self, state: dict[str, Any]) -> None:
        import tensorflow as tf

        columns = [tf.convert_to_tensor(np.concatenate(parts)) for parts in zip(*state["waiting"], strict=True)]
        found = [dict(zip(self._names, columns[start::3], strict=True)) for start in range(3)]
        # A model of one output takes tensors, one of several takes them by name.
        labels, predictions, weights = found if len(self._names) > 1 else columns
        metrics = [*self._model.compiled_metrics.metrics, *self._model.compiled_loss.metrics]
        for metric in metrics:
            metric.reset_state()
        self._model.compiled_metrics.update_state(labels, predictions, sample_weight=weights)
        self._model.compiled_loss(labels, predictions, sample_weight=weights)
        for position, metric in enumerate(metrics):
            new = [np.asarray(variable, np.float64) for variable in metric.get_weights()]
            known = state["variables"].get((0, position), [0.0] * len(new))
            state["variables"][0, position] = [old + added for old, added in zip(known, new, strict=True)]
        state["waiting"], state["rows"] = [], 0


def compiled_computations(eval_config: Any, model_paths: Mapping[str, str]) -> list[Any]:
    """TFMA's computations of the metrics compiled into Keras 2 models; none where TFMA would not look for them."""
    found: list[Any] = []
    for spec in eval_config.model_specs:
        path = model_paths.get(spec.name)
        if path is not None and has_compiled_metrics(eval_config, path):
            # TFMA leaves the name of a single model out of its results.
            found += _computations(eval_config, spec.name, path, spec.name if len(eval_config.model_specs) > 1 else "")
    return found


def _computations(eval_config: Any, spec_name: str, path: str, result_name: str) -> list[Any]:
    import tensorflow_model_analysis as tfma
    from tensorflow_model_analysis.evaluators import keras_util

    shared = tfma.default_eval_shared_model(path, model_name=spec_name, eval_config=eval_config)
    if not shared.include_default_metrics or shared.model_type != tfma.TF_KERAS:
        return []
    return list(keras_util.metric_computations_using_keras_saved_model(result_name, shared.model_loader, eval_config))


def has_compiled_metrics(eval_config: Any, path: str) -> bool:
    """Whether TFMA looks for metrics in a model: it loads it with tf.keras, which reads SavedModels only as Keras 2."""
    if os.environ.get("TF_USE_LEGACY_KERAS", "").lower() not in ("1", "true"):
        return False
    options = eval_config.options
    wanted = not options.HasField("include_default_metrics") or options.include_default_metrics.value
    return wanted and filesystem.exists(os.path.join(path, "keras_metadata.pb"))


def _without_autograph(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Keras would translate its metrics for graphs first, which takes seconds and is of no use here."""
    import tensorflow as tf

    undisturbed: Callable[[Any], Any] = tf.autograph.experimental.do_not_convert(function)
    return undisturbed
