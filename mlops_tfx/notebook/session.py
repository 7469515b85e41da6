"""What has run in a notebook so far."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_tfx.errors import ConfigError
from mlops_tfx.node import Node


class Session:
    """The nodes that have run, the latest of each id.

    Attributes:
        run_id: the latest run, which has the results of all of them; empty before the first.
    """

    def __init__(self) -> None:
        self.run_id = ""
        self._nodes: dict[str, Node] = {}

    @property
    def nodes(self) -> list[Node]:
        """The nodes, in the order in which they first ran."""
        return list(self._nodes.values())

    def ended(self, node: Node, run_id: str) -> None:
        """Notes that a node has run."""
        self._nodes[node.id] = node
        self.run_id = run_id

    def nodes_with(self, node: Node) -> list[Node]:
        """The pipeline to run: the node, what it depends on, and all else that has run and goes with them.

        Every run takes over what has run before, so that the latest has the results of all.

        Raises:
            ConfigError: something it depends on has not run, or was made anew since.
        """
        needed = list(_ancestors(node))
        problems = [problem for other in needed if (problem := self._problem(other, node))]
        if problems:
            raise ConfigError("; ".join(problems))
        chosen = {other.id: other for other in [*needed, node]}
        for other in self._nodes.values():
            with_ancestors = [*_ancestors(other), other]
            if all(chosen.get(each.id, each) is each for each in with_ancestors):
                chosen.update({each.id: each for each in with_ancestors})
        return list(chosen.values())

    def _problem(self, needed: Node, node: Node) -> str:
        ran = self._nodes.get(needed.id)
        if ran is needed:
            return ""
        if ran is None:
            return f"{node.id} depends on {needed.id} ({needed.made_at}), which has not run: run it first"
        return (
            f"{node.id} depends on the {needed.id} made at {needed.made_at}; another one was made at {ran.made_at} and "
            f"has run since: make {node.id}, and what lies between, again from that"
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
