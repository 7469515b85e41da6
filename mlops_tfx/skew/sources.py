"""Which raw features each transformed one is computed from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tensorflow.core.protobuf import saved_model_pb2

from mlops_tfx import filesystem
from mlops_tfx.serving.export.graph_edges import edges_of, node_of, upstream
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
    edges = edges_of(graph, control=False)
    raw = {node_of(tensor): name for name, info in signature.inputs.items() for tensor in _tensors(info)}
    reached = {name: upstream(_tensors(info), edges) for name, info in signature.outputs.items()}
    return {name: frozenset(raw[node] for node in nodes & raw.keys()) for name, nodes in reached.items()}


def _tensors(info: Any) -> list[str]:
    """The tensors that one is made of, dense, sparse or ragged."""
    kind = info.WhichOneof("encoding")
    if kind == "coo_sparse":
        sparse = info.coo_sparse
        return [sparse.values_tensor_name, sparse.indices_tensor_name, sparse.dense_shape_tensor_name]
    if kind == "composite_tensor":
        return [component.name for component in info.composite_tensor.components]
    return [info.name]
