"""What the export needs to know of a model: which features it takes, how to call it, and what it holds.

Keras 3, tf_keras, ``tf.Module`` and plain functions are told apart here and nowhere else, without importing Keras.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from mlops_tfx.errors import ExportError, did_you_mean

_KERAS_PACKAGES = {"keras", "tf_keras"}


def is_keras(model: Any) -> bool:
    """Whether the model is a Keras 3 or tf_keras model or layer."""
    names = {(cls.__module__.split(".")[0], cls.__name__) for cls in type(model).__mro__}
    return any((package, "Layer") in names for package in _KERAS_PACKAGES)


def check_model(model: Any) -> None:
    """Raises ExportError for a model that cannot be called, was never built, or lives on another backend."""
    if not callable(model) or isinstance(model, type):
        kind = "a class, not an instance" if isinstance(model, type) else "not callable"
        raise ExportError(
            "expected a Keras model, a tf.Module with __call__ or a function of a dict of features, "
            f"received model={model!r}, which is {kind}"
        )
    if not is_keras(model):
        return
    if getattr(model, "built", True) is False:
        raise ExportError(f"model {model.name!r} was never built: train it, or call it once on a batch of features")
    for variable in model.variables:
        backing = getattr(variable, "value", variable)
        if not callable(backing) and not isinstance(backing, tf.Variable) and not tf.is_tensor(backing):
            raise ExportError(
                f"model {model.name!r} holds {type(backing).__name__} weights; only Keras on the TensorFlow backend "
                "can be exported with a transform graph (set KERAS_BACKEND=tensorflow before importing keras)"
            )


def check_finite(variables: Iterable[Any]) -> None:
    """Raises ExportError that names the weights which hold NaN or infinite values."""
    bad = []
    for variable in variables:
        if not variable.dtype.is_floating:
            continue
        values = variable.numpy().astype(np.float64)
        wrong = int(values.size - np.isfinite(values).sum())
        if wrong:
            bad.append(f"{variable.name} ({wrong} of {values.size} values)")
    if bad:
        raise ExportError(
            f"the model has weights that are NaN or infinite: {', '.join(bad)}; "
            "training diverged (look at the loss, lower the learning rate), so the model is not exported"
        )


def input_structure(model: Any) -> Any | None:
    """Returns the inputs of a model, with names for tensors; None if the model does not tell.

    A functional Keras model tells, and a ``tf.function`` with an input signature of one dict.
    """
    if not is_keras(model):
        signature = getattr(model, "input_signature", None) or getattr(model.__call__, "input_signature", None)
        if signature and len(signature) == 1 and isinstance(signature[0], Mapping):
            return {key: key for key in signature[0]}
        return None
    if not getattr(model, "inputs", None):
        return None
    structure = model.input
    if isinstance(structure, Mapping):
        return {key: key for key in structure}
    return tf.nest.map_structure(lambda tensor: tensor.name.split(":")[0], structure)


def needed_features(model: Any, available: Iterable[str]) -> tuple[list[str], Any]:
    """Returns the features to compute for the model, and the structure to call it with.

    Raises ExportError for inputs that are not among ``available``.
    """
    names = sorted(available)
    structure = input_structure(model)
    if structure is None:
        return names, {name: name for name in names}
    wanted = tf.nest.flatten(structure)
    if len(wanted) == 1 and len(names) == 1 and not isinstance(structure, Mapping):
        # A Sequential model does not name its input after the feature, and there is only one it can be.
        return names, tf.nest.map_structure(lambda _: names[0], structure)
    unknown = [name for name in wanted if name not in names]
    if unknown:
        hints = "".join(f"\n  - {name!r}{did_you_mean(name, names)}" for name in unknown)
        raise ExportError(
            f"model {getattr(model, 'name', type(model).__name__)!r} has inputs that the transform graph does not "
            f"produce without the label:{hints}"
        )
    return wanted, structure


class TracedModel:
    """A model traced into a graph, so that its Python has run once.

    Attributes:
        used: the features that it really uses, of those it was offered.
        variables: the variables that it reads.
    """

    def __init__(self, function: Any, specs: Mapping[str, Any]) -> None:
        self._function = function
        self._specs = dict(specs)
        components = {name: len(tf.nest.flatten(spec, expand_composites=True)) for name, spec in specs.items()}
        outputs = {id(tensor) for tensor in function.graph.outputs}
        placeholders = iter(function.graph.inputs)
        self.used = []
        # The arguments of a traced function are in the order of the sorted names.
        for name in sorted(specs):
            tensors = [next(placeholders) for _ in range(components[name])]
            if any(tensor.consumers() or id(tensor) in outputs for tensor in tensors):
                self.used.append(name)
        self.variables = tuple(function.graph.variables)

    @property
    def used_specs(self) -> dict[str, Any]:
        """Used feature -> its tf.TypeSpec."""
        return {name: self._specs[name] for name in self.used}

    def __call__(self, features: Mapping[str, Any]) -> Any:
        """Returns what the model returns for ``features``, which need to have the used ones only."""
        values = {name: features[name] if name in features else _unused(spec) for name, spec in self._specs.items()}
        return self._function(values)


def _unused(spec: Any) -> Any:
    """Returns a value for a feature that the graph takes and does not read."""
    if isinstance(spec, tf.SparseTensorSpec):
        rank = spec.shape.rank
        return tf.SparseTensor(tf.zeros([0, rank], tf.int64), tf.zeros([0], spec.dtype), tf.zeros([rank], tf.int64))
    if isinstance(spec, tf.RaggedTensorSpec):
        return tf.RaggedTensor.from_tensor(tf.zeros([0] * spec.shape.rank, spec.dtype))
    return tf.zeros([size or 0 for size in spec.shape] if spec.shape.rank else [], spec.dtype)


def trace_model(model: Any, available: Mapping[str, Any]) -> TracedModel:
    """Traces the model on the features that its inputs name, or on all.

    Args:
        model: the model.
        available: transformed feature -> its tf.TypeSpec.
    """
    wanted, structure = needed_features(model, available)
    specs = {name: available[name] for name in wanted}

    def call(features: dict[str, Any]) -> Any:
        inputs = tf.nest.map_structure(lambda name: features[name], structure)
        return model(inputs, training=False) if is_keras(model) else model(inputs)

    try:
        plain = tf.autograph.experimental.do_not_convert(call)
        function = tf.function(plain, autograph=False).get_concrete_function(specs)
    except tf.errors.OperatorNotAllowedInGraphError:
        # The model's own Python branches or loops on tensors, so it has to be converted.
        function = tf.function(call).get_concrete_function(specs)
    return TracedModel(function, specs)


def tracked_resources(model: Any) -> list[Any]:
    """Returns the lookup tables and other resources that the model holds, which a SavedModel must keep.

    Variables are found in the traced graph; layers and their Python are left out, which keeps saving fast.
    """
    resource = tf.saved_model.experimental.TrackableResource
    found: dict[int, Any] = {}
    for root in _roots(model):
        for item in tf.train.TrackableView(root).descendants():
            if isinstance(item, resource):
                found[id(item)] = item
    return list(found.values())


def _roots(model: Any) -> list[Any]:
    if _is_trackable(model):
        return [model]
    function = inspect.unwrap(model)
    owner = getattr(function, "__self__", None)
    if not inspect.isfunction(function) and not inspect.ismethod(function):
        # A tf.function, or an object with __call__.
        function = getattr(function, "python_function", type(function).__call__)
        owner = owner or model
    values = [owner, *getattr(owner, "__dict__", {}).values()]
    if inspect.isfunction(function) or inspect.ismethod(function):
        variables = inspect.getclosurevars(function)
        values += [*variables.nonlocals.values(), *variables.globals.values()]
    return [value for value in values if _is_trackable(value)]


def _is_trackable(value: Any) -> bool:
    if is_keras(value) or isinstance(value, (tf.Module, tf.saved_model.experimental.TrackableResource)):
        return True
    # Tables and checkpointable objects share this base, which has no public name.
    return any(cls.__name__ == "Trackable" and cls.__module__.startswith("tensorflow.") for cls in type(value).__mro__)
