"""What nodes write, and unions of channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from mlops_tfx.channel.base import A, ArtifactSource, BaseChannel
from mlops_tfx.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from mlops_tfx.node import Node


class OutputChannel(BaseChannel[A]):
    """What ``producer`` writes under ``output_key``."""

    def __init__(self, type: type[A], producer: Node, output_key: str) -> None:
        super().__init__(type)
        self.producer = producer
        self.output_key = output_key

    @property
    def producer_component_id(self) -> str:
        """The id of the node, as it is by now."""
        return self.producer.id

    def producers(self) -> Iterator[Node]:
        yield self.producer

    def find(self, source: ArtifactSource) -> list[A]:
        return cast("list[A]", self.producer.passed_on(source.produced(self.producer.id, self.output_key)))

    def to_dict(self) -> dict[str, Any]:
        return {"node": self.producer.id, "output": self.output_key}

    def __repr__(self) -> str:
        return f"{self.producer.id}.outputs[{self.output_key!r}]"


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

    def producers(self) -> Iterator[Node]:
        for channel in self._channels:
            yield from channel.producers()

    def find(self, source: ArtifactSource) -> list[A]:
        return [artifact for channel in self._channels for artifact in channel.find(source)]

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
