"""``tfx.v1.orchestration.experimental``: what runs when a run has ended, however it ended."""

from __future__ import annotations

from mlops_tfx.exit_handler import FinalStatusStr, exit_handler
from mlops_tfx.v1.lazy import offer

__all__ = ["FinalStatusStr", "exit_handler"]

_NO_KUBEFLOW = (
    "pipelines are not compiled for Kubeflow or Vertex AI Pipelines; run the same pipeline on this machine with "
    "tfx.orchestration.LocalDagRunner().run(pipeline), and send its heavy nodes to Vertex AI with "
    "tfx.extensions.google_cloud_ai_platform"
)
_ABSENT = {
    "KubeflowV2DagRunner": _NO_KUBEFLOW,
    "KubeflowV2DagRunnerConfig": _NO_KUBEFLOW,
    "get_default_kubeflow_metadata_config": "TFX lists it and does not have it either",
}

__getattr__, __dir__ = offer(__name__, {}, _ABSENT)
