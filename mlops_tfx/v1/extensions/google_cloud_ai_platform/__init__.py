"""``tfx.v1.extensions.google_cloud_ai_platform``: components on Vertex AI, and keys of their ``custom_config``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tfx.v1.lazy import SUBMODULE, offer

if TYPE_CHECKING:
    from mlops_tfx.extensions.google_cloud_ai_platform.bulk_inferrer import BulkInferrer
    from mlops_tfx.extensions.google_cloud_ai_platform.pusher import Pusher
    from mlops_tfx.extensions.google_cloud_ai_platform.trainer import Trainer
    from mlops_tfx.extensions.google_cloud_ai_platform.tuner import Tuner
    from mlops_tfx.v1.extensions.google_cloud_ai_platform import experimental

__all__ = [
    "ENABLE_UCAIP_KEY",
    "ENABLE_VERTEX_KEY",
    "JOB_ID_KEY",
    "LABELS_KEY",
    "SERVING_ARGS_KEY",
    "TRAINING_ARGS_KEY",
    "UCAIP_REGION_KEY",
    "VERTEX_CONTAINER_IMAGE_URI_KEY",
    "VERTEX_REGION_KEY",
    "BulkInferrer",
    "Pusher",
    "Trainer",
    "Tuner",
    "experimental",
]

ENABLE_UCAIP_KEY = "ai_platform_training_enable_ucaip"
ENABLE_VERTEX_KEY = "ai_platform_enable_vertex"
JOB_ID_KEY = "ai_platform_training_job_id"
LABELS_KEY = "ai_platform_training_labels"
SERVING_ARGS_KEY = "ai_platform_serving_args"
TRAINING_ARGS_KEY = "ai_platform_training_args"
UCAIP_REGION_KEY = "ai_platform_training_ucaip_region"
VERTEX_CONTAINER_IMAGE_URI_KEY = "ai_platform_vertex_container_image_uri"
VERTEX_REGION_KEY = "ai_platform_vertex_region"

_EXTENSION = "mlops_tfx.extensions.google_cloud_ai_platform"
_HOMES = {
    "BulkInferrer": f"{_EXTENSION}.bulk_inferrer",
    "Pusher": f"{_EXTENSION}.pusher",
    "Trainer": f"{_EXTENSION}.trainer",
    "Tuner": f"{_EXTENSION}.tuner",
    "experimental": SUBMODULE,
}

__getattr__, __dir__ = offer(__name__, _HOMES)
