"""ForEach: the nodes in the block run once for every element."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlops_tfx.channel import ArtifactSource, BaseChannel, Element, Loopable, LoopVarChannel
from mlops_tfx.errors import ConfigError
from mlops_tfx.node import Node
from mlops_tfx.scope import Scope


class ForEach(Scope):
    """The nodes made in the block run once for every element: for every artifact of a channel.

        with ForEach(importer.outputs["examples"]) as examples:
            statistics = StatisticsGen(examples=examples)
            schema = SchemaGen(statistics=statistics.outputs["statistics"])
        merged = MergeSchemas(schemas=schema.outputs["schema"])

    Within the block, an output is that of the same element. Outside, it is the list of all elements' outputs, in their
    order: it fits an input that takes several, or a single one if there was one element. Blocks nest: an inner loop
    runs for every element of the outer one. With no element at all the nodes are skipped.

    Elements run side by side, as far as the runner allows. Where one fails the others go on to their end, and what
    takes the outputs outside is not started.

    Args:
        loopable: a channel, or what a resolver function gives. Where its elements have names, ``as`` gives a dict of
            channels.

    Raises:
        ConfigError: it is neither; or a second block is opened with the same object.
    """

    def __init__(self, loopable: BaseChannel[Any] | Loopable) -> None:
        if not isinstance(loopable, BaseChannel | Loopable):
            hint = "; pass one of its outputs, such as node.outputs['...']" if isinstance(loopable, Node) else ""
            raise ConfigError(f"ForEach: expected a channel to go through, received {loopable!r}{hint}")
        self.loopable = loopable
        self._entered = False

    def __enter__(self) -> Any:
        """Opens the block and returns the element: a channel, or channels by name."""
        if self._entered:
            raise ConfigError(f"{self!r} has its block already; make a ForEach of its own for each block")
        self._entered = True
        super().__enter__()
        if isinstance(self.loopable, BaseChannel):
            return LoopVarChannel(self.loopable.type, self)
        channels = {key: LoopVarChannel(type_, self, key) for key, type_ in self.loopable.loop_types().items()}
        return channels[""] if set(channels) == {""} else channels

    def producers(self) -> Iterator[Node]:
        """The nodes that must have run before the elements are known."""
        yield from self.loopable.producers()

    def elements(self, source: ArtifactSource) -> list[Element]:
        """Returns the elements in order, when the producers have run.

        Raises:
            SkipSignal: the loop is not to be gone through now.
            ResolutionError: there are no elements to be had.
        """
        if isinstance(self.loopable, BaseChannel):
            return [{"": [artifact]} for artifact in self.loopable.find(source)]
        return list(self.loopable.loop_elements(source))

    def __repr__(self) -> str:
        return f"ForEach({self.loopable!r})"
