"""The schema that lies beside a model and says what requests to it must be like.

It is the schema of the raw training data, except that features which requests never have are not in the environment
``SERVING``, and those which the model does not read may be missing. ExampleValidator reads it as well as the server.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.errors import ExportError, did_you_mean

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

    from mlops_tfx.artifacts import Schema

SCHEMA_FILE = "assets.extra/schema.pbtxt"
TRAINING, SERVING = "TRAINING", "SERVING"


def serving_schema(schema: schema_pb2.Schema, hidden: Collection[str], optional: Collection[str]) -> Any:
    """Returns the schema of requests.

    Args:
        schema: of the raw training data; stays as it is.
        hidden: features that requests do not have, such as labels.
        optional: features that requests may leave out.
    """
    made = type(schema)()
    made.CopyFrom(schema)
    if not made.default_environment:
        made.default_environment.append(TRAINING)
    if SERVING not in made.default_environment:
        made.default_environment.append(SERVING)
    for feature in made.feature:
        if feature.name in hidden:
            _hide(feature)
        elif feature.name in optional:
            feature.ClearField("presence")
    return made


def _hide(feature: Any) -> None:
    remaining = [name for name in feature.in_environment if name != SERVING]
    feature.ClearField("in_environment")
    feature.in_environment.extend(remaining)
    if SERVING not in feature.not_in_environment:
        feature.not_in_environment.append(SERVING)


def write_serving_schema(
    schema: Schema | schema_pb2.Schema | str | os.PathLike[str],
    saved_model: str | os.PathLike[str],
    *,
    hidden: Collection[str] = (),
    optional: Collection[str] = (),
) -> str:
    """Puts a schema beside a SavedModel that ``export_model`` did not write, as ``assets.extra/schema.pbtxt``.

    Args:
        schema: of the raw data: artifact, its file or folder, or proto.
        saved_model: the folder of the SavedModel, such as ``fn_args.serving_model_dir``.
        hidden: features that requests do not have: the labels, and others that exist in training only.
        optional: features that requests may leave out, whatever the schema says.

    Returns:
        The file.

    Raises:
        ExportError: there is no such schema, or it has no such feature.
    """
    from mlops_tfx.serving.export.transform import read_schema

    proto = read_schema(schema)
    known = [feature.name for feature in proto.feature]
    for argument, names in (("hidden", hidden), ("optional", optional)):
        for name in names:
            if name not in known:
                raise ExportError(f"{argument} names no feature of the schema: {name!r}{did_you_mean(name, known)}")
    path = filesystem.join(str(saved_model), SCHEMA_FILE)
    write(serving_schema(proto, hidden, optional), path)
    return path


def write(schema: Any, path: str) -> None:
    """Writes a Schema as text."""
    from google.protobuf import text_format

    filesystem.write_bytes(path, text_format.MessageToString(schema, as_utf8=True).encode())
