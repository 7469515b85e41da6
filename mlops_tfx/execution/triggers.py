"""When a node starts, by how those before it ended (`TriggerStrategy`)."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_tfx.execution.observer import NodeReport, NodeState
from mlops_tfx.node_options import TriggerStrategy

if TYPE_CHECKING:
    from mlops_tfx.node import Node
    from mlops_tfx.pipeline import Pipeline

DONE = {NodeState.COMPLETE, NodeState.CACHED}


@dataclass(frozen=True)
class Standing:
    """How far a run is.

    Attributes:
        reports: of the nodes that have ended, by id.
        harmless: ids of nodes whose failure (or absence) keeps no other from starting.
    """

    reports: Mapping[str, NodeReport]
    harmless: Container[str] = ()

    def ended(self, node_id: str) -> bool:
        """Whether a node has ended, in whatever way."""
        return node_id in self.reports

    def succeeded(self, node_id: str) -> bool:
        """Whether a node ended well, or counts as if it had."""
        return self.ended(node_id) and (self.reports[node_id].state in DONE or node_id in self.harmless)


@dataclass(frozen=True)
class Verdict:
    """Whether a node may start ``now``, or ``never`` (why); neither: it waits."""

    now: bool = False
    never: str = ""


def verdict(node: Node, pipeline: Pipeline, standing: Standing) -> Verdict:
    """Decides about a node that has neither started nor ended."""
    options = node.node_execution_options
    if options.lifetime_start is not None:
        return _end_of_lifetime(node, options.lifetime_start, pipeline, standing)
    blockers = _blockers(node, standing)
    if blockers:
        return Verdict(never=f"depends on {', '.join(blockers)}")
    if not _upstream_ended(node, standing):
        return Verdict()
    return _lazy(node, pipeline, standing) if options.strategy.is_lazy else Verdict(now=True)


def _blockers(node: Node, standing: Standing) -> list[str]:
    if not node.node_execution_options.strategy.needs_success:
        return []
    upstream = [up.id for up in node.upstream_nodes()]
    return [up for up in upstream if standing.ended(up) and not standing.succeeded(up)]


def _lazy(node: Node, pipeline: Pipeline, standing: Standing) -> Verdict:
    after = [other for other in pipeline if node in other.upstream_nodes()]
    if after and all(standing.ended(other.id) for other in after):
        return Verdict(never="none of the nodes after it will start")
    return Verdict(now=not after or any(_waits_only_for_lazy(other, standing) for other in after))


def _waits_only_for_lazy(node: Node, standing: Standing) -> bool:
    waiting = [up for up in node.upstream_nodes() if not standing.ended(up.id)]
    ready = all(up.node_execution_options.strategy.is_lazy and _upstream_ended(up, standing) for up in waiting)
    return ready and not standing.ended(node.id) and not _blockers(node, standing)


def _upstream_ended(node: Node, standing: Standing) -> bool:
    return all(standing.ended(up.id) for up in node.upstream_nodes())


def _end_of_lifetime(node: Node, start: str, pipeline: Pipeline, standing: Standing) -> Verdict:
    if node.node_execution_options.strategy is TriggerStrategy.LIFETIME_END_WHEN_SUBGRAPH_CANNOT_PROGRESS:
        awaited = {up.id for up in node.upstream_nodes()} | {start}
    else:
        awaited = {other.id for other in pipeline} - set(_ends_and_what_follows(pipeline))
    if not all(standing.ended(other) for other in awaited):
        return Verdict()
    if not standing.ended(start) or standing.reports[start].state not in DONE:
        return Verdict(never=f"{start}, whose lifetime it ends, did not succeed")
    return Verdict(now=True)


def _ends_and_what_follows(pipeline: Pipeline) -> Iterator[str]:
    for node in pipeline:
        if node.node_execution_options.lifetime_start is not None:
            yield node.id
            yield from pipeline.downstream_of(node.id)
