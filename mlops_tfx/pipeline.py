"""Pipeline: an immutable graph of nodes that is checked as a whole before anything runs."""

from __future__ import annotations

import copy
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mlops_tfx import filesystem
from mlops_tfx.channel import BaseChannel
from mlops_tfx.connection import ConnectionConfig, SqliteConnection
from mlops_tfx.control_flow.run_parameters import checked_values, declared_parameters
from mlops_tfx.errors import ConfigError, ResolutionError, WiringError, did_you_mean
from mlops_tfx.node import Node
from mlops_tfx.node_options import NodeExecutionOptions
from mlops_tfx.parameters import to_json
from mlops_tfx.placeholders import (
    PIPELINE_ROOT,
    PIPELINE_RUN_ID,
    Known,
    Placeholder,
    RuntimeParameter,
    problems_in_pipeline,
    resolve,
)

_NAME_LIMIT = 63  # TFX's limit, so that a name fits a Kubernetes label
_NODE_ID = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.\-]*$")


class Pipeline:
    """An immutable graph of nodes.

    Args:
        pipeline_name: at most 63 characters; names the pipeline in the metadata store.
        pipeline_root: folder for all outputs; a path, or a uri on an object store (``s3://``, ``gs://``), or a
            placeholder for it.
        metadata_connection_config: the metadata store; a sqlite file ``metadata.sqlite`` in the root by default. A root
            on an object store has no default.
        components: the nodes, in any order.
        enable_cache: reuse results whose inputs, parameters, code and library versions are unchanged.
        beam_pipeline_args: flags for every node's Beam pipelines.

    Raises:
        WiringError: lists everything that is wrong with the definition, all at once.
    """

    def __init__(
        self,
        pipeline_name: str,
        pipeline_root: str | os.PathLike[str] | Placeholder = "",
        metadata_connection_config: ConnectionConfig | None = None,
        components: Iterable[Node] = (),
        enable_cache: bool = True,
        beam_pipeline_args: Sequence[str | Placeholder] = (),
    ) -> None:
        self._name = pipeline_name
        self._root: Any = pipeline_root if isinstance(pipeline_root, Placeholder) else os.fspath(pipeline_root)
        self._enable_cache = enable_cache
        self._beam_pipeline_args: tuple[Any, ...] = tuple(beam_pipeline_args)
        nodes = tuple(dict.fromkeys(components))
        problems = [
            *_name_problems(pipeline_name, self._root),
            *_place_problems(self._root, metadata_connection_config),
            *problems_in_pipeline("pipeline_root", self._root),
            *problems_in_pipeline("beam_pipeline_args", self._beam_pipeline_args),
            *_problems(nodes),
        ]
        if problems:
            raise WiringError(problems)
        self._nodes = tuple(_in_order(nodes))
        self._connection = metadata_connection_config
        self._parameters = declared_parameters([self._root, self._beam_pipeline_args], self._nodes)

    @property
    def pipeline_name(self) -> str:
        """The name."""
        return self._name

    @property
    def pipeline_root(self) -> str:
        """The folder for all outputs. Raises ConfigError while it is a placeholder: see `with_parameters`."""
        if isinstance(self._root, Placeholder):
            raise ConfigError(f"pipeline_root is {self._root!r}, which is known only when a run begins")
        return str(self._root)

    @property
    def metadata_connection_config(self) -> ConnectionConfig:
        """The metadata store."""
        if self._connection is not None:
            return self._connection
        return SqliteConnection(filename_uri=os.path.join(self.pipeline_root, "metadata.sqlite"))

    @property
    def runtime_parameters(self) -> Mapping[str, RuntimeParameter]:
        """What may be given when a run begins, by name."""
        return self._parameters

    def with_parameters(self, given: Mapping[str, Any], run_id: str = "") -> tuple[Pipeline, dict[str, Any]]:
        """Returns the pipeline with values in place of its own placeholders, and the values of all runtime parameters.

        Args:
            given: values by the names of runtime parameters.
            run_id: the run that begins.

        Raises:
            WiringError: lists unknown names, wrong types, and parameters that have neither a value nor a default.
        """
        values = {**checked_values(self._parameters, given), PIPELINE_RUN_ID: run_id}
        invocation = {"pipeline_run_id": run_id, "pipeline_info": {"id": self._name}}
        known = Known(parameters=values, invocation=invocation)
        try:
            root = resolve(self._root, known)
            flags = tuple(str(flag) for flag in resolve(self._beam_pipeline_args, known))
        except ResolutionError as error:
            raise WiringError([f"the settings of pipeline {self._name!r}: {error}"]) from error
        problems = [*_name_problems(self._name, root), *_place_problems(root, self._connection)]
        if problems:
            raise WiringError(problems)
        bound = copy.copy(self)
        bound.__dict__.update(_root=root, _beam_pipeline_args=flags)
        return bound, {PIPELINE_ROOT: root, **values}

    def at(self, root: str, connection: ConnectionConfig | None = None) -> Pipeline:
        """Returns the pipeline with another root, and the store there (or another one): for tests."""
        moved = copy.copy(self)
        moved.__dict__.update(_root=os.fspath(root), _connection=connection)
        return moved

    @property
    def enable_cache(self) -> bool:
        """Whether results are reused."""
        return self._enable_cache

    @property
    def beam_pipeline_args(self) -> tuple[str, ...]:
        """Flags for every node's Beam pipelines."""
        return self._beam_pipeline_args

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes, each after all that it depends on; otherwise in the order they were given."""
        return self._nodes

    @property
    def components(self) -> tuple[Node, ...]:
        """The nodes, under TFX's name."""
        return self._nodes

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def __getitem__(self, node_id: str) -> Node:
        for node in self._nodes:
            if node.id == node_id:
                return node
        known = [node.id for node in self._nodes]
        raise KeyError(f"pipeline {self._name!r} has no node {node_id!r}{did_you_mean(node_id, known)}")

    def downstream_of(self, node_id: str) -> list[str]:
        """Ids of all nodes that depend on a node, directly or not, in order."""
        reached = {node_id}
        for node in self._nodes:
            if any(upstream.id in reached for upstream in node.upstream_nodes()):
                reached.add(node.id)
        return [node.id for node in self._nodes if node.id in reached and node.id != node_id]

    def to_dict(self) -> dict[str, Any]:
        """Returns the definition as plain data, the same for the same pipeline: for display and for export."""
        return {
            "pipeline_name": self._name,
            "pipeline_root": to_json(self._root),
            "enable_cache": self._enable_cache,
            "beam_pipeline_args": to_json(self._beam_pipeline_args),
            "nodes": [_node_to_dict(node) for node in self._nodes],
        }

    def __repr__(self) -> str:
        return f"Pipeline({self._name!r}, nodes={[node.id for node in self._nodes]})"


