"""SavedModels whose variables a session cannot restore, and how they are mended.

``tf.saved_model.save`` leaves the variables of a Keras 3 model unlinked from the graph that TensorFlow Serving and
BulkInferrer restore: the checkpoint assigns others of the same value. Only ``tf.saved_model.load`` puts them together.
What it loads, saved once more, is linked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from mlops_tfx import filesystem
from mlops_tfx.serving.export.graph_edges import edges_of, upstream

_MODEL, _EXTRA = "saved_model.pb", "assets.extra"
# What a session runs when it has restored a model: in TensorFlow 2, and in 1.
_INIT_OP, _INIT_COLLECTIONS = "__saved_model_init_op", ("saved_model_main_op", "legacy_init_op")


def unlinked_variables(folder: str) -> list[str]:
    """Returns the names of the variables that signatures read and restoring does not set.

    Reads the graph alone. None for a folder without a binary SavedModel.

    Args:
        folder: of the SavedModel.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    path = filesystem.join(folder, _MODEL)
    if not filesystem.exists(path):
        return []
    message = saved_model_pb2.SavedModel.FromString(filesystem.read_bytes(path))
    return sorted({name for graph in message.meta_graphs for name in _unlinked(graph)})


def link_variables(folder: str) -> list[str]:
    """Writes a SavedModel anew if a session could not restore it; otherwise leaves it alone.

    Args:
        folder: of the SavedModel, on this machine; it is replaced when the new one is complete.

    Returns:
        The variables that were not linked, by name.
    """
    unlinked = unlinked_variables(folder)
    if not unlinked:
        return []
    loaded = tf.saved_model.load(folder)
    anew = f"{folder}.linked"
    filesystem.remove_tree(anew)
    tf.saved_model.save(loaded, anew, signatures=dict(loaded.signatures) or None)
    _keep_defaults(folder, anew)
    extra = filesystem.join(folder, _EXTRA)
    if filesystem.isdir(extra):
        filesystem.rename(extra, filesystem.join(anew, _EXTRA))
    filesystem.remove_tree(folder)
    filesystem.rename(anew, folder)
    return unlinked


def _keep_defaults(before: str, after: str) -> None:
    """Gives inputs the defaults that they had, which TensorFlow reads and does not save."""
    from tensorflow.core.protobuf import saved_model_pb2

    read = saved_model_pb2.SavedModel.FromString
    old, new = (read(filesystem.read_bytes(filesystem.join(folder, _MODEL))) for folder in (before, after))
    definitions = new.meta_graphs[0].signature_def
    kept = {name: signature.defaults for name, signature in old.meta_graphs[0].signature_def.items()
            if signature.defaults and name in definitions}  # fmt: skip
    for name, defaults in kept.items():
        for alias, value in defaults.items():
            definitions[name].defaults[alias].CopyFrom(value)
    if kept:
        filesystem.write_bytes(filesystem.join(after, _MODEL), new.SerializeToString(deterministic=True))
        # The fingerprint is of the file as it was.
        filesystem.remove_tree(filesystem.join(after, "fingerprint.pb"))


def _unlinked(graph: Any) -> Iterable[str]:
    if not graph.saver_def.restore_op_name:
        return ()  # a model that has nothing to restore
    edges = edges_of(graph.graph_def, control=True)
    variables = {node.name for node in graph.graph_def.node if node.op == "VarHandleOp"}
    roots = {
        name: [tensor.name for tensor in signature.outputs.values()] for name, signature in graph.signature_def.items()
    }
    at_start = roots.pop(_INIT_OP, [])
    for collection in _INIT_COLLECTIONS:
        at_start += graph.collection_def[collection].node_list.value if collection in graph.collection_def else []
    read = upstream([tensor for outputs in roots.values() for tensor in outputs], edges)
    return variables & (read - upstream([graph.saver_def.restore_op_name, *at_start], edges))
