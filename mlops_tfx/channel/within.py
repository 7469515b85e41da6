"""Channels that are known only within: the element of a loop in its block, the input of a pipeline in the pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from mlops_tfx.channel.base import A, ArtifactSource, BaseChannel

if TYPE_CHECKING:
    from mlops_tfx.node import Node
    from mlops_tfx.scope import Scope


class LoopVarChannel(BaseChannel[A]):
    """What a loop goes through, within its block: the artifacts of one element at a time.

    Args:
        type: artifact class.
        loop: the ``ForEach`` that gives it.
        key: the name, where an element holds artifacts by name; else "".
    """

    def __init__(self, type: type[A], loop: Scope, key: str = "") -> None:
        super().__init__(type)
        self.loop = loop
        self.key = key

    def producers(self) -> Iterator[Node]:
        yield from self.loop.producers()

    def find(self, source: ArtifactSource) -> list[A]:
        return cast("list[A]", list(source.element(self.loop, self.key)))

    def to_dict(self) -> dict[str, Any]:
        return {"element_of": repr(self.loop), **({"key": self.key} if self.key else {})}

    def __repr__(self) -> str:
        return f"element{f'[{self.key!r}]' if self.key else ''} of {self.loop!r}"


class PipelineInputChannel(BaseChannel[A]):
    """An input of a pipeline, seen from within: what the pipeline around it passes in under ``key``.

    Args:
        wrapped: the channel of the pipeline around.
        key: name of the input.
        owner: the ``PipelineInputs`` that it is one of.
    """

    def __init__(self, wrapped: BaseChannel[A], key: str, owner: object) -> None:
        super().__init__(wrapped.type)
        self.wrapped = wrapped
        self.key = key
        self.owner = owner

    def find(self, source: ArtifactSource) -> list[A]:
        return cast("list[A]", list(source.pipeline_input(self.key)))

    def to_dict(self) -> dict[str, Any]:
        return {"pipeline_input": self.key}

    def __repr__(self) -> str:
        return f"pipeline input {self.key!r}"