def _name_problems(name: str, root: Any) -> Iterator[str]:
    if not name:
        yield "pipeline_name is empty"
    elif len(name) > _NAME_LIMIT:
        yield f"pipeline_name: expected at most {_NAME_LIMIT} characters, received {len(name)}: {name!r}"
    if not isinstance(root, str | Placeholder):
        yield f"pipeline_root: expected a path, received {root!r}"
    elif isinstance(root, str) and not root:
        yield "pipeline_root is empty; give the folder for all outputs"


def _place_problems(root: Any, connection: ConnectionConfig | None) -> Iterator[str]:
    if not isinstance(root, str):
        return
    try:
        local = filesystem.is_local(root)
    except ConfigError as error:
        yield f"pipeline_root: {error}"
        return
    if not local and connection is None:
        yield (
            f"metadata_connection_config: expected the place of the metadata store, received None with "
            f"pipeline_root={root!r}; SQLite cannot live on an object store: pass "
            "sqlite_metadata_connection_config('a local file')"
        )


def _problems(nodes: Sequence[Node]) -> list[str]:
    problems: list[str] = []
    for node in nodes:
        if isinstance(node, Node):
            problems.extend(f"{node.id} ({node.made_at}): {problem}" for problem in node.problems)
        else:
            problems.append(f"components: expected nodes, received {node!r}")
    real = [node for node in nodes if isinstance(node, Node)]
    found = (_id_problems, _stranger_problems, _cycle_problems, _option_problems)
    return [*problems, *(problem for check in found for problem in check(real))]


