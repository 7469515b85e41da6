"""PredictionService.GetModelMetadata."""

from __future__ import annotations

from typing import Any

from tensorflow_serving.apis import get_model_metadata_pb2

from mlops_tfx.serving.server import statuses
from mlops_tfx.serving.server.manager import ModelManager
from mlops_tfx.serving.server.predict import requested_version

_SIGNATURE_DEF = "signature_def"


def get_model_metadata(manager: ModelManager, request: Any) -> Any:
    """Answers a GetModelMetadataRequest. Raises StatusError."""
    if not request.HasField("model_spec"):
        raise statuses.missing_model_spec()
    if not request.metadata_field:
        raise statuses.missing_metadata_field()
    for field in request.metadata_field:
        if field != _SIGNATURE_DEF:
            raise statuses.unsupported_metadata_field(field)
    spec = request.model_spec
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    signatures = get_model_metadata_pb2.SignatureDefMap()
    with manager.use(spec.name, requested_version(spec)) as (version, session):
        for name, definition in session.signature_defs.items():
            signatures.signature_def[name].CopyFrom(definition)
    response.metadata[_SIGNATURE_DEF].Pack(signatures)
    response.model_spec.name = spec.name
    response.model_spec.version.value = version
    return response
