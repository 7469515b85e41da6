"""Pusher: delivers a blessed model to a folder that a model server watches, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact, InfraBlessing, Model, ModelBlessing, PushedModel, SkewBlessing
from mlops_tfx.component import Component, OptionalInput, Output
from mlops_tfx.config import PushDestination
from mlops_tfx.deployment.lineage import copy_lineage, describe_artifact, read_inputs, write_lineage
from mlops_tfx.deployment.marks import reason_not_to_push
from mlops_tfx.deployment.versions import newest_version, push
from mlops_tfx.errors import ArtifactError, PushError

_PUSHED_DIGEST = "pushed_digest"
_HELD_BACK = "held_back"
_UNDO = "mlops-tfx rollback --allow-again VERSION"


class Pusher(Component):
    """Copies the model to ``{base_directory}/{version}``, unless a blessing was asked for and refused.

    The version is the time in seconds, and larger than every version that is there. A model that is the newest version
    already is not pushed again. On a local file system the copy gets its name in one step when it is complete. An
    object store knows no such step: files are sent aside, then copied inside the store, ``saved_model.pb`` last. A
    server that polls within that moment cannot load the version yet, and tries again.

    Args:
        model: the model to push.
        model_blessing: an Evaluator's verdict; without a blessing nothing is pushed.
        infra_blessing: an InfraValidator's verdict; it may also hold the model, with warm-up requests.
        push_destination: where to; ``PushDestination(filesystem=PushDestination.Filesystem(base_directory=...))``.
        custom_config: for subclasses.
        custom_executor_spec: pushes in place of ``run()``: an ExecutorClassSpec of TFX's kind. Better subclass Pusher.
        skew_blessing: a verdict on whether served answers are those of training; without a blessing nothing is pushed.

    Every version says where it came from: ``assets.extra/mlmd_uuid`` identifies the artifact of the model, and
    ``assets.extra/model_card.json`` has its id, place and digest, those of what it was trained on (with the spans of
    examples), pipeline and run of the push, and the verdicts.

    A model that ``mlops-tfx rollback`` went back from is held back: it is not pushed, until ``--allow-again`` lets it
    go. A model that is trained anew is another one.

    Custom properties of ``pushed_model``: ``pushed`` (1 or 0), and with it either ``pushed_destination`` and
    ``pushed_version`` (on an object store also ``pushed_digest``, of sizes and entity tags), or ``not_pushed_because``
    (and ``held_back``, 1, where that is a mark in the store).
    """

    EXECUTION_TYPE = "tfx.components.pusher.component.Pusher"
    BASE_TYPE = "Deploy"

    model: OptionalInput[Model] = OptionalInput()
    model_blessing: OptionalInput[ModelBlessing] = OptionalInput()
    infra_blessing: OptionalInput[InfraBlessing] = OptionalInput()
    push_destination: PushDestination | None = None
    custom_config: dict[str, Any] | None = None
    custom_executor_spec: Any = None
    skew_blessing: OptionalInput[SkewBlessing] = OptionalInput()
    pushed_model = Output(PushedModel)

    def check(self) -> Iterable[str]:
        """A model and a destination."""
        if "model" not in self.inputs and "infra_blessing" not in self.inputs:
            yield "input 'model': expected it, or 'infra_blessing' with a model inside, received neither"
        if self.executor_spec is not None:
            if not hasattr(self.executor_spec, "run_for"):
                yield f"expected an ExecutorClassSpec, received custom_executor_spec={self.custom_executor_spec!r}"
        elif self.push_destination is None or self.push_destination.filesystem is None:
            yield (
                "parameter 'push_destination': expected PushDestination(filesystem=PushDestination.Filesystem("
                f"base_directory=...)), received {self.push_destination!r}"
            )

    def still_valid(self, outputs: Mapping[str, Sequence[Artifact]]) -> bool:
        """Whether what was pushed is still there, unchanged, and the newest version."""
        pushed = outputs["pushed_model"][0]
        if self.executor_spec is not None:
            return True  # where a custom executor pushes to is not known
        if pushed.custom_properties.get("pushed") != 1:
            # A verdict stands; a mark in the store may have been lifted.
            return pushed.custom_properties.get(_HELD_BACK) != 1 or bool(reason_not_to_push(self._source()))
        version = str(pushed.custom_properties.get("pushed_version"))
        newest = newest_version(self._base_directory)
        if newest is None or newest != version:
            return False
        digest = pushed.custom_properties.get(_PUSHED_DIGEST) or filesystem.digest(pushed.uri)
        return filesystem.digest(filesystem.join(self._base_directory, newest)) == digest

    def run(self) -> None:
        """Pushes the model, or says why not."""
        filesystem.makedirs(self.pushed_model.uri)
        if self.custom_executor_spec is not None:
            self.custom_executor_spec.run_for(self)
            return
        if not (self.is_refused() or self.is_held_back()):
            self.push_model(self._model_folder())

    def push_model(self, source: str) -> None:
        """Pushes the model in the folder ``source``, and notes where it went."""
        filesystem.copy_tree(source, self.pushed_model.uri)
        write_lineage(self.pushed_model.uri, self._model_card())
        version = push(self.pushed_model.uri, self._base_directory, self.context.log)
        destination = filesystem.join(self._base_directory, version)
        copy_lineage(destination, self.pushed_model.uri)  # of a version that stands already, its own
        self.pushed_model.custom_properties.update(pushed=1, pushed_destination=destination, pushed_version=version)
        if not filesystem.is_local(destination):
            self.pushed_model.custom_properties[_PUSHED_DIGEST] = filesystem.digest(destination)

    @property
    def _base_directory(self) -> str:
        if self.push_destination is None or self.push_destination.filesystem is None:
            raise PushError("expected push_destination with a filesystem, received none")
        return self.push_destination.filesystem.base_directory

    def is_refused(self) -> bool:
        """Whether a verdict forbids the push; it is logged and noted then."""
        refusal = self._refusal()
        if refusal:
            self._note(refusal)
        return bool(refusal)

    def is_held_back(self) -> bool:
        """Whether a mark in the store forbids the push; it is logged and noted then."""
        mark = reason_not_to_push(self._source())
        if mark:
            self._note(f"the model at {self._source().recorded_uri} is held back: {mark}; to push it again: {_UNDO}")
            self.pushed_model.custom_properties[_HELD_BACK] = 1
        return bool(mark)

    def _note(self, refusal: str) -> None:
        self.context.log(f"not pushed: {refusal}")
        self.pushed_model.custom_properties.update(pushed=0, not_pushed_because=refusal)

    def _refusal(self) -> str | None:
        for name, blessing in self._blessings().items():
            if blessing.custom_properties.get("blessed") == 1:
                continue
            if "blessed" in blessing.custom_properties:
                return f"{name} at {blessing.recorded_uri} refuses the model (blessed=0)"
            return f"{name} at {blessing.recorded_uri} holds no verdict: nothing was validated, for want of thresholds"
        return None

    def _blessings(self) -> dict[str, Artifact]:
        names = ("model_blessing", "infra_blessing", "skew_blessing")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def _model_card(self) -> dict[str, Any]:
        source = self._source()
        return {
            "model": describe_artifact(source),
            "trained_on": read_inputs(source),
            "pipeline_name": self.context.pipeline_name,
            "pushed_in_run": self.context.run_id,
            "pushed_by": self.context.node_id,
            "verdicts": {
                name: {"id": blessing.id, "uri": blessing.recorded_uri, "blessed": True}
                for name, blessing in self._blessings().items()
            },
        }

    def _source(self) -> Artifact:
        source: Artifact | None = self.model if self.model is not None else self.infra_blessing
        assert source is not None, "checked when the pipeline was wired"
        return source

    def _model_folder(self) -> str:
        if self.model is not None:
            folder = filesystem.join(self.model.uri, "Format-Serving")
        elif self.infra_blessing is not None and self.infra_blessing.custom_properties.get("has_model") == 1:
            folder = filesystem.join(self.infra_blessing.uri, "stamped_model")
        else:
            raise ArtifactError(
                "expected a model inside the infra_blessing, found none (has_model is not 1); pass model=, or set "
                "make_warmup in the InfraValidator's request_spec"
            )
        if not filesystem.isdir(folder) or not filesystem.listdir(folder):
            raise ArtifactError(f"expected a model in the folder {folder!r}, found nothing; train it again")
        return folder
