"""Keras metrics fed with arrays: what TFMA takes from ``tf_keras.metrics`` and ``tf_keras.losses``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

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


def _without_autograph(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Keras would translate its metrics for graphs first, which takes seconds and is of no use here."""
    import tensorflow as tf

    undisturbed: Callable[[Any], Any] = tf.autograph.experimental.do_not_convert(function)
    return undisturbed
