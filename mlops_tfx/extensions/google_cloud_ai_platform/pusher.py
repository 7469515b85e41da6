"""Pusher for Vertex AI: uploads the model and deploys it to an endpoint."""

from __future__ import annotations

import time
from collections.abc import Iterable

from mlops_tfx.extensions.cloud_pusher import CloudPusher
from mlops_tfx.extensions.google_cloud_ai_platform import serving_args
from mlops_tfx.extensions.google_cloud_ai_platform.prediction import VertexPrediction, push_model

_NAME = ("endpoint_name",)


class Pusher(CloudPusher):
    """Uploads a model to Vertex AI and deploys it to an endpoint, unless a blessing was asked for and refused.

    Not verified against the real service; its logic is tested against a fake of Vertex AI's client.

    Keys of ``custom_config``: ``ai_platform_enable_vertex`` (True; the AI Platform before it is not supported),
    ``ai_platform_vertex_region``, ``ai_platform_vertex_container_image_uri``, and ``ai_platform_serving_args``: a dict
    of ``project`` (or ``project_id``), ``endpoint_name``, ``labels`` of an endpoint that is made, and arguments of
    ``aiplatform.Model.deploy`` such as ``machine_type``. Without ``traffic_percentage`` the model gets all traffic.

    ``pushed_destination`` is the model's resource name. Arguments and properties are those of CloudPusher.
    """

    def problems_of_config(self) -> Iterable[str]:
        """Keys that are missing, misspelt or contradict each other."""
        return serving_args.problems(self.custom_config, _NAME)

    def deliver(self, model_uri: str) -> str:
        """Uploads and deploys. Raises PushError with the service's reason; what was made before it is deleted."""
        args = serving_args.read(self.custom_config, _NAME)
        service = VertexPrediction(args.project, args.region)
        return push_model(service, args, f"v{int(time.time())}", model_uri, self.context.log)
