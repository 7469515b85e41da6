"""What runs next: every node as soon as all it depends on is done, once per element of the loops around it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlops_tfx.errors import NodeFailedError, SkipSignal
from mlops_tfx.execution import dynamic, parts, triggers
from mlops_tfx.execution.attempt import is_failure
from mlops_tfx.execution.frames import Frame
from mlops_tfx.execution.heavy_imports import warm_up
from mlops_tfx.execution.observer import NodeReport, NodeState
from mlops_tfx.execution.retries import run_attempts
from mlops_tfx.execution.run import Run
from mlops_tfx.execution.task import Outcome
from mlops_tfx.pipeline import Pipeline

if TYPE_CHECKING:
    from mlops_tfx.control_flow import ForEach
    from mlops_tfx.execution.resolve import Artifacts
    from mlops_tfx.node import Node


@dataclass(frozen=True)
class _Ended:
    """What a thread says at its end: a pipeline within has begun (as this run), the node has ended, or failed."""

    frame: Frame
    node: Node
    seconds: float
    result: Run | Outcome | BaseException


class Schedule:
    """Starts every node as soon as all it depends on is done, up to a number at a time."""

    def __init__(self, run: Run, max_parallel: int) -> None:
        self._top = Frame(run, run.pipeline.nodes)
        self._max_parallel = max_parallel
        self._frames = [self._top]
        self._running: set[tuple[Frame, Node]] = set()
        self._ended: queue.SimpleQueue[_Ended] = queue.SimpleQueue()
        self._warm = False
        self._lock = threading.Lock()
        run.before_work = self._warm_up

    def work(self) -> list[NodeFailedError]:
        """Runs everything; returns the failures that make the run fail."""
        while not self._top.ended:
            moved = self._move()
            if self._running:
                self._take(self._ended.get())
            elif not moved:
                # Lazy nodes that wait for each other: the first goes ahead.
                frame, node = next((frame, node) for frame in self._frames for node in frame.waiting)
                self._start(frame, node)
            self._frames = [frame for frame in self._frames if not frame.ended]
        return self._top.failures

    def states(self) -> dict[str, NodeState]:
        """How the nodes of the pipeline itself that have ended did so, by id."""
        return {node_id: report.state for node_id, report in self._top.own.items()}

    def reports(self) -> list[NodeReport]:
        """One per node, in the pipeline's order; after it those of the elements of its loop, or of the nodes in it."""
        return [frame.labelled(node) for frame, node in self._top.walk()]

    def outputs(self) -> dict[str, Artifacts]:
        """The outputs of the nodes that ended well, by the same names."""
        found = ((frame.label(node), frame.outputs_of(node)) for frame, node in self._top.walk())
        return {label: outputs for label, outputs in found if outputs is not None}

    def not_started(self) -> list[str]:
        """The names of nodes that depend on a failed one."""
        return [
            frame.label(node)
            for frame, node in self._top.walk()
            if frame.own[node.id].state is NodeState.SKIPPED
            and node.id not in frame.run.skipped
            and (frame.run.partial is None or node.id in frame.run.partial.to_run)
        ]

    def _move(self) -> bool:
        """Begins what can begin; whether anything did."""
        moved = False
        for frame in self._frames:  # grows meanwhile
            for loop, nodes in list(frame.loops.items()):
                moved |= self._consider_loop(frame, loop, nodes)
            for node in list(frame.waiting):
                moved |= self._consider(frame, node)
            if len(self._running) >= self._max_parallel:
                break
        return moved

    def _consider(self, frame: Frame, node: Node) -> bool:
        """Starts a node that is ready, or skips one that cannot run any more."""
        verdict = triggers.verdict(node, frame.run.pipeline, frame.standing)
        if verdict.never:
            self._end(frame, node, NodeReport(node.id, NodeState.SKIPPED, message=verdict.never))
        elif verdict.now and len(self._running) < self._max_parallel:
            self._start(frame, node)
        else:
            return False
        return True

    def _consider_loop(self, frame: Frame, loop: ForEach, nodes: list[Node]) -> bool:
        """Begins a loop whose elements can be known, or skips one whose elements never will."""
        scopes = nodes[0].scopes[frame.entered : nodes[0].scopes.index(loop) + 1]
        producers = dict.fromkeys(node.id for scope in scopes for node in scope.producers())
        ended = [node_id for node_id in producers if frame.standing.ended(node_id)]
        failed = [node_id for node_id in ended if not frame.standing.succeeded(node_id)]
        if failed:
            frame.keep(loop)
            for node in nodes:
                message = f"depends on {', '.join(failed)}"
                self._end(frame, node, NodeReport(node.id, NodeState.SKIPPED, message=message))
        elif len(ended) == len(producers):
            self._frames.extend(_elements(frame, loop, nodes))
        else:
            return False
        return True

    def _start(self, frame: Frame, node: Node) -> None:
        self._running.add((frame, node))
        frame.begins(node)
        threading.Thread(target=self._run_one, args=(frame, node), name=frame.label(node), daemon=True).start()

    def _run_one(self, frame: Frame, node: Node) -> None:
        started = time.monotonic()
        result: Run | Outcome | BaseException
        try:
            result = _begin(frame, node)
        except BaseException as error:
            result = error
        if isinstance(result, Outcome) and result.state is not NodeState.SKIPPED:
            frame.run.produced[node.id] = result.outputs
        self._ended.put(_Ended(frame, node, time.monotonic() - started, result))

    def _take(self, ended: _Ended) -> None:
        frame, node, result = ended.frame, ended.node, ended.result
        self._running.discard((frame, node))
        if isinstance(result, Run):
            part = Frame(result, result.pipeline.nodes, frame, part=node)
            frame.parts[node.id] = part
            self._frames.append(part)
            if part.ended:
                self._end_part(part)
        elif isinstance(result, Outcome):
            self._end(frame, node, _report(node, result, ended.seconds))
        elif isinstance(result, Exception):
            self._fail(frame, node, result, ended.seconds)
        else:
            raise result

    def _fail(self, frame: Frame, node: Node, error: Exception, seconds: float) -> None:
        message = error.message if isinstance(error, NodeFailedError) else repr(error)
        report = NodeReport(node.id, NodeState.FAILED, 0, seconds, message)
        if node.node_execution_options.success_optional:
            frame.run.skipped[node.id] = dynamic.OPTIONAL_FAILURE
            report = replace(report, message=f"{message} (its success is optional: the run goes on)")
        elif node.id in frame.parts and frame.parts[node.id].failures:
            _first_frame(frame).failures.extend(frame.parts[node.id].failures)
        else:
            failure = NodeFailedError(frame.label(node), message)
            failure.__cause__ = error.__cause__ if isinstance(error, NodeFailedError) else error
            _first_frame(frame).failures.append(failure)
        self._end(frame, node, report)

    def _end(self, frame: Frame, node: Node, report: NodeReport) -> None:
        around = frame.ends(node, report)
        if around is not None:
            self._end(around, node, around.collect(node))
        if frame.part is not None and frame.ended:
            self._end_part(frame)

    def _end_part(self, part: Frame) -> None:
        frame, node = part.around, part.part
        assert frame is not None and isinstance(node, Pipeline)
        seconds = time.monotonic() - frame.started[node.id]
        failed = [failure.node_id for failure in part.failures]
        try:
            outcome = parts.end(node, frame.run, part.run, part.own, failed)
        except NodeFailedError as error:
            self._fail(frame, node, error, seconds)
            return
        frame.run.produced[node.id] = outcome.outputs
        self._end(frame, node, _report(node, outcome, seconds))

    def _warm_up(self) -> None:
        """Loads slow libraries of the nodes to come, once, while the first of them works."""
        with self._lock:
            if self._warm:
                return
            self._warm = True
        waiting = [node for node in self._top.nodes if node.id not in self._top.own]
        warm_up(list(dict.fromkeys(module for node in _with_parts(waiting) for module in type(node).HEAVY_IMPORTS)))


