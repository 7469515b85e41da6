"""What tensors depend on, against the closure of the matrix of edges."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlops_tfx.serving.export.graph_edges import edges_of, node_of, upstream


@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=6, max_size=6), st.sets(st.integers(0, 7)))
def test_all_that_nodes_depend_on(matrix: list[list[bool]], roots: set[int]) -> None:
    edges = {f"n{i}": [f"n{j}" for j in range(6) if row[j]] for i, row in enumerate(matrix)}
    closed = np.array(matrix) | np.eye(6, dtype=bool)
    for _ in range(6):
        closed = (closed.astype(int) @ closed.astype(int)) > 0
    expected = {f"n{j}" for i in roots if i < 6 for j in np.flatnonzero(closed[i])}
    assert upstream([f"n{i}:0" for i in roots], edges) == expected  # n6 and n7 are no nodes of the graph


def test_edges_of_a_graph() -> None:
    from tensorflow.core.framework import graph_pb2

    graph = graph_pb2.GraphDef()
    graph.node.add(name="a", op="Const")
    graph.node.add(name="b", op="Identity", input=["a:1"])
    graph.node.add(name="c", op="Identity", input=["b", "^a"])
    assert edges_of(graph, control=True) == {"a": [], "b": ["a"], "c": ["b", "a"]}
    assert edges_of(graph, control=False) == {"a": [], "b": ["a"], "c": ["b"]}
    assert [node_of(name) for name in ("a:1", "^a", "scope/a")] == ["a", "a", "scope/a"]
