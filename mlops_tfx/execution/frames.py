"""Frames: where nodes run. The pipeline is one; so is every element of a loop, and every pipeline within the pipeline.

In a frame every node ends once. A node in a loop runs in the frames of the elements and, when it has ended in all of
them, ends in the frame around with the outputs of all, in order: nodes outside the block wait for that.
"""

from __future__ import annotations

import time
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from mlops_tfx.control_flow import ForEach
from mlops_tfx.execution.dynamic import OPTIONAL_FAILURE
from mlops_tfx.execution.observer import NodeReport, NodeState
from mlops_tfx.execution.triggers import DONE, Standing

if TYPE_CHECKING:
    from mlops_tfx.errors import NodeFailedError
    from mlops_tfx.execution.resolve import Artifacts
    from mlops_tfx.execution.run import Run
    from mlops_tfx.node import Node


class Frame:
    """Where each of some nodes runs, and ends, once.

    Args:
        run: the run as its nodes see it.
        nodes: the nodes.
        around: the frame that this is a part of.
        entered: how many blocks around its nodes are behind: their first ``entered`` scopes.
        part: for a pipeline within a pipeline, the node of the frame around that it is; None for an element of a loop.

    Attributes:
        waiting: nodes that have not begun.
        loops: loops that have not begun, and their nodes.
        own: reports of nodes that have ended, by id.
        reports: the same, and those of the frames around that are seen from here.
        failures: what failed here and in parts, but for nodes whose success is optional.
        started: when the first node began in here or, by id, in its loop (``time.monotonic()``).
    """

    def __init__(
        self,
        run: Run,
        nodes: Iterable[Node],
        around: Frame | None = None,
        entered: int = 0,
        part: Node | None = None,
    ) -> None:
        self.run = run
        self.nodes = tuple(nodes)
        self.around = around
        self.entered = entered
        self.part = part
        self.own: dict[str, NodeReport] = {}
        self.reports: MutableMapping[str, NodeReport] = self.own
        if around is not None and part is None:
            self.reports = ChainMap(self.own, cast("dict[str, NodeReport]", around.reports))
        self.failures: list[NodeFailedError] = []
        self.waiting: list[Node] = []
        self.loops: dict[ForEach, list[Node]] = {}
        self.elements: dict[str, list[Frame]] = {}
        self.parts: dict[str, Frame] = {}
        self.started: dict[str, float] = {}
        self._left: dict[str, int] = {}
        for node in self.nodes:
            loop = self._next_loop(node)
            (self.waiting if loop is None else self.loops.setdefault(loop, [])).append(node)

    def _next_loop(self, node: Node) -> ForEach | None:
        return next((scope for scope in node.scopes[self.entered :] if isinstance(scope, ForEach)), None)

    @property
    def ended(self) -> bool:
        """Whether all its nodes have ended."""
        return len(self.own) == len(self.nodes)

    @property
    def standing(self) -> Standing:
        """How far the run is, seen from here."""
        return Standing(self.reports, self.run.skipped)

    def open(self, loop: ForEach, elements: Sequence[Mapping[str, object]]) -> list[Frame]:
        """Returns a frame for each element of a loop; its nodes begin there."""
        nodes = self.loops.pop(loop)
        entered = nodes[0].scopes.index(loop) + 1
        frames = [
            Frame(self.run.for_element(loop, i, cast("Artifacts", element)), nodes, self, entered)
            for i, element in enumerate(elements)
        ]
        for node in nodes:
            self.elements[node.id] = frames
            self._left[node.id] = len(frames)
        return frames

    def keep(self, loop: ForEach) -> None:
        """Lets the nodes of a loop that is not gone through begin here: to say why they do not run."""
        self.waiting.extend(self.loops.pop(loop))

    def begins(self, node: Node) -> None:
        """Notes that a node begins, in the loop around it too."""
        if node in self.waiting:
            self.waiting.remove(node)
        if node.id in self.started:
            return
        self.started[node.id] = time.monotonic()
        if self.around is not None and self.part is None:
            if node.id not in self.around.started:
                self.around.run.observer.node_started(node.id)
            self.around.begins(node)

    def ends(self, node: Node, report: NodeReport) -> Frame | None:
        """Notes how a node ended; returns the frame around, if it has now ended in all elements of its loop."""
        if node in self.waiting:
            self.waiting.remove(node)
        self.own[node.id] = report
        self.run.observer.node_ended(report)
        if self.around is None or self.part is not None:
            return None
        return self.around if self.around.counted(node) else None

    def counted(self, node: Node) -> bool:
        """Counts the elements in which a node has ended; whether that is all of them."""
        self._left[node.id] -= 1
        return self._left[node.id] == 0

    def collect(self, node: Node) -> NodeReport:
        """Puts the outputs of all elements together and returns the node's report for the whole loop."""
        frames = self.elements[node.id]
        produced = [frame.outputs_of(node) or {} for frame in frames]
        self.run.produced[node.id] = {
            key: [artifact for outputs in produced for artifact in outputs.get(key, ())] for key in node.outputs
        }
        reports = [frame.own[node.id] for frame in frames]
        harmful = [
            replace(report, message=f"{node.id}[{i}] {report.state.value}: {report.message}")
            for i, (frame, report) in enumerate(zip(frames, reports, strict=True))
            if report.state not in DONE and node.id not in frame.run.skipped
        ]
        reasons = [frame.run.skipped[node.id] for frame in frames if node.id in frame.run.skipped]
        if reasons and not harmful:
            self.run.skipped[node.id] = OPTIONAL_FAILURE if OPTIONAL_FAILURE in reasons else reasons[0]
        worst = min(harmful or reports, key=lambda report: _RANKS[report.state])
        seconds = time.monotonic() - self.started.get(node.id, time.monotonic())
        return replace(worst, node_id=node.id, rows=sum(report.rows for report in reports), seconds=seconds)

    def walk(self) -> Iterator[tuple[Frame, Node]]:
        """The frame's nodes in order, each followed by itself in the elements of its loop, or the nodes within it."""
        for node in self.nodes:
            yield from self.walk_from(node)

    def walk_from(self, node: Node) -> Iterator[tuple[Frame, Node]]:
        """The same for one node."""
        yield self, node
        for frame in self.elements.get(node.id, ()):
            yield from frame.walk_from(node)
        if node.id in self.parts:
            yield from self.parts[node.id].walk()

    def outputs_of(self, node: Node) -> Artifacts | None:
        """What a node put out here; None if it did not end well."""
        produced = self.run.produced
        # In an element of a loop, what is seen of the frames around comes after its own.
        own = produced.maps[0] if isinstance(produced, ChainMap) else produced
        return own.get(node.id)

    def label(self, node: Node) -> str:
        """The name of a node for people."""
        return self.run.label(node.id)

    def labelled(self, node: Node) -> NodeReport:
        """The report of a node that has ended, under its name for people."""
        return replace(self.own[node.id], node_id=self.label(node))


# A node in a loop is in the first of these states that it has for any element. All skipped is skipped.
_RANKS = {NodeState.FAILED: 0, NodeState.COMPLETE: 1, NodeState.CACHED: 2, NodeState.SKIPPED: 3}
