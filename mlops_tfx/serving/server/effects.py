"""Which signatures of a graph change something when they are run: variables, tables, files.

A model may have signatures that train it, save it, or count. TensorFlow does not say which operations only look at what
they are given: "stateful" are also those that read a variable. So those that are known to change nothing are listed
here, and every other one counts as one that might.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from tensorflow.python.framework import op_def_registry

_READING = frozenset(
    "Assert Case HashTable HashTableV2 If IsVariableInitialized LookupTableExport LookupTableExportV2 LookupTableFind "
    "LookupTableFindV2 LookupTableSize LookupTableSizeV2 MutableDenseHashTable MutableDenseHashTableV2 "
    "MutableHashTable MutableHashTableOfTensors MutableHashTableOfTensorsV2 MutableHashTableV2 ReadVariableOp "
    "ResourceGather ResourceGatherNd StatefulPartitionedCall VarHandleOp VarIsInitializedOp Variable VariableShape "
    "VariableV2 While".split()
)


class Effects:
    """Looks at the nodes and functions of a GraphDef, each once."""

    def __init__(self, graph_def: Any) -> None:
        self._nodes = {node.name: node for node in graph_def.node}
        self._functions = {function.signature.name: function for function in graph_def.library.function}
        self._by_function: dict[str, bool] = {}

    def of(self, tensors: Iterable[str]) -> bool:
        """Whether something may change when these tensors, by name, are computed."""
        waiting = [_node_name(tensor) for tensor in tensors]
        seen = set(waiting)
        while waiting:
            node = self._nodes.get(waiting.pop())
            if node is None:
                continue
            if self._changes(node):
                return True
            new = {_node_name(name) for name in node.input} - seen
            seen |= new
            waiting.extend(new)
        return False

    def _changes(self, node: Any) -> bool:
        if node.op in self._functions:
            return self._of_function(node.op)
        may_change, function_attrs = _kind(node.op)
        return may_change or any(self._of_function(name) for name in _called(node, function_attrs))

    def _of_function(self, name: str) -> bool:
        found = self._by_function.get(name)
        if found is None:
            # A function that calls itself changes something if another part of it does.
            self._by_function[name] = False
            function = self._functions.get(name)
            found = function is None or any(self._changes(node) for node in function.node_def)
            self._by_function[name] = found
        return found


@lru_cache(maxsize=4096)
def _kind(op: str) -> tuple[bool, tuple[str, ...]]:
    """Whether an operation itself may change something, and the attributes that name functions which it calls."""
    definition = op_def_registry.get(op)
    if definition is None:
        return True, ()
    may_change = definition.is_stateful or any(argument.is_ref for argument in definition.input_arg)
    return may_change and op not in _READING, tuple(attr.name for attr in definition.attr if "func" in attr.type)


def _called(node: Any, attrs: Iterable[str]) -> Iterable[str]:
    for attr in attrs:
        value = node.attr[attr]
        yield from (function.name for function in (value.list.func if value.HasField("list") else [value.func]))


def _node_name(text: str) -> str:
    # An input is a node, one of its outputs, or a node that is to be run before.
    return text.removeprefix("^").partition(":")[0]
