"""What is wrong with the nodes of a pipeline and how they hang together; the order in which they can run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlops_tfx.channel import BaseChannel, LoopVarChannel, PipelineInputChannel
from mlops_tfx.control_flow import ForEach, PipelineInputs
from mlops_tfx.errors import did_you_mean
from mlops_tfx.node import Node
from mlops_tfx.node_options import NodeExecutionOptions
from mlops_tfx.scope import Scope

_NODE_ID = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.\-]*$")


def problems_of_nodes(nodes: Sequence[Node], inputs: PipelineInputs) -> list[str]:
    """Returns everything that is wrong with the nodes of a pipeline.

    Args:
        nodes: its nodes.
        inputs: what it takes from the pipeline around it.
    """
    problems: list[str] = []
    for node in nodes:
        if isinstance(node, Node):
            problems.extend(f"{node.id} ({node.made_at}): {problem}" for problem in node.problems)
        else:
            problems.append(f"components: expected nodes, received {node!r}")
    real = [node for node in nodes if isinstance(node, Node)]
    found = (_id_problems, _stranger_problems, _cycle_problems, _option_problems)
    return [
        *problems,
        *(problem for check in found for problem in check(real)),
        *(problem for node in real for problem in _channel_problems(node, inputs)),
    ]


def problems_of_outputs(outputs: Mapping[str, Any], nodes: Sequence[Node]) -> Iterator[str]:
    """Yields what is wrong with the outputs that a pipeline of these nodes is to have."""
    for key, channel in outputs.items():
        if not isinstance(channel, BaseChannel):
            yield f"outputs[{key!r}]: expected a channel of one of the nodes, received {channel!r}"
        elif any(producer not in nodes for producer in channel.producers()) or not any(
            True for _ in channel.producers()
        ):
            yield f"outputs[{key!r}]: expected a channel of one of the nodes, received {channel!r}"
        elif any(isinstance(source, LoopVarChannel) for source in channel.sources()):
            yield f"outputs[{key!r}]: the {channel!r} is known only in its block"


def _id_problems(nodes: Sequence[Node]) -> Iterator[str]:
    for node_id, count in Counter(node.id for node in nodes).items():
        if count > 1:
            places = ", ".join(node.made_at for node in nodes if node.id == node_id)
            yield f"{count} nodes are named {node_id!r} ({places}); name all but one with .with_id('...')"
        if not _NODE_ID.match(node_id):
            yield f"node id {node_id!r}: expected letters, digits, '_', '-' and '.'"


def _stranger_problems(nodes: Sequence[Node]) -> Iterator[str]:
    members = set(nodes)
    inside = {part: node.id for node in nodes for part in node.inner_nodes()}
    for node in nodes:
        for upstream in node.upstream_nodes():
            if upstream in members:
                continue
            where = f"{node.id} ({node.made_at}): depends on {upstream.id!r}, which is"
            if upstream in inside:
                pipeline = inside[upstream]
                yield f"{where} within the pipeline {pipeline!r}: give that outputs={{...}} and take one of these"
            else:
                yield f"{where} not among the components"


def _channel_problems(node: Node, inputs: PipelineInputs) -> Iterator[str]:
    where = f"{node.id} ({node.made_at})"
    asked = [channel for placeholder in node.placeholders() for channel in placeholder.channels()]
    for channel in [*node.inputs.values(), *asked]:
        yield from (f"{where}: {problem}" for problem in _misplaced(channel, node.scopes, inputs))
    for i, scope in enumerate(node.scopes):
        for channel in _asked_by(scope):
            yield from (f"{where}: {problem}" for problem in _misplaced(channel, node.scopes[:i], inputs))


def _asked_by(scope: Scope) -> Iterator[BaseChannel[Any]]:
    if isinstance(scope, ForEach) and isinstance(scope.loopable, BaseChannel):
        yield scope.loopable
    for placeholder in scope.placeholders():
        yield from placeholder.channels()


def _misplaced(channel: BaseChannel[Any], scopes: Sequence[Scope], inputs: PipelineInputs) -> Iterator[str]:
    for source in channel.sources():
        if isinstance(source, LoopVarChannel) and source.loop not in scopes:
            yield f"takes the {source!r}, outside of its block; in a pipeline within the block use PipelineInputs"
        if isinstance(source, PipelineInputChannel) and source.owner is not inputs:
            yield f"takes {source!r} of other PipelineInputs than those that its pipeline is given as inputs"


def _cycle_problems(nodes: Sequence[Node]) -> Iterator[str]:
    left = set(nodes) - set(in_order(nodes))
    if not left:
        return
    node = next(node for node in nodes if node in left)
    path: list[Node] = []
    while node not in path:
        path.append(node)
        node = next(upstream for upstream in node.upstream_nodes() if upstream in left)
    cycle = [*path[path.index(node) :], node]
    yield "cycle: " + " -> ".join(member.id for member in reversed(cycle))


def _option_problems(nodes: Sequence[Node]) -> Iterator[str]:
    ids = [node.id for node in nodes]
    for node in nodes:
        options, where = node.node_execution_options, f"{node.id} ({node.made_at}): node_execution_options"
        if not isinstance(options, NodeExecutionOptions):
            yield f"{where}: expected NodeExecutionOptions, received {options!r}"
            continue
        yield from (f"{where}: {problem}" for problem in options.problems())
        if options.attempts > 1 and node.inner_nodes():
            yield f"{where}: max_execution_retries: expected it on the nodes within, received it on a pipeline"
        if options.execution_timeout_sec and not node.TAKES_TIMEOUT:
            yield (
                f"{where}: execution_timeout_sec: expected it on components, received it on a {type(node).__name__}, "
                "which runs no code that could hang; the metadata store has time limits of its own"
            )
        start, others = options.lifetime_start, [other for other in ids if other != node.id]
        if isinstance(start, str) and start not in others:
            yield f"{where}: lifetime_start: no other node {start!r}{did_you_mean(start, others)}"


def in_order(nodes: Sequence[Node]) -> list[Node]:
    """Each node after all that it depends on; nodes of a cycle, and what hangs on them, are left out."""
    members = set(nodes)
    waiting = {node: [up for up in node.upstream_nodes() if up in members] for node in nodes}
    ordered: list[Node] = []
    placed: set[Node] = set()
    while True:
        ready = next((n for n in nodes if n not in placed and all(up in placed for up in waiting[n])), None)
        if ready is None:
            return ordered
        ordered.append(ready)
        placed.add(ready)
