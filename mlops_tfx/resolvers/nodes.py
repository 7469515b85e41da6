"""Importer and Resolver: nodes that bring artifacts in from outside, or from earlier runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from mlops_tfx.artifacts import Artifact, PropertyValue
from mlops_tfx.channel import BaseChannel
from mlops_tfx.errors import ConfigError
from mlops_tfx.node import Node
from mlops_tfx.placeholders import Placeholder, contains_placeholder
from mlops_tfx.resolvers.decorator import FunctionStrategy, ResolverFunction
from mlops_tfx.resolvers.strategies import LatestArtifactStrategy, ResolverStrategy

A = TypeVar("A", bound=Artifact)


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

    EXECUTION_TYPE = "tfx.dsl.components.common.importer.Importer"

    def __init__(
        self,
        source_uri: str | Placeholder,
        artifact_type: type[Artifact],
        reimport: bool = False,
        properties: Mapping[str, PropertyValue | Placeholder] | None = None,
        custom_properties: Mapping[str, PropertyValue | Placeholder] | None = None,
        output_key: str | None = None,
    ) -> None:
        super().__init__(type(self).__name__)
        self.source_uri: Any = source_uri
        self.artifact_type = artifact_type
        self.reimport = reimport
        self.properties: dict[str, Any] = dict(properties or {})
        self.custom_properties: dict[str, Any] = dict(custom_properties or {})
        self.output_key = output_key or "result"
        if isinstance(source_uri, str) and not source_uri:
            self.problems.append("parameter 'source_uri' is empty; give the place of the artifact")
        if not (isinstance(artifact_type, type) and issubclass(artifact_type, Artifact)):
            self.problems.append(f"parameter 'artifact_type': expected an artifact class, received {artifact_type!r}")
            self.artifact_type = Artifact
        self._set_outputs({self.output_key: self.artifact_type})

    @property
    def exec_properties(self) -> Mapping[str, Any]:
        return {"source_uri": self.source_uri, "reimport": int(self.reimport), "output_key": self.output_key}

    @property
    def unresolved(self) -> Mapping[str, Any]:
        given = {name: getattr(self, name) for name in ("source_uri", "properties", "custom_properties")}
        return {name: value for name, value in given.items() if contains_placeholder(value)}


class Resolver(Node):
    """Looks for artifacts of earlier runs.

        baseline = Resolver(
            strategy_class=LatestBlessedModelStrategy,
            model=Channel(type=Model),
            model_blessing=Channel(type=ModelBlessing),
        )

    Args:
        strategy_class: a ResolverStrategy, or a resolver function such as ``functions.rolling_range``; a function of
            lists chooses for every channel by itself.
        config: keyword arguments for the strategy, or the function.
        **channels: what to choose from; the outputs have the same names and types.
    """

    EXECUTION_TYPE = "tfx.dsl.components.common.resolver.Resolver"

    _ANY: ClassVar[type[Artifact]] = Artifact

    def __init__(
        self,
        strategy_class: type[ResolverStrategy] | ResolverFunction | None = None,
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
        if isinstance(self.strategy_class, ResolverFunction):
            return FunctionStrategy(self.strategy_class, self.config)
        return self.strategy_class(**self.config)

    def passed_on(self, artifacts: Sequence[A]) -> list[A]:
        """In the order of their ids, unless the strategy's own order is to be kept."""
        keeps = isinstance(self.strategy_class, ResolverFunction) or self.strategy_class.KEEPS_ORDER
        return list(artifacts) if keeps else sorted(artifacts, key=lambda artifact: artifact.id)

    def _check_strategy(self) -> None:
        given = self.strategy_class
        is_strategy = isinstance(given, type) and issubclass(given, ResolverStrategy)
        if not is_strategy and not isinstance(given, ResolverFunction):
            self.problems.append(f"expected a ResolverStrategy class, received strategy_class={self.strategy_class!r}")
            return
        if contains_placeholder(self.config):
            return
        try:
            self.strategy()
        except (TypeError, ConfigError) as error:
            self.problems.append(f"{self.strategy_class.__name__} cannot be made from config={self.config!r}: {error}")

    @property
    def exec_properties(self) -> Mapping[str, Any]:
        strategy = self.strategy_class
        name = getattr(strategy, "__qualname__", strategy.__name__)
        return {"strategy_class": f"{strategy.__module__}.{name}", "config": self.config}
