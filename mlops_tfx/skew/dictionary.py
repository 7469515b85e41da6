"""Values that graphs know: words of vocabularies, and constants such as the -999 that somebody takes for "missing"."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_metadata.proto.v0 import schema_pb2

from mlops_tfx import filesystem
from mlops_tfx.skew.rows import RowSet
from mlops_tfx.skew.synthesis import present_values
from mlops_tfx.skew.values import spread
from mlops_tfx.transformation.saved_graph import vocabulary_files

_MOST_WORDS = 64
_MOST_CONSTANTS = 24
_LARGEST_CONSTANT = 16  # elements; what is larger is a weight or a table
_LONGEST_TEXT = 32
# An int64 constant may stand for a float and the other way round, but a size or an axis of a tensor is an int32.
_NUMBERS = (tf.int64, tf.float32, tf.float64)

Known = list[tuple[str, Any]]


def vocabulary_words(graph: str, features: Sequence[Any], sampled: RowSet) -> dict[str, Known]:
    """Returns feature -> words of the vocabularies that it is looked up in: the first, the last, some between.

    Such a vocabulary is one that has half of the feature's values in the sample.

    Args:
        graph: the folder of the TransformGraph.
        features: entries of the schema.
        sampled: rows of the data.
    """
    output = tft.TFTransformOutput(graph)
    vocabularies = {name: list(output.vocabulary_by_name(name)) for name in vocabulary_files(graph)}
    members = {name: frozenset(words) for name, words in vocabularies.items()}
    found: dict[str, Known] = {}
    for feature in features:
        if feature.type == schema_pb2.FLOAT:
            continue
        values = {_word(value) for value in present_values(sampled, feature.name).to_pylist()}
        for name, words in vocabularies.items():
            if values and 2 * len(values & members[name]) >= len(values):
                texts = [word for word in spread(words, _MOST_WORDS) if _fits(feature, word)]
                found.setdefault(feature.name, []).extend(
                    (f"in vocabulary {name!r}", int(text) if feature.type == schema_pb2.INT else text) for text in texts
                )
    return found


def _word(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _fits(feature: Any, word: bytes) -> bool:
    return feature.type == schema_pb2.BYTES or word.lstrip(b"-").isdigit()


def constants(models: Sequence[str], features: Sequence[Any], names: Collection[str]) -> dict[str, Known]:
    """Returns feature -> constants of some SavedModels that its values are perhaps compared with.

    Args:
        models: folders of SavedModels.
        features: entries of the schema.
        names: of features; texts that are none of their values.
    """
    texts: set[bytes] = set()
    numbers: set[int] = set()
    for array in (array for model in models for array in _arrays(model)):
        if array.dtype.kind == "O":
            texts.update(value for value in array.reshape(-1).tolist() if _is_a_value(value, names))
        else:
            numbers.update(int(value) for value in array.reshape(-1).tolist() if _is_special(value))
    kinds: Mapping[int, Known] = {
        schema_pb2.BYTES: [("a constant of a graph", text) for text in spread(sorted(texts), _MOST_CONSTANTS)],
        schema_pb2.INT: [("a constant of a graph", number) for number in spread(sorted(numbers), _MOST_CONSTANTS)],
    }
    as_floats = [(what, float(number)) for what, number in kinds[schema_pb2.INT]]
    return {feature.name: kinds.get(feature.type, as_floats) for feature in features}


def _is_a_value(value: bytes, names: Collection[str]) -> bool:
    if not 0 < len(value) <= _LONGEST_TEXT or value.startswith(b"/"):
        return False
    return value.decode("utf-8", "replace") not in names


def _is_special(value: float) -> bool:
    """Means and deviations are no integers, and what is between -1 and 1 is tried anyway."""
    return abs(value) >= 2 and abs(value) < 2**62 and value == int(value)


def _arrays(model: str) -> Iterator[Any]:
    path = os.path.join(model, "saved_model.pb")
    if not filesystem.exists(path):
        return
    for meta in saved_model_pb2.SavedModel.FromString(filesystem.read_bytes(path)).meta_graphs:
        functions = meta.graph_def.library.function
        for node in (*meta.graph_def.node, *(node for function in functions for node in function.node_def)):
            if node.op == "Const" and (node.attr["dtype"].type in _NUMBERS or node.attr["dtype"].type == tf.string):
                proto = node.attr["value"].tensor
                if tf.TensorShape(proto.tensor_shape).num_elements() <= _LARGEST_CONSTANT:
                    yield tf.make_ndarray(proto)
