"""Loopable: what a loop goes through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from mlops_tfx.artifacts import Artifact
from mlops_tfx.channel.base import ArtifactSource

if TYPE_CHECKING:
    from mlops_tfx.node import Node

Element = Mapping[str, Sequence[Artifact]]
"""Artifacts by name; what has no name of its own has the name ""."""


class Loopable:
    """What `ForEach` goes through, if it is not a channel: elements that hold artifacts by name."""

    def loop_types(self) -> Mapping[str, type[Artifact]]:
        """The artifact class of each name in an element; the one name "" if an element is a list without a name."""
        raise NotImplementedError(f"{type(self).__name__} must define loop_types()")

    def producers(self) -> Iterator[Node]:
        """The nodes that must have run before the elements are known."""
        raise NotImplementedError(f"{type(self).__name__} must define producers()")

    def loop_elements(self, source: ArtifactSource) -> Sequence[Element]:
        """The elements in order, when the producers have run.

        Args:
            source: what the run can tell; ``channel.find(source)`` gives the artifacts of a channel.

        Raises:
            SkipSignal: the loop is not to be gone through now.
            ResolutionError: there are no elements to be had.
        """
        raise NotImplementedError(f"{type(self).__name__} must define loop_elements()")
