"""What Pushers to a service of Google Cloud have in common: verdicts, the model's place, what is recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact
from mlops_tfx.components import Pusher
from mlops_tfx.errors import ArtifactError

_ARGUMENTS = ("model", "model_blessing", "infra_blessing", "custom_config")


class CloudPusher(Pusher, first=_ARGUMENTS):
    """Gives a model to a service, unless a blessing was asked for and refused.

    Not verified against the real service; subclasses define ``deliver``.

    Args:
        model: the model to push.
        model_blessing: an Evaluator's verdict; without a blessing nothing is pushed.
        infra_blessing: an InfraValidator's verdict; it may also hold the model, with warm-up requests.
        custom_config: arguments for the service.
        push_destination: not taken.
        custom_executor_spec: not taken.
        skew_blessing: a verdict on whether served answers are those of training; without a blessing nothing is pushed.

    The service reads the model where the pipeline has put it, so ``pipeline_root`` is on ``gs://``.
    ``pushed_model`` holds a copy; its custom properties are ``pushed`` (1 or 0) and either ``pushed_destination`` or
    ``not_pushed_because``.
    """

    def check(self) -> Iterable[str]:
        """A model, and no other destination."""
        if "model" not in self.inputs and "infra_blessing" not in self.inputs:
            yield "input 'model': expected it, or 'infra_blessing' with a model inside, received neither"
        for name in ("push_destination", "custom_executor_spec"):
            if getattr(self, name) is not None:
                yield f"{name}: expected none, since custom_config says where to push, received {getattr(self, name)!r}"
        yield from self.problems_of_config()

    def problems_of_config(self) -> Iterable[str]:
        """What is wrong with ``custom_config``."""
        raise NotImplementedError(f"{type(self).__name__} must define problems_of_config()")

    def deliver(self, model_uri: str) -> str:
        """Gives the SavedModel at ``model_uri`` (``gs://``) to the service; returns how the service calls it."""
        raise NotImplementedError(f"{type(self).__name__} must define deliver()")

    def still_valid(self, outputs: Mapping[str, Sequence[Artifact]]) -> bool:
        """What was delivered stands, as in TFX: the service is not asked."""
        if outputs["pushed_model"][0].custom_properties.get("pushed") == 1:
            return True
        return super().still_valid(outputs)

    def run(self) -> None:
        """Delivers the model, or says why not."""
        filesystem.makedirs(self.pushed_model.uri)
        if self.is_refused() or self.is_held_back():
            return
        model_uri = self._model_uri()
        filesystem.copy_tree(self._model_folder(), self.pushed_model.uri)
        destination = self.deliver(model_uri)
        self.context.log(f"pushed {model_uri} to {destination}")
        self.pushed_model.custom_properties.update(pushed=1, pushed_destination=destination)

    def _model_uri(self) -> str:
        part = "Format-Serving" if self.model is not None else "stamped_model"
        return on_cloud_storage(filesystem.join(self._source().recorded_uri, part), "the model")


def on_cloud_storage(uri: str, what: str) -> str:
    """Returns a uri that a service of Google Cloud can read. Raises ArtifactError for any other."""
    if not uri.startswith("gs://"):
        raise ArtifactError(
            f"expected {what} on Cloud Storage, where the service can read it, received {uri!r}; "
            "give the pipeline a pipeline_root that begins with gs://"
        )
    return uri