def _id_problems(nodes: Sequence[Node]) -> Iterator[str]:
    for node_id, count in Counter(node.id for node in nodes).items():
        if count > 1:
            places = ", ".join(node.made_at for node in nodes if node.id == node_id)
            yield f"{count} nodes are named {node_id!r} ({places}); name all but one with .with_id('...')"
        if not _NODE_ID.match(node_id):
            yield f"node id {node_id!r}: expected letters, digits, '_', '-' and '.'"


def _stranger_problems(nodes: Sequence[Node]) -> Iterator[str]:
    members = set(nodes)
    for node in nodes:
        for upstream in node.upstream_nodes():
            if upstream not in members:
                yield f"{node.id} ({node.made_at}): depends on {upstream.id!r}, which is not among the components"


def _cycle_problems(nodes: Sequence[Node]) -> Iterator[str]:
    left = set(nodes) - set(_in_order(nodes))
    if not left:
        return
    node = next(node for node in nodes if node in left)
    path: list[Node] = []
    while node not in path:
        path.append(node)
        node = next(upstream for upstream in node.upstream_nodes() if upstream in left)
    cycle = [*path[path.index(node) :], node]
    yield "cycle: " + " -> ".join(member.id for member in reversed(cycle))


def _option_problems(nodes: Sequence[Node]) -> Iterator[str]:
    ids = [node.id for node in nodes]
    for node in nodes:
        options, where = node.node_execution_options, f"{node.id} ({node.made_at}): node_execution_options"
        if not isinstance(options, NodeExecutionOptions):
            yield f"{where}: expected NodeExecutionOptions, received {options!r}"
            continue
        yield from (f"{where}: {problem}" for problem in options.problems())
        if options.execution_timeout_sec and not node.TAKES_TIMEOUT:
            yield (
                f"{where}: execution_timeout_sec: expected it on components, received it on a {type(node).__name__}, "
                "which runs no code that could hang; the metadata store has time limits of its own"
            )
        start, others = options.lifetime_start, [other for other in ids if other != node.id]
        if isinstance(start, str) and start not in others:
            yield f"{where}: lifetime_start: no other node {start!r}{did_you_mean(start, others)}"


def _in_order(nodes: Sequence[Node]) -> list[Node]:
    """Each node after all that it depends on; nodes of a cycle, and what hangs on them, are left out."""
    members = set(nodes)
    waiting = {node: [up for up in node.upstream_nodes() if up in members] for node in nodes}
    ordered: list[Node] = []
    placed: set[Node] = set()
    while True:
        ready = next((n for n in nodes if n not in placed and all(up in placed for up in waiting[n])), None)
        if ready is None:
            return ordered
        ordered.append(ready)
        placed.add(ready)


def _node_to_dict(node: Node) -> dict[str, Any]:
    inputs = {
        key: [_source_to_dict(source, channel) for source in channel.sources()] for key, channel in node.inputs.items()
    }
    from_inputs = {producer for channel in node.inputs.values() for producer in channel.producers()}
    return {
        "id": node.id,
        "type": node.type_name,
        "inputs": inputs,
        "outputs": {key: channel.type_name for key, channel in node.outputs.items()},
        "parameters": {key: to_json(value) for key, value in node.exec_properties.items()},
        "after": [upstream.id for upstream in node.upstream_nodes() if upstream not in from_inputs],
        "beam_pipeline_args": [to_json(flag) for flag in node.beam_pipeline_args],
        **({"scopes": [repr(scope) for scope in node.scopes]} if node.scopes else {}),
    }


def _source_to_dict(source: BaseChannel[Any], channel: BaseChannel[Any]) -> dict[str, Any]:
    found = source.to_dict()
    if channel.is_optional:
        found["optional"] = True
    if channel.input_trigger is not None:
        found["trigger_by_property"] = list(channel.input_trigger)
    return found
