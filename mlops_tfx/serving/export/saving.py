"""Traces the signatures and writes the SavedModel.

Nothing is converted by autograph unless the model's own Python needs it: that is where TFX-style exports spend their
seconds. The model's Python runs once; all signatures call the function traced from it.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from mlops_tfx import filesystem
from mlops_tfx.errors import ExportError, did_you_mean
from mlops_tfx.serving.export import (
    SERVING_DEFAULT,
    SERVING_RAW,
    TRANSFORM_FEATURES,
    models,
    outputs,
    raw_inputs,
    serving_schema,
)
from mlops_tfx.serving.export import transform as transforms
from mlops_tfx.serving.input_names import input_aliases


@dataclass(frozen=True)
class ExportRequest:
    """The arguments of ``export_model``."""

    model: Any
    transform_graph: Any = None
    labels: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    class_vocabulary: Any = None
    output_names: Any = None
    schema: Any = None
    raw_signature: bool = True


@dataclass(frozen=True)
class Plan:
    """What goes into which signature."""

    spec: transforms.FeatureSpec  # raw features that may be sent
    needed: frozenset[str]  # those of them that the model depends on
    label_spec: transforms.FeatureSpec  # raw features that only the label depends on
    defaults: dict[str, dict[str, Any]] = field(default_factory=dict)  # signature -> input -> value


def write_saved_model(request: ExportRequest, destination: str | os.PathLike[str]) -> str:
    """Writes the SavedModel and returns its folder; see ``export_model``."""
    models.check_model(request.model)
    output = None if request.transform_graph is None else transforms.open_transform_output(request.transform_graph)
    schema = transforms.raw_schema(request.schema, output)
    spec = transforms.feature_spec(schema)
    transform: transforms.Transform
    if output is None:
        transform = transforms.NoTransform(spec)
    else:
        transform = transforms.GraphTransform(output.transform_savedmodel_dir)
    hidden = _hidden_features(request, spec, transform)
    model = models.trace_model(request.model, _available(request, hidden, transform))
    module = tf.Module()
    module.transform = transform.trackable
    module.resources = models.tracked_resources(request.model)
    module.variables_of_model = list(model.variables)
    models.check_finite(module.variables_of_model)
    plan = _plan(request, spec, hidden, frozenset().union(*(transform.sources[name] for name in model.used)))
    vocabulary = _read_vocabulary(request.class_vocabulary, output)
    module.predict_transformed = _trace_transformed(request, model, vocabulary)
    predict = _trace_predict(plan, transform, module.predict_transformed, model.used)
    signatures = {
        SERVING_DEFAULT: _serving_default(plan, predict),
        TRANSFORM_FEATURES: _transform_features(plan, transform),
    }
    if request.raw_signature:
        signatures[SERVING_RAW] = _serving_raw(plan, predict)
    requests = serving_schema.serving_schema(schema, hidden, spec.keys() - plan.needed)
    return _save(module, signatures, plan.defaults, requests, filesystem.local_path(destination))


def _available(request: ExportRequest, hidden: Collection[str], transform: transforms.Transform) -> dict[str, Any]:
    """Returns the transformed features that a request can give the model, with their types."""
    return {
        name: transform.specs[name]
        for name, sources in transform.sources.items()
        if sources.isdisjoint(hidden) and name not in request.labels
    }


def _plan(
    request: ExportRequest, spec: transforms.FeatureSpec, hidden: Collection[str], needed: frozenset[str]
) -> Plan:
    visible = {name: value for name, value in spec.items() if name not in hidden}
    unparsed = sorted(needed - visible.keys())
    if unparsed:
        hint = did_you_mean(unparsed[0], spec)
        raise ExportError(f"the transform graph reads {unparsed[0]!r}, which the raw schema does not have{hint}")
    if not needed:
        raise ExportError("the model depends on no raw feature: label_key and exclude cover all that it could have")
    return Plan(visible, needed, {name: spec[name] for name in sorted(set(hidden) - set(request.exclude))})


def _hidden_features(request: ExportRequest, spec: Mapping[str, Any], transform: transforms.Transform) -> set[str]:
    """Returns the raw features that requests never have: excluded ones and those that only labels depend on."""
    for name in request.exclude:
        if name not in spec:
            raise ExportError(f"exclude names no raw feature: {name!r}{did_you_mean(name, spec)}")
    hidden = set(request.exclude)
    for label in request.labels:
        if label in spec:
            hidden.add(label)
        elif label in transform.sources:
            others = [sources for name, sources in transform.sources.items() if name not in request.labels]
            hidden |= transform.sources[label] - frozenset().union(*others)
        else:
            hint = did_you_mean(label, [*spec, *transform.sources])
            raise ExportError(f"label_key names neither a raw nor a transformed feature: {label!r}{hint}")
    return hidden


def _read_vocabulary(vocabulary: Any, output: Any) -> tuple[bytes, ...]:
    if vocabulary is None:
        return ()
    if not isinstance(vocabulary, str):
        return tuple(name.encode() if isinstance(name, str) else bytes(name) for name in vocabulary)
    if output is None:
        raise ExportError(f"class_vocabulary={vocabulary!r} names a vocabulary, but there is no transform graph")
    if output.vocabulary_file_by_name(vocabulary) is None:
        folder = os.path.join(output.transform_savedmodel_dir, "assets")
        known = filesystem.listdir(folder) if filesystem.isdir(folder) else []
        raise ExportError(f"the transform graph has no vocabulary {vocabulary!r}{did_you_mean(vocabulary, known)}")
    return tuple(output.vocabulary_by_name(vocabulary))


def _trace_transformed(request: ExportRequest, model: models.TracedModel, vocabulary: tuple[bytes, ...]) -> Any:
    """Returns the function from the transformed features that the model uses to named outputs.

    It is no signature. The SavedModel has it so that what was trained can be asked without the transform graph.
    """

    def predict_transformed(features: dict[str, Any]) -> dict[str, Any]:
        named = outputs.name_outputs(model(features), request.output_names, bool(vocabulary))
        return outputs.add_classes(named, vocabulary) if vocabulary else named

    plain = tf.autograph.experimental.do_not_convert(predict_transformed)
    function = tf.function(plain, autograph=False, input_signature=[model.used_specs])
    function.get_concrete_function()
    return function


def _trace_predict(plan: Plan, transform: transforms.Transform, predict_transformed: Any, used: Collection[str]) -> Any:
    """Returns the concrete function from parsed raw features to named outputs."""

    def predict(features: dict[str, Any]) -> dict[str, Any]:
        transformed = transform(raw_inputs.widen_empty(features))
        return dict(predict_transformed({name: transformed[name] for name in used}))

    signature = {name: transforms.parsed_spec(plan.spec[name]) for name in sorted(plan.needed)}
    plain = tf.autograph.experimental.do_not_convert(predict)
    return tf.function(plain, autograph=False).get_concrete_function(signature)


def _serving_default(plan: Plan, predict: Callable[..., Any]) -> Any:
    spec = {name: plan.spec[name] for name in sorted(plan.needed)}

    def serving_default(examples: Any) -> dict[str, Any]:
        return dict(predict(tf.io.parse_example(examples, spec)))

    return _concrete(serving_default, {"examples": tf.TensorSpec([None], tf.string, name="examples")})


def _transform_features(plan: Plan, transform: transforms.Transform) -> Any:
    spec = {**plan.spec, **{name: _optional(value) for name, value in plan.label_spec.items()}}

    def transform_features(examples: Any) -> dict[str, Any]:
        features = tf.io.parse_example(examples, spec)
        return outputs.dense_features(transform(raw_inputs.widen_empty(features)))

    return _concrete(transform_features, {"examples": tf.TensorSpec([None], tf.string, name="examples")})


def _optional(spec: Any) -> Any:
    if not isinstance(spec, tf.io.FixedLenFeature) or spec.default_value is not None:
        return spec
    absent = -1 if spec.dtype == tf.int64 else raw_inputs.MISSING[spec.dtype]
    return tf.io.FixedLenFeature(spec.shape, spec.dtype, np.full(spec.shape, absent, object).tolist())


def _serving_raw(plan: Plan, predict: Callable[..., Any]) -> Any:
    aliases = input_aliases(plan.spec)
    defaults = plan.defaults.setdefault(SERVING_RAW, {})
    for name, spec in plan.spec.items():
        raw_inputs.check_dense(name, spec)
        value = raw_inputs.default_value(spec, name in plan.needed)
        if value is not None:
            defaults[aliases[name]] = tf.make_tensor_proto(value, _dtype(spec))
    needed = {name: plan.spec[name] for name in sorted(plan.needed)}

    def serving_raw(**tensors: Any) -> dict[str, Any]:
        features = {name: tensors[aliases[name]] for name in needed}
        return dict(predict(raw_inputs.parse_dense(features, needed)))

    signature = {alias: tf.TensorSpec(None, _dtype(plan.spec[name]), name=alias) for name, alias in aliases.items()}
    return _concrete(serving_raw, signature)


def _dtype(spec: Any) -> Any:
    return spec.dtype


def _concrete(function: Callable[..., Any], signature: Mapping[str, Any]) -> Any:
    plain = tf.autograph.experimental.do_not_convert(function)
    return tf.function(plain, autograph=False).get_concrete_function(**signature)


def _save(
    module: Any,
    signatures: Mapping[str, Any],
    defaults: Mapping[str, Mapping[str, Any]],
    schema: Any,
    folder: str,
) -> str:
    folder = folder.rstrip(os.sep)
    # A neighbour on the same file system, with a name that no model server takes for a version.
    staged = f"{folder}.incomplete-{uuid.uuid4().hex[:8]}"
    try:
        try:
            tf.saved_model.save(module, staged, signatures=dict(signatures))
        except AssertionError as error:
            raise ExportError(
                "the model uses a variable or table that cannot be found from it; keep it as an attribute of the "
                f"tf.Module or Keras layer that uses it: {error}"
            ) from error
        _set_defaults(staged, defaults)
        serving_schema.write(schema, os.path.join(staged, serving_schema.SCHEMA_FILE))
        filesystem.remove_tree(folder)
        filesystem.rename(staged, folder)
    finally:
        filesystem.remove_tree(staged)
    return folder


def _set_defaults(folder: str, defaults: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes the defaults of inputs into the signatures; ``tf.saved_model.save`` takes none for named tensors."""
    from tensorflow.core.protobuf import saved_model_pb2

    path = os.path.join(folder, "saved_model.pb")
    saved_model = saved_model_pb2.SavedModel.FromString(filesystem.read_bytes(path))
    for meta_graph in saved_model.meta_graphs:
        for signature, values in defaults.items():
            for name, value in values.items():
                meta_graph.signature_def[signature].defaults[name].CopyFrom(value)
    filesystem.write_bytes(path, saved_model.SerializeToString(deterministic=True))
    # The fingerprint is of the file as it was; a model without one loads, a wrong one would mislead.
    filesystem.remove_tree(os.path.join(folder, "fingerprint.pb"))
