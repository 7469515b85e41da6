"""Which raw features each transformed one is computed from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from tensorflow.core.protobuf import saved_model_pb2

from mlops_tfx import filesystem
from mlops_tfx.serving.export.transform import GraphTransform

_SIGNATURE = "transform_signature"


def feature_sources(folder: str) -> Mapping[str, frozenset[str]]:
    """Returns transformed feature -> the raw features that it depends on.

    Args:
        folder: the SavedModel of a transform graph, in the form of TensorFlow 2 or 1.

    Raises:
        ExportError: there is no transform graph.
    """
    path = os.path.join(folder, "saved_model.pb")
    if filesystem.exists(path):
        (graph,) = saved_model_pb2.SavedModel.FromString(filesystem.read_bytes(path)).meta_graphs
        if _SIGNATURE in graph.signature_def and not graph.object_graph_def.nodes:
            return _of_graph(graph.graph_def, graph.signature_def[_SIGNATURE])
    return GraphTransform(folder).sources


def _of_graph(graph: Any, signature: Any) -> dict[str, frozenset[str]]:
    """Follows the edges of a flat graph backwards, control edges left out."""
    edges = {node.name: [_node(name) for name in node.input if not name.startswith("^")] for node in graph.node}
    raw = {node: name for name, info in signature.inputs.items() for node in _nodes(info)}
    return {name: frozenset(_reached(list(_nodes(info)), edges, raw)) for name, info in signature.outputs.items()}


def _reached(pending: list[str], edges: Mapping[str, list[str]], raw: Mapping[str, str]) -> Iterator[str]:
    seen: set[str] = set()
    while pending:
        node = pending.pop()
        if node not in seen:
            seen.add(node)
            pending += edges.get(node, [])
            if node in raw:
                yield raw[node]


def _nodes(info: Any) -> Iterator[str]:
    """The nodes that a tensor, dense, sparse or ragged, comes from."""
    kind = info.WhichOneof("encoding")
    if kind == "coo_sparse":
        sparse = info.coo_sparse
        names = [sparse.values_tensor_name, sparse.indices_tensor_name, sparse.dense_shape_tensor_name]
    elif kind == "composite_tensor":
        names = [component.name for component in info.composite_tensor.components]
    else:
        names = [info.name]
    return map(_node, names)


def _node(tensor: str) -> str:
    return tensor.partition(":")[0]
