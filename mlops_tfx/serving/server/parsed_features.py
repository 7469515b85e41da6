"""What a model's own reading of serialized tf.Examples gives, made available beside its outputs.

Whoever wants to look at the features of a request would have to parse it a second time, which for many rows takes as
long as a small model. The operation that parses lies in functions, of which only the outputs of the model come out. So
before a graph is imported those functions are copied, with the parsed features as further outputs. What the model
computes stays as it is, and what is not asked for is not computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

_CALLS = frozenset(["PartitionedCall", "StatefulPartitionedCall"])
_PARSE, _SAME, _CONSTANT = "ParseExampleV2", "Identity", "Const"
# Functions do not call each other as deep as this, unless they call themselves.
_DEEPEST = 20
# Bytes of a function that is copied: one with a model's weights in it would take its memory twice.
_LARGEST = 16 << 20


@dataclass(frozen=True)
class Sparse:
    """A feature with any number of values.

    Attributes:
        dtype: of the values.
        indices: name of the tensor ``[values, 2]``: the row, and the place in the row.
        values: name of the tensor ``[values]``.
    """

    dtype: Any
    indices: str
    values: str


@dataclass(frozen=True)
class Dense:
    """A feature with the same number of values in every row.

    Attributes:
        dtype: of the values.
        width: how many a row has.
        may_lack: whether a row may be without it, which the tensor does not tell.
        values: name of the tensor ``[rows, ...]``.
    """

    dtype: Any
    width: int
    may_lack: bool
    values: str


Features = dict[str, Sparse | Dense]


def expose(meta_graph: Any) -> dict[str, Features]:
    """Makes what is parsed available in the graph of a MetaGraphDef, which has not been imported yet.

    Returns:
        Names of fed tensors -> names of features -> where to find them. Of signatures with one input, which a
        ParseExampleV2 reads.
    """
    graph = meta_graph.graph_def
    functions = {function.signature.name: function for function in graph.library.function}
    known = set(functions)
    exposed = {}
    for feed in sorted(set(_feeds(meta_graph))):
        parsed = _find(_Graph(graph), feed.removesuffix(":0"), functions)
        if parsed is not None:
            exposed[feed] = parsed.features()
    graph.library.function.extend(function for name, function in functions.items() if name not in known)
    return exposed


def _feeds(meta_graph: Any) -> Iterator[str]:
    """The tensors that signatures read all by themselves, and that are of strings."""
    for definition in meta_graph.signature_def.values():
        names = {info.name for info in definition.inputs.values() if info.dtype == tf.string.as_datatype_enum}
        if len(definition.inputs) == len(names) == 1:
            yield names.pop()


class _Graph:
    """Operations, and how the outputs of one are written: ``operation``, and ``operation:place`` from the second on."""

    def __init__(self, definition: Any) -> None:
        self.nodes = definition.node

    def output(self, node: str, name: str, number: int, place: int) -> str:
        """How an output is written, of which its number among those of one name and its place among all are given."""
        return f"{node}:{place}" if place else node

    def constant(self, reference: str) -> Any | None:
        """The array that a reference stands for; None if it is no constant."""
        name = reference.partition(":")[0]
        node = next((node for node in self.nodes if node.name == name), None)
        return tf.make_ndarray(node.attr["value"].tensor) if node is not None and node.op == _CONSTANT else None


class _Function(_Graph):
    """The operations of a function; their outputs are written ``operation:name:number``."""

    def __init__(self, definition: Any) -> None:
        self.nodes = definition.node_def

    def output(self, node: str, name: str, number: int, place: int) -> str:
        return f"{node}:{name}:{number}"


@dataclass
class _Parsed:
    """A ParseExampleV2, as its graph or function or what calls it has it.

    Attributes:
        node: the operation.
        sparse: names of features; each has two outputs, the indices and the values.
        dense: names of features, which have one each, and which of them a row may lack.
        outputs: how the outputs are written, those of sparse features first, with their types.
    """

    node: Any
    sparse: list[str]
    dense: dict[str, bool]
    outputs: list[tuple[str, int]]

    def features(self) -> Features:
        """The features, once the outputs are those of the graph."""
        names = iter([name if ":" in name else f"{name}:0" for name, _ in self.outputs])
        types = self.node.attr["sparse_types"].list.type
        found: Features = {
            name: Sparse(tf.as_dtype(dtype), next(names), next(names))
            for name, dtype in zip(self.sparse, types, strict=True)
        }
        shapes, types = self.node.attr["dense_shapes"].list.shape, self.node.attr["Tdense"].list.type
        for (name, may_lack), shape, dtype in zip(self.dense.items(), shapes, types, strict=True):
            values, sizes = next(names), [dim.size for dim in shape.dim]
            # Of unknown size are those that are padded, with what cannot be told from values.
            if not shape.unknown_rank and min(sizes, default=0) >= 0:
                found[name] = Dense(tf.as_dtype(dtype), math.prod(sizes), may_lack, values)
        return found


def _find(scope: _Graph, source: str, functions: dict[str, Any], depth: int = 0) -> _Parsed | None:
    """The operation that parses ``source``, in a graph or a function or in what it calls, which is changed for it."""
    names = {source}
    for node in scope.nodes:
        taken = [index for index, name in enumerate(node.input) if name in names]
        if not taken:
            continue
        if node.op == _SAME:
            names.add(scope.output(node.name, "output", 0, 0))
        elif node.op == _PARSE and taken == [0]:
            return _parsed(scope, node)
        elif node.op in _CALLS and depth < _DEEPEST:
            found = _find_in_call(scope, node, taken[0], functions, depth)
            if found is not None:
                return found
    return None


def _parsed(scope: _Graph, node: Any) -> _Parsed | None:
    sparse, dense = scope.constant(node.input[2]), scope.constant(node.input[3])
    if sparse is None or dense is None:
        return None
    defaults = [scope.constant(reference) for reference in node.input[5 : 5 + len(dense)]]
    may_lack = [default is None or default.size > 0 for default in defaults]
    names = dict(zip(_texts(dense), may_lack, strict=True))
    return _Parsed(node, _texts(sparse), names, list(_outputs(scope, node, len(sparse))))


def _texts(keys: Any) -> list[str]:
    return [key.decode("utf-8", "surrogateescape") for key in keys.ravel().tolist()]


def _outputs(scope: _Graph, node: Any, sparse: int) -> Iterator[tuple[str, int]]:
    types = node.attr["sparse_types"].list.type
    for number in range(sparse):
        yield scope.output(node.name, "sparse_indices", number, number), tf.int64.as_datatype_enum
        yield scope.output(node.name, "sparse_values", number, sparse + number), types[number]
    for number, dtype in enumerate(node.attr["Tdense"].list.type):
        yield scope.output(node.name, "dense_values", number, 3 * sparse + number), dtype


def _find_in_call(scope: _Graph, node: Any, argument: int, functions: dict[str, Any], depth: int) -> _Parsed | None:
    """As ``_find``, in the function that an operation calls; the operation is made to call a copy with more outputs."""
    called = functions.get(node.attr["f"].func.name)
    if called is None or called.ByteSize() > _LARGEST:
        return None
    copy = type(called)()
    copy.CopyFrom(called)
    copy.signature.name = f"{called.signature.name}_parsed_{argument}"
    parsed = _find(_Function(copy), called.signature.input_arg[argument].name, functions, depth + 1)
    if parsed is None:
        return None
    for number, (reference, dtype) in enumerate(parsed.outputs):
        copy.signature.output_arg.add(name=f"parsed_{number}", type=dtype)
        copy.ret[f"parsed_{number}"] = reference
    functions[copy.signature.name] = copy
    node.attr["f"].func.name = copy.signature.name
    # Says how many outputs there are, too, and is not needed.
    node.attr.pop("_output_shapes", None)
    types = node.attr["Tout"].list.type
    first = len(types)
    types.extend(dtype for _, dtype in parsed.outputs)
    parsed.outputs = [
        (scope.output(node.name, "output", place, place), dtype)
        for place, (_, dtype) in enumerate(parsed.outputs, first)
    ]
    return parsed
