"""ModelService: GetModelStatus and HandleReloadConfigRequest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2

from mlops_tfx.serving.server import statuses
from mlops_tfx.serving.server.manager import ModelManager
from mlops_tfx.serving.server.states import StateBoard

# The value of a metric by TensorFlow's name for it.
Total = Callable[[str], int]


def get_model_status(board: StateBoard, request: Any) -> Any:
    """Answers a GetModelStatusRequest: one version, or all, highest first. Raises StatusError."""
    if not request.HasField("model_spec"):
        raise statuses.missing_model_spec()
    spec = request.model_spec
    versions = board.versions(spec.name)
    if spec.WhichOneof("version_choice") == "version":
        versions = [state for state in versions if state.version == spec.version.value]
        if not versions:
            raise statuses.no_version(spec.name, spec.version.value)
    elif not versions:
        raise statuses.no_versions(spec.name)
    response = get_model_status_pb2.GetModelStatusResponse()
    for state in versions:
        entry = response.model_version_status.add(version=state.version, state=int(state.state))
        # Present also when all is well, with the code OK.
        entry.status.SetInParent()
        if state.error is not None:
            entry.status.error_code = state.error.code.value[0]
            entry.status.error_message = state.error.message
    return response


def reload_config(manager: ModelManager, request: Any, timeout: float, total: Total) -> Any:
    """Answers a ReloadConfigRequest within ``timeout`` seconds, with what was added to the metrics it names meanwhile.

    Raises:
        StatusError: see ModelManager.reload.
    """
    before = {name: total(name) for name in request.metric_names}
    manager.reload_for_client(request.config, timeout)
    response = model_management_pb2.ReloadConfigResponse()
    for name, value in before.items():
        response.metric.add(name=name, int64_value_increase=total(name) - value)
    # Present also when all is well, with the code OK.
    response.status.SetInParent()
    return response
