"""Placeholders for artifacts: those of a channel, or of the node's own inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mlops_tfx.errors import NullValueError, PlaceholderError, ResolutionError, did_you_mean
from mlops_tfx.placeholders.expression import Placeholder
from mlops_tfx.placeholders.known import Known

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Artifact
    from mlops_tfx.channel import BaseChannel


class ArtifactPlaceholder(Placeholder):
    """One artifact: the first, unless ``[i]`` names another."""

    def __init__(self, index: int | None = None) -> None:
        self.index = index

    def resolve(self, known: Known) -> Artifact:
        artifacts = self.artifacts(known)
        if not artifacts:
            raise NullValueError(f"{self!r}: {self._source()} has no artifact")
        index = self.index or 0
        if not -len(artifacts) <= index < len(artifacts):
            raise ResolutionError(f"{self!r}: {self._source()} has {len(artifacts)} artifacts")
        return artifacts[index]

    def artifacts(self, known: Known) -> Sequence[Artifact]:
        """The artifacts to choose from."""
        raise NotImplementedError(f"{type(self).__name__} must define artifacts()")

    def at(self, index: int) -> ArtifactPlaceholder:
        """The same with an index."""
        raise NotImplementedError(f"{type(self).__name__} must define at()")

    def __getitem__(self, key: int | str) -> ArtifactPlaceholder:
        if self.index is not None or not isinstance(key, int):
            raise PlaceholderError(f"expected one [index] after {self._source()}, received a further [{key!r}]")
        return self.at(key)

    @property
    def uri(self) -> Placeholder:
        """Where the artifact lies."""
        return _Uri(self)

    def split_uri(self, split: str) -> Placeholder:
        """Where a split of it lies."""
        return _SplitUri(self, split)

    @property
    def value(self) -> Placeholder:
        """The value of a value artifact (Integer, Float, String, ...)."""
        return _Value(self)

    def property(self, key: str) -> Placeholder:
        """A declared property; one that is not set is "", 0 or 0.0, as everywhere."""
        return _Property(self, key)

    def custom_property(self, key: str) -> Placeholder:
        """A custom property."""
        return _CustomProperty(self, key)

    def _source(self) -> str:
        raise NotImplementedError(f"{type(self).__name__} must define _source()")

    def __repr__(self) -> str:
        return self._source() + (f"[{self.index}]" if self.index is not None else "")


class FutureArtifacts(ArtifactPlaceholder):
    """The artifacts that a channel will have: ``channel.future()``."""

    def __init__(self, channel: BaseChannel[Any], index: int | None = None) -> None:
        super().__init__(index)
        self.channel = channel

    def operands(self) -> Sequence[Any]:
        return self.channel, self.index

    def channels(self) -> Iterator[BaseChannel[Any]]:
        yield self.channel

    def artifacts(self, known: Known) -> Sequence[Artifact]:
        return known.channels(self.channel)

    def at(self, index: int) -> FutureArtifacts:
        return FutureArtifacts(self.channel, index)

    def _source(self) -> str:
        return f"{self.channel!r}.future()"


class NodeArtifacts(ArtifactPlaceholder):
    """The artifacts of an input or an output of the node itself."""

    def __init__(self, key: str, is_input: bool, index: int | None = None) -> None:
        super().__init__(index)
        self.key = key
        self.is_input = is_input

    def operands(self) -> Sequence[Any]:
        return self.key, self.is_input, self.index

    def artifacts(self, known: Known) -> Sequence[Artifact]:
        return list(known.named("inputs" if self.is_input else "outputs", self.key, self))

    def at(self, index: int) -> NodeArtifacts:
        return NodeArtifacts(self.key, self.is_input, index)

    @property
    def value(self) -> Placeholder:
        if not self.is_input:
            raise PlaceholderError(f"{self!r}.value: an output has no value before the node has run")
        return super().value

    def _source(self) -> str:
        return f"{'input' if self.is_input else 'output'}({self.key!r})"


def input(key: str) -> NodeArtifacts:
    """The artifacts that the node gets as the input ``key``."""
    return NodeArtifacts(key, is_input=True)


def output(key: str) -> NodeArtifacts:
    """The artifacts that the node is to write as the output ``key``."""
    return NodeArtifacts(key, is_input=False)


class _OfArtifact(Placeholder):
    def __init__(self, artifact: ArtifactPlaceholder) -> None:
        self._artifact = artifact

    def operands(self) -> Sequence[Any]:
        return (self._artifact,)


class _Uri(_OfArtifact):
    def resolve(self, known: Known) -> str:
        return self._artifact.resolve(known).uri

    def __repr__(self) -> str:
        return f"{self._artifact!r}.uri"


class _Value(_OfArtifact):
    def resolve(self, known: Known) -> Any:
        artifact: Any = self._artifact.resolve(known)
        if not hasattr(artifact, "decode"):
            raise ResolutionError(f"{self!r}: expected a value artifact (Integer, Float, ...), received {artifact!r}")
        return artifact.value

    def __repr__(self) -> str:
        return f"{self._artifact!r}.value"


class _Named(_OfArtifact):
    def __init__(self, artifact: ArtifactPlaceholder, key: str) -> None:
        super().__init__(artifact)
        self._name = key

    def operands(self) -> Sequence[Any]:
        return self._artifact, self._name


class _SplitUri(_Named):
    def resolve(self, known: Known) -> str:
        artifact: Any = self._artifact.resolve(known)
        if not hasattr(artifact, "splits"):
            raise ResolutionError(f"{self!r}: {artifact!r} has no splits")
        if self._name not in artifact.splits:
            hint = did_you_mean(self._name, artifact.splits)
            raise ResolutionError(f"{self!r}: {artifact!r} has no split {self._name!r}{hint}")
        return f"{artifact.uri}/Split-{self._name}"

    def __repr__(self) -> str:
        return f"{self._artifact!r}.split_uri({self._name!r})"


class _Property(_Named):
    def resolve(self, known: Known) -> Any:
        artifact = self._artifact.resolve(known)
        if self._name in artifact.properties or self._name in artifact.PROPERTIES:
            return artifact.properties.get(self._name, getattr(artifact, self._name, None))
        hint = did_you_mean(self._name, {*artifact.PROPERTIES, *artifact.properties})
        raise ResolutionError(f"{self!r}: {artifact!r} has no property {self._name!r}{hint}")

    def __repr__(self) -> str:
        return f"{self._artifact!r}.property({self._name!r})"


class _CustomProperty(_Named):
    def resolve(self, known: Known) -> Any:
        artifact = self._artifact.resolve(known)
        if self._name in artifact.custom_properties:
            return artifact.custom_properties[self._name]
        hint = did_you_mean(self._name, artifact.custom_properties)
        raise ResolutionError(f"{self!r}: {artifact!r} has no custom property {self._name!r}{hint}")

    def __repr__(self) -> str:
        return f"{self._artifact!r}.custom_property({self._name!r})"
