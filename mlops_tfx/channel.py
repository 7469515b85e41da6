"""Channels: promises of artifacts, which wire the output of one node to the input of another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mlops_tfx.artifacts import Artifact
from mlops_tfx.errors import ConfigError, did_you_mean
from mlops_tfx.placeholders import FutureArtifacts

if TYPE_CHECKING:
    from mlops_tfx.node import Node

A = TypeVar("A", bound=Artifact)


class BaseChannel(Generic[A]):
    """A promise of artifacts of one type."""

    def __init__(self, type: type[A]) -> None:
        self.type = type

    @property
    def type_name(self) -> str:
        """The TYPE_NAME of the promised artifacts."""
        return self.type.TYPE_NAME

    def sources(self) -> Sequence[BaseChannel[A]]:
        """The channels this one draws from: itself, or the members of a union."""
        return (self,)

    def producers(self) -> Iterator[Node]:
        """The nodes of this pipeline that must run before the channel has artifacts."""
        for source in self.sources():
            if isinstance(source, OutputChannel):
                yield source.producer

    def future(self) -> FutureArtifacts:
        """The artifacts that will be here, for conditions and parameters: ``channel.future()[0].value``."""
        return FutureArtifacts(self)


class OutputChannel(BaseChannel[A]):
    """What ``producer`` writes under ``output_key``."""

    def __init__(self, type: type[A], producer: Node, output_key: str) -> None:
        super().__init__(type)
        self.producer = producer
        self.output_key = output_key

    def __repr__(self) -> str:
        return f"{self.producer.id}.outputs[{self.output_key!r}]"


class Channel(BaseChannel[A]):
    """A query over the history of the same pipeline, with TFX's arguments.

    Args:
        type: artifact class to look for.
        producer_component_id: only artifacts that the node of this id wrote.
        output_key: only artifacts that were written under this key.
    """

    def __init__(
        self,
        type: type[A],
        producer_component_id: str | None = None,
        output_key: str | None = None,
    ) -> None:
        super().__init__(type)
        self.producer_component_id = producer_component_id
        self.output_key = output_key

    def __repr__(self) -> str:
        return f"Channel({self.type_name}, producer={self.producer_component_id!r}, output_key={self.output_key!r})"


class UnionChannel(BaseChannel[A]):
    """The artifacts of several channels of one type, in order."""

    def __init__(self, channels: Sequence[BaseChannel[A]]) -> None:
        types = {channel.type for channel in channels}
        if len(types) != 1:
            names = ", ".join(sorted(t.TYPE_NAME for t in types)) or "none"
            raise ConfigError(f"a union takes one or more channels of one artifact type, received types: {names}")
        super().__init__(types.pop())
        self._channels = tuple(source for channel in channels for source in channel.sources())

    def sources(self) -> Sequence[BaseChannel[A]]:
        return self._channels

    def __repr__(self) -> str:
        return f"union({list(self._channels)!r})"


def union(channels: Sequence[BaseChannel[A]]) -> UnionChannel[A]:
    """Joins channels of one type, as ``tfx.types.channel.union`` does. Raises ConfigError for mixed types."""
    return UnionChannel(channels)


class OutputMap(Mapping[str, OutputChannel[Any]]):
    """The outputs of a node by name. An unknown name raises KeyError with the near ones."""

    def __init__(self, owner: str, channels: Mapping[str, OutputChannel[Any]]) -> None:
        self._owner = owner
        self._channels = dict(channels)

    def __getitem__(self, key: str) -> OutputChannel[Any]:
        try:
            return self._channels[key]
        except KeyError:
            raise KeyError(f"{self._owner} has no output {key!r}{did_you_mean(key, self._channels)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._channels)

    def __len__(self) -> int:
        return len(self._channels)

    def __repr__(self) -> str:
        return repr(self._channels)
