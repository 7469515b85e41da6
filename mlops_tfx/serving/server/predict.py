"""PredictionService.Predict."""

from __future__ import annotations

from typing import Any

from tensorflow_serving.apis import predict_pb2

from mlops_tfx.serving.server import statuses
from mlops_tfx.serving.server.manager import ModelManager

DEFAULT_SIGNATURE = "serving_default"


def requested_version(spec: Any) -> int | None:
    """Returns the version that a ModelSpec asks for, None for the newest. Raises StatusError if it names no model."""
    if not spec.name:
        raise statuses.missing_model_name()
    choice = spec.WhichOneof("version_choice")
    if choice == "version_label":
        raise statuses.unknown_label(spec.version_label)
    return int(spec.version.value) if choice == "version" else None


def predict(manager: ModelManager, request: Any) -> Any:
    """Answers a PredictRequest. Raises StatusError."""
    if not request.HasField("model_spec"):
        raise statuses.missing_model_spec()
    spec = request.model_spec
    with manager.use(spec.name, requested_version(spec)) as (version, session):
        signature_name = spec.signature_name or DEFAULT_SIGNATURE
        signature = session.signatures.get(signature_name)
        if signature is None:
            raise statuses.signature_not_found(signature_name)
        values = signature.bind(request.inputs)
        outputs = signature.select(request.output_filter)
        response = predict_pb2.PredictResponse()
        signature.run(values, outputs, response.outputs)
    answered = response.model_spec
    answered.name = spec.name
    answered.signature_name = signature_name
    answered.version.value = version
    return response
