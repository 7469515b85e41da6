"""Looks into the graph of a signature: what does the model get there, in place of each transformed feature?

The graph of what was trained, a function from transformed features, is a piece of the signature's graph: the signature
computes features from raw values, by the transform graph or in any other way, and puts the model behind them. Both are
frozen and inlined; then the model's operations are found in the signature's graph by walking both backwards, from the
outputs on, as long as they do the same. Where the model's side arrives at one of its inputs, the signature's side has
arrived at the tensor that is served in place of that feature. That the right place was found is not believed but
computed: the model, given these tensors, must answer what the signature answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from mlops_tfx.skew.arithmetic import as_written
from mlops_tfx.skew.trained_model import TrainedModel, frozen

_PASSING = {"Identity", "StopGradient", "PreventGradient", "EnsureShape", "Snapshot", "IdentityN"}
_FED = {"Placeholder", "PlaceholderWithDefault"}


class UnobservableError(Exception):
    """The model's operations are not found in the signature's graph; the message says what is."""


@dataclass(frozen=True)
class Observer:
    """Runs a signature and tells what its model gets.

    Attributes:
        features: the features that are told; the model uses no others.
    """

    features: tuple[str, ...]
    _function: Any
    _inputs: tuple[str, ...]
    _resources: tuple[Any, ...]
    _specs: Mapping[str, Any]

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Returns feature -> tensor, sparse or ragged as the model takes it. Raises tf.errors.OpError.

        Args:
            inputs: the signature's inputs by name.
        """
        values = [tf.convert_to_tensor(inputs[name]) for name in self._inputs]
        with as_written():
            flat = iter(tf.nest.flatten(self._function(*values, *self._resources)))
        return {name: _packed(self._specs[name], flat) for name in self.features}


def _packed(spec: Any, flat: Iterator[Any]) -> Any:
    count = len(tf.nest.flatten(spec, expand_composites=True))
    return tf.nest.pack_sequence_as(spec, [next(flat) for _ in range(count)], expand_composites=True)


def observe(signature: Any, model: TrainedModel) -> Observer:
    """Finds the model in the graph of a signature.

    Args:
        signature: a concrete function of a SavedModel.
        model: what was trained.

    Raises:
        UnobservableError: its operations are not in the graph, or what replaces a feature is not.
    """
    served, trained = frozen(signature), model.frozen
    places = _places(trained, model)
    found = _search(served, trained)
    told = []
    for name in model.order:
        # What nothing reads may be anything.
        read = [place for place in places[name] if trained.graph.get_tensor_by_name(place).consumers()]
        lost = [place for place in read if place not in found]
        if lost or (read and len(read) < len(places[name])):
            raise UnobservableError(f"the signature has the model's operations, but what replaces {name!r} is not told")
        if read:
            told.append(name)
    resources = _resources(served, signature)
    inputs = [tensor for tensor in served.inputs if tensor.dtype != tf.resource]
    fetches = [found[place] for name in told for place in places[name]]
    pruned = served.prune([*inputs, *(placeholder for placeholder, _ in resources)], fetches)
    names = tuple(tensor.op.name for tensor in inputs)
    return Observer(tuple(told), pruned, names, tuple(handle for _, handle in resources), model.specs)


def _places(trained: Any, model: TrainedModel) -> dict[str, list[str]]:
    """Feature -> the tensors of the frozen graph that are its components."""
    if model.signature is not None:
        inputs = {tensor.op.name: tensor.name for tensor in trained.inputs}
        return {feature: [inputs[feature]] for feature in model.order}
    components = [
        (feature, len(tf.nest.flatten(model.specs[feature], expand_composites=True))) for feature in model.order
    ]
    # The arguments come first, in the order of the sorted names; then what the function captures.
    names = iter(tensor.name for tensor in model.function.inputs)
    return {feature: [next(names) for _ in range(count)] for feature, count in components}


def _resources(served: Any, signature: Any) -> list[tuple[Any, Any]]:
    """The lookup tables that are inputs of the frozen graph, and their handles."""
    handles = {placeholder.op.name: handle for handle, placeholder in signature.graph.captures}
    return [
        (tensor, handles[tensor.op.name])
        for tensor in served.inputs
        if tensor.dtype == tf.resource and tensor.op.name in handles
    ]


def _search(served: Any, trained: Any) -> dict[str, Any]:
    """Component of a feature -> the tensor that the signature has in its place."""
    bindings: dict[str, Any] = {}
    behind = _upstream(served.outputs)
    for output in trained.outputs:
        wanted = _passed(output)
        for operation in behind:
            if operation.type != wanted.op.type:
                continue
            found = _walk(wanted, operation.outputs[wanted.value_index], bindings)
            if found is not None:
                bindings = found
                break
        else:
            raise UnobservableError(
                f"the signature does not have the operations of the model in its graph: no {wanted.op.type} in it does "
                f"what the model's {wanted.op.name!r} does"
            )
    return bindings


def _upstream(outputs: Any) -> list[Any]:
    """All operations that the outputs depend on, the nearest first."""
    order: dict[Any, None] = {}
    level = [tensor.op for tensor in outputs]
    while level:
        fresh = [operation for operation in dict.fromkeys(level) if operation not in order]
        order.update(dict.fromkeys(fresh))
        level = [tensor.op for operation in fresh for tensor in operation.inputs]
    return list(order)


def _walk(wanted: Any, served: Any, bindings: Mapping[str, Any]) -> dict[str, Any] | None:
    """Walks both graphs backwards at once; returns the bindings with new ones, or None where the graphs part."""
    found, seen = dict(bindings), set()
    pending = [(wanted, served)]
    while pending:
        ours, theirs = (_passed(tensor) for tensor in pending.pop())
        pair = (ours.name, theirs.name)
        if pair in seen:
            continue
        seen.add(pair)
        if ours.dtype != theirs.dtype:
            return None
        if ours.op.type in _FED and ours.dtype != tf.resource:
            if found.setdefault(ours.name, theirs) is not theirs:
                return None
        elif _alike(ours, theirs):
            pending += zip(ours.op.inputs, theirs.op.inputs, strict=True)
        elif ours.dtype != tf.int32:
            # Shapes (int32) are known when one graph is traced and computed in another, and count for nothing here.
            return None
    return found


def _passed(tensor: Any) -> Any:
    """The tensor itself, before operations that only pass it on."""
    while tensor.op.type in _PASSING:
        tensor = tensor.op.inputs[tensor.value_index]
    return tensor


def _alike(ours: Any, theirs: Any) -> bool:
    first, second = ours.op, theirs.op
    if first.type != second.type or ours.value_index != theirs.value_index or len(first.inputs) != len(second.inputs):
        return False
    if first.type != "Const":
        return True
    values = [tf.make_ndarray(operation.get_attr("value")) for operation in (first, second)]
    exact = values[0].dtype.kind not in "fc"
    return bool(np.array_equal(values[0], values[1], equal_nan=not exact))
