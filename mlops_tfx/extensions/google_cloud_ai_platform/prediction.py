"""Models and endpoints of Vertex AI: what is asked of the client, and what is taken back when something fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from mlops_tfx.errors import PushError
from mlops_tfx.extensions.client_library import client_library

if TYPE_CHECKING:
    from mlops_tfx.extensions.google_cloud_ai_platform.serving_args import ServingArgs


_TRAFFIC = ("traffic_percentage", "traffic_split")


class PredictionService(Protocol):
    """What is used of Vertex AI's prediction service; every call returns when the service is done."""

    def find_endpoint(self, name: str) -> Any:
        """Returns the endpoint with a display name, or None."""

    def create_endpoint(self, name: str, labels: Mapping[str, str]) -> Any:
        """Returns a new endpoint."""

    def upload(self, name: str, model_uri: str, image: str) -> Any:
        """Returns a new model."""

    def deploy(self, model: Any, endpoint: Any, arguments: Mapping[str, Any]) -> None:
        """Deploys a model to an endpoint."""

    def delete_endpoint(self, endpoint: Any) -> None:
        """Deletes an endpoint and what is deployed to it."""

    def delete_model(self, model: Any) -> None:
        """Deletes a model that is not deployed."""


class VertexPrediction:
    """The service itself, through google-cloud-aiplatform. Not verified against the real service."""

    def __init__(self, project: str, region: str) -> None:
        self._library = client_library("google.cloud.aiplatform", "google-cloud-aiplatform")
        self._place = {"project": project, "location": region}

    def find_endpoint(self, name: str) -> Any:
        """See PredictionService."""
        found = self._library.Endpoint.list(filter=f'display_name="{name}"', **self._place)
        return found[0] if found else None

    def create_endpoint(self, name: str, labels: Mapping[str, str]) -> Any:
        """See PredictionService."""
        return self._library.Endpoint.create(display_name=name, labels=dict(labels), **self._place)

    def upload(self, name: str, model_uri: str, image: str) -> Any:
        """See PredictionService."""
        return self._library.Model.upload(
            display_name=name, artifact_uri=model_uri, serving_container_image_uri=image, **self._place
        )

    def deploy(self, model: Any, endpoint: Any, arguments: Mapping[str, Any]) -> None:
        """See PredictionService."""
        model.deploy(endpoint=endpoint, **arguments)

    def delete_endpoint(self, endpoint: Any) -> None:
        """See PredictionService."""
        endpoint.delete(force=True, sync=True)

    def delete_model(self, model: Any) -> None:
        """See PredictionService."""
        model.delete(sync=True)


def push_model(
    service: PredictionService, args: ServingArgs, name: str, model_uri: str, log: Callable[[str], None]
) -> str:
    """Uploads a model and deploys it to the endpoint that ``args`` names, which is made if it is not there.

    Returns the model's resource name. What was made before a failure or an interruption is deleted.

    Raises:
        PushError: with the service's reason.
    """
    with ExitStack() as undo:
        try:
            endpoint = service.find_endpoint(args.endpoint_name)
            if endpoint is None:
                endpoint = service.create_endpoint(args.endpoint_name, args.labels)
                undo.callback(_delete, service.delete_endpoint, endpoint, log)
            model = service.upload(name, model_uri, args.image)
            undo.callback(_delete, service.delete_model, model, log)
            service.deploy(model, endpoint, with_traffic(args.deploy))
        except Exception as error:
            raise PushError(
                f"Vertex AI did not serve {model_uri!r} at endpoint {args.endpoint_name!r} (project {args.project}, "
                f"region {args.region}): {error}"
            ) from error
        undo.pop_all()
    return str(model.resource_name)


@contextmanager
def deployed(
    service: PredictionService, args: ServingArgs, name: str, model_uri: str, log: Callable[[str], None]
) -> Iterator[Any]:
    """Gives a new endpoint with a model, and deletes both afterwards.

    Raises:
        PushError: the model cannot be deployed; with the service's reason.
    """
    with ExitStack() as undo:
        try:
            model = service.upload(name, model_uri, args.image)
            undo.callback(_delete, service.delete_model, model, log)
            endpoint = service.create_endpoint(args.endpoint_name, args.labels)
            undo.callback(_delete, service.delete_endpoint, endpoint, log)
            service.deploy(model, endpoint, with_traffic({k: v for k, v in args.deploy.items() if k not in _TRAFFIC}))
        except Exception as error:
            raise PushError(
                f"Vertex AI did not deploy {model_uri!r} (project {args.project}, region {args.region}): {error}"
            ) from error
        yield endpoint


def with_traffic(deploy: Mapping[str, Any]) -> dict[str, Any]:
    """Gives the model all traffic unless the arguments say how it is divided."""
    divided: Sequence[str] = [key for key in _TRAFFIC if key in deploy]
    return dict(deploy) if divided else {**deploy, "traffic_percentage": 100}


def _delete(delete: Callable[[Any], None], resource: Any, log: Callable[[str], None]) -> None:
    try:
        delete(resource)
    except Exception as error:  # the first failure is the one to report
        log(f"{resource.resource_name} is left behind and must be deleted by hand: {error}")
