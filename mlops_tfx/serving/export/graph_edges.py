"""What the tensors of a flat graph are computed from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def edges_of(graph_def: Any, *, control: bool) -> dict[str, list[str]]:
    """Returns node -> the nodes that it takes tensors from, and with ``control`` those that it only waits for.

    Args:
        graph_def: a ``tf.compat.v1.GraphDef``; what functions in it do is not looked into.
        control: whether control edges count.
    """
    return {
        node.name: [node_of(source) for source in node.input if control or not source.startswith("^")]
        for node in graph_def.node
    }


def upstream(tensors: Iterable[str], edges: Mapping[str, Sequence[str]]) -> set[str]:
    """Returns the nodes that these tensors depend on, directly or not, and their own; names of no node are left out."""
    seen: set[str] = set()
    waiting = [node_of(tensor) for tensor in tensors]
    while waiting:
        name = waiting.pop()
        if name not in seen and name in edges:
            seen.add(name)
            waiting.extend(edges[name])
    return seen


def node_of(tensor: str) -> str:
    """The node of a tensor (``name:0``), or at the end of a control edge (``^name``)."""
    return tensor.removeprefix("^").partition(":")[0]
