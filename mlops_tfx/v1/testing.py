"""``tfx.v1.testing``: what unit tests of components use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from mlops_tfx.artifacts import Artifact
from mlops_tfx.channel import ArtifactSource, BaseChannel

__all__ = ["Channel"]

A = TypeVar("A", bound=Artifact)


class Channel(BaseChannel[A]):
    """A channel without a producer, to make a component with. Channels of one type are equal.

    Args:
        artifact_type: class of the artifacts.
        artifact_ids: kept for the test to read.
    """

    def __init__(self, artifact_type: type[A], artifact_ids: Sequence[int] = ()) -> None:
        super().__init__(artifact_type)
        self.artifact_ids = artifact_ids

    def find(self, source: ArtifactSource) -> list[A]:
        return self.get()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Channel) and self.type is other.type

    def __hash__(self) -> int:
        return hash(self.type)
