"""What has run in a notebook so far."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from mlops_tfx.errors import ConfigError
from mlops_tfx.node import Node

_LOG = logging.getLogger(__name__)


class Session:
    """The nodes that have run, and the runs in which their results are."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._runs: dict[str, list[Node]] = {}
        self._told: set[Node] = set()

    @property
    def nodes(self) -> list[Node]:
        """The latest node of each id, in the order in which they first ran."""
        return list(self._nodes.values())

    def ended(self, node: Node, run_id: str, nodes: Sequence[Node]) -> None:
        """Notes that a node has run, and which nodes that run has the results of."""
        self._nodes[node.id] = node
        self._runs[run_id] = list(nodes)

    def pipeline_for(self, node: Node) -> tuple[list[Node], str | None]:
        """The pipeline to run, and the run whose results it takes over.

        The pipeline is the node, what it depends on, and all else that has run and goes with them: so the latest run
        has the results of all, unless a node was made anew. What depends on an earlier one of a name goes on from the
        last run with the results of that.

        Raises:
            ConfigError: something it depends on has not run, or not together with the rest.
        """
        needed = list(_ancestors(node))
        missing = [other for other in needed if not any(other in nodes for nodes in self._runs.values())]
        if missing:
            raise ConfigError(
                "; ".join(
                    f"{node.id} depends on {other.id} ({other.made_at}), which has not run: run it first"
                    for other in missing
                )
            )
        base = next((run for run, nodes in reversed(self._runs.items()) if all(one in nodes for one in needed)), None)
        if base is None and self._runs:
            raise ConfigError(self._apart(node, needed))
        for other in needed:
            self._warn_of_earlier(other, node)
        chosen = {other.id: other for other in [*needed, node]}
        for other in self._runs.get(base or "", ()):
            with_ancestors = [*_ancestors(other), other]
            if all(chosen.get(each.id, each) is each for each in with_ancestors):
                chosen.update({each.id: each for each in with_ancestors})
        return list(chosen.values()), base

    def _apart(self, node: Node, needed: Sequence[Node]) -> str:
        earlier = [other for other in needed if self._nodes.get(other.id) is not other]
        made = "; ".join(
            f"the {other.id} made at {other.made_at}, while that of {self._nodes[other.id].made_at} has run since"
            for other in earlier
        )
        return (
            f"{node.id} depends on {made}: no run has the results of all that it depends on; make what lies between "
            "again, or give nodes of one class names of their own, with with_id()"
        )

    def _warn_of_earlier(self, needed: Node, node: Node) -> None:
        latest = self._nodes[needed.id]
        if latest is not needed and needed not in self._told:
            self._told.add(needed)
            _LOG.warning(
                "%s goes on from the %s made at %s; another one was made at %s and has run since",
                node.id,
                needed.id,
                needed.made_at,
                latest.made_at,
            )


def _ancestors(node: Node) -> Iterator[Node]:
    seen: dict[Node, None] = {}
    waiting = list(node.upstream_nodes())
    while waiting:
        other = waiting.pop()
        if other not in seen:
            seen[other] = None
            waiting.extend(other.upstream_nodes())
    yield from reversed(seen)
