"""How a Resolver chooses among artifacts of earlier runs: by age, or by an Evaluator's blessing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from mlops_tfx.artifacts import Artifact, Model, ModelBlessing


class PastExecution(Protocol):
    """What a strategy may know of an execution."""

    @property
    def node_id(self) -> str:
        """The node."""
        ...

    @property
    def state(self) -> Any:
        """How it ended: COMPLETE, CACHED, FAILED, CANCELED (skipped), or RUNNING."""
        ...

    @property
    def index(self) -> tuple[int, ...]:
        """Which elements of the loops around it; none outside of loops."""
        ...

    @property
    def skipped_because(self) -> str:
        """Why the node was skipped; "" if it was not."""
        ...

    @property
    def inputs(self) -> Mapping[str, Sequence[Artifact]]:
        """What it took, by input name."""
        ...

    @property
    def outputs(self) -> Mapping[str, Sequence[Artifact]]:
        """What it put out, by output name."""
        ...


class ArtifactHistory(Protocol):
    """What a strategy may ask of the metadata store."""

    def artifacts_of_type(self, artifact_type: type[Artifact], pipeline_name: str | None = None) -> list[Artifact]:
        """All published artifacts of a type, newest first."""
        ...

    def executions_with_inputs(self, artifacts: Iterable[Artifact]) -> Sequence[PastExecution]:
        """The executions that took any of these artifacts."""
        ...

    def executions_with_outputs(self, artifacts: Iterable[Artifact]) -> Sequence[PastExecution]:
        """The executions that put out any of these artifacts."""
        ...

    def executions(self, pipeline_name: str | None = None, run_id: str | None = None) -> Sequence[PastExecution]:
        """All executions of a pipeline, or of one run, in the order in which they began."""
        ...

    def runs(self, pipeline_name: str) -> Sequence[str]:
        """The ids of the runs of a pipeline, newest first."""
        ...


class ResolverStrategy:
    """Chooses among artifacts of earlier runs. A strategy of your own defines ``resolve_artifacts``.

    Attributes:
        KEEPS_ORDER: whether the nodes that take the artifacts get them in the order chosen; else oldest first, as
            under TFX, which reads them from its store.
    """

    KEEPS_ORDER: ClassVar[bool] = False

    def resolve_artifacts(
        self, store: ArtifactHistory, input_dict: Mapping[str, Sequence[Artifact]]
    ) -> Mapping[str, Sequence[Artifact]] | None:
        """Returns the chosen artifacts by key; None when there are none to choose."""
        raise NotImplementedError(f"{type(self).__name__} must define resolve_artifacts()")


class LatestArtifactStrategy(ResolverStrategy):
    """The newest ``desired_num_of_artifacts`` of each key, given on oldest first; None if any key has fewer."""

    def __init__(self, desired_num_of_artifacts: int = 1) -> None:
        self.desired_num_of_artifacts = desired_num_of_artifacts

    def resolve_artifacts(
        self, store: ArtifactHistory, input_dict: Mapping[str, Sequence[Artifact]]
    ) -> Mapping[str, Sequence[Artifact]] | None:
        """Sorts by id, newest first."""
        wanted = self.desired_num_of_artifacts
        newest = {key: sorted(found, key=_by_id, reverse=True)[:wanted] for key, found in input_dict.items()}
        return newest if all(len(found) == wanted for found in newest.values()) else None


class LatestBlessedModelStrategy(ResolverStrategy):
    """The newest model that an Evaluator blessed, with its blessing; empty lists if there is none yet.

    With a channel ``candidate`` the model about to be evaluated is passed over: run again without any change, a
    pipeline then compares it with the same predecessor as before, which is a cache hit, and not with itself.
    """

    def resolve_artifacts(
        self, store: ArtifactHistory, input_dict: Mapping[str, Sequence[Artifact]]
    ) -> Mapping[str, Sequence[Artifact]] | None:
        """Takes one key of type Model, one of type ModelBlessing, and possibly ``candidate``."""
        candidates = {candidate.id for candidate in input_dict.get(_CANDIDATE, ())}
        model_key = _key_of_type(input_dict, Model)
        blessing_key = _key_of_type(input_dict, ModelBlessing)
        blessings = {
            blessing.custom_properties.get("current_model_id"): blessing
            for blessing in sorted(input_dict.get(blessing_key, ()), key=_by_id)
            if blessing.custom_properties.get("blessed") == 1
        }
        for model in sorted(input_dict.get(model_key, ()), key=_by_id, reverse=True):
            if model.id in blessings and model.id not in candidates:
                return {model_key: [model], blessing_key: [blessings[model.id]]}
        return {model_key: [], blessing_key: []}


_CANDIDATE = "candidate"


def _by_id(artifact: Artifact) -> int:
    return artifact.id


def _key_of_type(input_dict: Mapping[str, Sequence[Artifact]], artifact_type: type[Artifact]) -> str:
    default = {Model: "model", ModelBlessing: "model_blessing"}[artifact_type]
    others = {key: found for key, found in input_dict.items() if key != _CANDIDATE}
    matching = [key for key, found in others.items() if found and isinstance(found[0], artifact_type)]
    return matching[0] if matching else default