def _begin(frame: Frame, node: Node) -> Run | Outcome:
    partial = frame.run.partial
    if isinstance(node, Pipeline) and (partial is None or node.id in partial.to_run):
        return parts.begin(node, frame.run)
    return run_attempts(node, frame.run)


def _elements(frame: Frame, loop: ForEach, nodes: list[Node]) -> list[Frame]:
    """The frames of the elements of a loop; none, if its nodes are to say in the frame itself why they do not run."""
    run, outer = frame.run, nodes[0].scopes[frame.entered : nodes[0].scopes.index(loop)]
    reason: str | BaseException = f"{loop!r} has no elements"
    try:
        elements = [] if dynamic.closed_by(nodes[0], outer, run) else loop.elements(run.source)
    except SkipSignal as signal:
        elements, reason = [], str(signal)
    except BaseException as error:
        if not is_failure(error):
            raise
        # Nodes of the loop fail with it when they begin: that puts it into the store and on the screen.
        elements, reason = [], error
    if elements:
        return frame.open(loop, elements)
    run.closed[loop] = reason
    frame.keep(loop)
    return []


def _report(node: Node, outcome: Outcome, seconds: float) -> NodeReport:
    return NodeReport(node.id, outcome.state, outcome.rows, seconds, outcome.message)


def _first_frame(frame: Frame) -> Frame:
    """The frame of the pipeline that a node belongs to, from that of an element of a loop."""
    while frame.around is not None and frame.part is None:
        frame = frame.around
    return frame


def _with_parts(nodes: Iterable[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from _with_parts(node.inner_nodes())
