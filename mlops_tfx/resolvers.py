"""Importer and Resolver: nodes that bring artifacts in from outside, or from earlier runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from mlops_tfx.artifacts import Artifact, Model, ModelBlessing, PropertyValue
from mlops_tfx.channel import BaseChannel
from mlops_tfx.node import Node


class Importer(Node):
    """Registers something that exists already as an artifact.

    An artifact with the same place, type and properties that the store has already is reused, unless ``reimport``.

    Args:
        source_uri: where it lies; must exist when the node runs.
        artifact_type: its class.
        reimport: makes a new artifact in the store every time.
        properties: values of declared properties.
        custom_properties: further values.
        output_key: name of the output; ``result`` by default.
    """

    def __init__(
        self,
        source_uri: str,
        artifact_type: type[Artifact],
        reimport: bool = False,
        properties: Mapping[str, PropertyValue] | None = None,
        custom_properties: Mapping[str, PropertyValue] | None = None,
        output_key: str | None = None,
    ) -> None:
        super().__init__(type(self).__name__)
        self.source_uri = source_uri
        self.artifact_type = artifact_type
        self.reimport = reimport
        self.properties = dict(properties or {})
        self.custom_properties = dict(custom_properties or {})
        self.output_key = output_key or "result"
        if not source_uri:
            self.problems.append("parameter 'source_uri' is empty; give the place of the artifact")
        if not (isinstance(artifact_type, type) and issubclass(artifact_type, Artifact)):
            self.problems.append(f"parameter 'artifact_type': expected an artifact class, received {artifact_type!r}")
            self.artifact_type = Artifact
        self._set_outputs({self.output_key: self.artifact_type})

    @property
    def exec_properties(self) -> Mapping[str, Any]:
        return {"source_uri": self.source_uri, "reimport": int(self.reimport), "output_key": self.output_key}


class ArtifactHistory(Protocol):
    """What a strategy may ask of the metadata store."""

    def artifacts_of_type(self, artifact_type: type[Artifact], pipeline_name: str | None = None) -> list[Artifact]:
        """All published artifacts of a type, newest first."""
        ...


class ResolverStrategy:
    """Chooses among artifacts of earlier runs. A strategy of your own defines ``resolve_artifacts``."""

    def resolve_artifacts(
        self, store: ArtifactHistory, input_dict: Mapping[str, Sequence[Artifact]]
    ) -> Mapping[str, Sequence[Artifact]] | None:
        """Returns the chosen artifacts by key; None when there are none to choose."""
        raise NotImplementedError(f"{type(self).__name__} must define resolve_artifacts()")


class LatestArtifactStrategy(ResolverStrategy):
    """The newest ``desired_num_of_artifacts`` of each key; None if any key has fewer."""

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


class Resolver(Node):
    """Looks for artifacts of earlier runs.

        baseline = Resolver(
            strategy_class=LatestBlessedModelStrategy,
            model=Channel(type=Model),
            model_blessing=Channel(type=ModelBlessing),
        )

    Args:
        strategy_class: a ResolverStrategy.
        config: keyword arguments for the strategy.
        **channels: what to choose from; the outputs have the same names and types.
    """

    _ANY: ClassVar[type[Artifact]] = Artifact

    def __init__(
        self,
        strategy_class: type[ResolverStrategy] | None = None,
        config: Mapping[str, Any] | None = None,
        **channels: BaseChannel[Any],
    ) -> None:
        super().__init__(type(self).__name__)
        self.strategy_class = strategy_class or LatestArtifactStrategy
        self.config = dict(config or {})
        self._check_strategy()
        for key, channel in channels.items():
            if isinstance(channel, BaseChannel):
                self._inputs[key] = channel
            else:
                self.problems.append(f"input {key!r}: expected a channel, received {channel!r}")
        if not channels:
            self.problems.append("expected at least one channel to choose from, such as model=Channel(type=Model)")
        self._set_outputs({key: channel.type for key, channel in self._inputs.items()})

    def strategy(self) -> ResolverStrategy:
        """Makes the strategy object."""
        return self.strategy_class(**self.config)

    def _check_strategy(self) -> None:
        if not (isinstance(self.strategy_class, type) and issubclass(self.strategy_class, ResolverStrategy)):
            self.problems.append(f"expected a ResolverStrategy class, received strategy_class={self.strategy_class!r}")
            return
        try:
            self.strategy()
        except TypeError as error:
            self.problems.append(f"{self.strategy_class.__name__} cannot be made from config={self.config!r}: {error}")

    @property
    def exec_properties(self) -> Mapping[str, Any]:
        strategy = self.strategy_class
        return {"strategy_class": f"{strategy.__module__}.{strategy.__qualname__}", "config": self.config}
