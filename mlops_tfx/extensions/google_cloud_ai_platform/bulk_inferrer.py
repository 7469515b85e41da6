"""BulkInferrer on Vertex AI: deploys the model for as long as it takes to predict all rows."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mlops_tfx import components, filesystem
from mlops_tfx.extensions.cloud_pusher import on_cloud_storage
from mlops_tfx.extensions.google_cloud_ai_platform import prediction, serving_args

if TYPE_CHECKING:
    from mlops_tfx.inference.bulk import Job, Piece

_NAME = ("endpoint_name", "model_name")
_REQUEST_BYTES = 700_000  # a request of Vertex AI may have 1.5 MB; base64 makes it a third more
_ARGUMENTS = ("examples", "model", "model_blessing", "data_spec", "output_example_spec", "custom_config")


class BulkInferrer(components.BulkInferrer, first=_ARGUMENTS):
    """Predicts every row by a model that is deployed to Vertex AI for this, and taken away afterwards.

    Not verified against the real service; its logic is tested against a fake of Vertex AI's client.

    Keys of ``custom_config`` are those of Pusher. The endpoint is a new one, whose name begins with ``endpoint_name``
    (or ``model_name``): on an endpoint that serves others the model would get their requests. It is deleted
    with the model, also when a row fails or the run is interrupted.

    Arguments and outputs are those of BulkInferrer; signatures cannot be chosen (``model_spec``): Vertex AI runs
    ``serving_default``. ``pipeline_root`` is on ``gs://``.
    """

    custom_config: dict[str, Any] | None = None

    def check(self) -> Iterable[str]:
        """What BulkInferrer asks for, and the arguments of the endpoint."""
        yield from super().check()
        if self.model_spec is not None:
            yield f"model_spec: expected none, since Vertex AI runs serving_default, received {self.model_spec!r}"
        yield from serving_args.problems(self.custom_config, _NAME)

    def _infer(self, job: Job, pieces: list[Piece]) -> None:
        from mlops_tfx.extensions.google_cloud_ai_platform.remote_model import RemoteModel

        uri = on_cloud_storage(filesystem.join(self.model.recorded_uri, "Format-Serving"), "the model")
        args = serving_args.read(self.custom_config, _NAME)
        own = hashlib.sha256(f"{uri} {self.context.run_id}".encode()).hexdigest()[:12]
        args = dataclasses.replace(args, endpoint_name=f"{args.endpoint_name}-{own}")
        job = dataclasses.replace(job, batch_bytes=min(job.batch_bytes, _REQUEST_BYTES))
        service = prediction.VertexPrediction(args.project, args.region)
        with prediction.deployed(service, args, f"version_{own}", uri, self.context.log) as endpoint:
            model = RemoteModel(job.model, endpoint, job.spec)
            for number, piece in enumerate(pieces):
                job.infer(model, number, piece)
