"""A trained model and its transform graph become one SavedModel that answers raw data.

The SavedModel has three signatures:

    serving_default     ``examples``: serialized tf.Examples, string ``[rows]``
    serving_raw         one input per raw feature, ``[rows]``, ``[rows, 1]`` or, multi-valued, ``[rows, values]``
    transform_features  ``examples`` -> the transformed features, the label among them where one is named

and, as no signature, the function ``predict_transformed`` from transformed features to the outputs: what was trained,
against which SkewValidator holds the signatures.

Beside it lies ``assets.extra/schema.pbtxt``: what requests must be like, for the server's schema guard.

What a raw value means is decided once, by the raw schema in the transform output, for all three. TensorFlow is
imported when a model is exported, not when this module is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlops_tfx.serving.export.serving_schema import write_serving_schema
from mlops_tfx.serving.input_names import RAW_SIGNATURE as SERVING_RAW

if TYPE_CHECKING:
    import tensorflow_transform as tft
    from tensorflow_metadata.proto.v0 import schema_pb2

    from mlops_tfx.artifacts import Schema, TransformGraph

SERVING_DEFAULT = "serving_default"
TRANSFORM_FEATURES = "transform_features"
PREDICT_TRANSFORMED = "predict_transformed"

__all__ = [
    "PREDICT_TRANSFORMED",
    "SERVING_DEFAULT",
    "SERVING_RAW",
    "TRANSFORM_FEATURES",
    "export_model",
    "write_serving_schema",
]


def export_model(
    model: Any,
    transform_graph: TransformGraph | tft.TFTransformOutput | str | os.PathLike[str] | None,
    destination: str | os.PathLike[str],
    *,
    label_key: str | Sequence[str] = (),
    exclude: Sequence[str] = (),
    class_vocabulary: Sequence[str | bytes] | str | None = None,
    output_names: str | Sequence[str] | Mapping[str, str] | None = None,
    schema: Schema | schema_pb2.Schema | str | os.PathLike[str] | None = None,
    raw_signature: bool = True,
) -> str:
    """Writes ``model`` behind its transform graph as a SavedModel.

    A raw feature that no input of the model depends on is not parsed, so it may be missing from requests. Nothing is
    visible at ``destination`` before all of it is written.

    Args:
        model: a Keras 3 model (TensorFlow backend), a tf_keras model, a ``tf.Module`` with ``__call__``, or a function.
            A functional Keras model gets the transformed features that its inputs name; every other model gets the
            dict of all transformed features that do not depend on a label: tensors ``[rows, ...]``, or sparse.
        transform_graph: the TransformGraph artifact, its folder, or a ``tft.TFTransformOutput``. ``None`` for a model
            that takes the raw features themselves; then ``schema`` is needed.
        destination: the folder to write, for example ``fn_args.serving_model_dir``. What is there is replaced.
        label_key: the label or labels, by raw or by transformed name. Requests need not have them; in
            ``transform_features`` they are transformed if present (an absent one of fixed length counts as NaN, -1
            or ``""``).
        exclude: further raw features that exist in training only, such as an example weight.
        class_vocabulary: the names of the classes in the order of the model's output, or the name of a vocabulary of
            the transform graph. Adds the outputs ``classes`` (string ``[rows]``, the most probable class) and
            ``all_classes`` (string ``[rows, classes]``, aligned with the probabilities).
        output_names: the name or names of the model's outputs; a mapping renames the outputs of a model that returns a
            dict. Default: the keys of that dict; for a single tensor ``probabilities`` where there is a vocabulary,
            else ``predictions``; for several tensors ``output_0``, ``output_1`` and so on.
        schema: the raw schema: artifact, file, or proto. Default: the one in the transform output.
        raw_signature: whether to write ``serving_raw``, which cannot express sparse features of several index columns.

    Returns:
        The destination as a local path.

    Raises:
        ExportError: the model cannot be called, was never built, has weights that are NaN or infinite, or has inputs
            that the transform graph does not produce; a label, output name or vocabulary is unknown.
    """
    from mlops_tfx.serving.export.saving import ExportRequest, write_saved_model

    labels = (label_key,) if isinstance(label_key, str) else tuple(label_key)
    request = ExportRequest(
        model=model,
        transform_graph=transform_graph,
        labels=labels,
        exclude=tuple(exclude),
        class_vocabulary=class_vocabulary,
        output_names=output_names,
        schema=schema,
        raw_signature=raw_signature,
    )
    return write_saved_model(request, destination)
