"""Node: one place in a pipeline. Components, importers and resolvers are nodes."""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from mlops_tfx.artifacts import Artifact
from mlops_tfx.channel import BaseChannel, OutputChannel, OutputMap
from mlops_tfx.node_options import NodeExecutionOptions
from mlops_tfx.placeholders import Placeholder, contains_placeholder, placeholders_in
from mlops_tfx.scope import open_scopes

N = TypeVar("N", bound="Node")
A = TypeVar("A", bound=Artifact)
_PACKAGE = os.path.dirname(os.path.abspath(__file__))


class Node:
    """One place in a pipeline: an id, input channels, output channels and, possibly, nodes that must run before.

    Attributes:
        BASE_TYPE: ML Metadata's system type of the executions ("Train", "Transform", "Process", "Evaluate", "Deploy").
        EXECUTION_TYPE: the name under which stores hold the executions, where that is not the class's own; for this
            class alone, not for those derived from it.
        HEAVY_IMPORTS: slow modules that ``run()`` needs; the runner imports them ahead, while other nodes work.
        TAKES_TIMEOUT: whether ``execution_timeout_sec`` makes sense: whether it runs code that could hang.
        problems: what is wrong with how the node was made; reported by ``Pipeline`` together with everything else.
        made_at: file and line where the node was made.
        scopes: the ``with`` blocks the node was made in, such as a condition or a loop, the outermost first.
        beam_pipeline_args: flags for the node's Beam pipelines, after those of the pipeline.
        enable_cache: whether a cached result may be reused; None follows the pipeline.
        node_execution_options: when the node starts, how often it is tried, for how long.
    """

    BASE_TYPE: ClassVar[str | None] = None
    EXECUTION_TYPE: ClassVar[str | None] = None
    HEAVY_IMPORTS: ClassVar[tuple[str, ...]] = ()
    TAKES_TIMEOUT: ClassVar[bool] = False

    def __init__(self, default_id: str) -> None:
        self._id = default_id
        self._inputs: dict[str, BaseChannel[Any]] = {}
        self._upstream: list[Node] = []
        self._outputs: OutputMap = OutputMap(default_id, {})
        self.problems: list[str] = []
        self.made_at = _caller()
        self.scopes = open_scopes()
        self.beam_pipeline_args: tuple[Any, ...] = ()
        self.enable_cache: bool | None = None
        self.node_execution_options = NodeExecutionOptions()

    @property
    def id(self) -> str:
        """The name of the node within its pipeline; the class name unless ``with_id`` set another."""
        return self._id

    @property
    def type_name(self) -> str:
        """The execution type in the metadata store: the fully qualified class name, in TFX if the class is TFX's."""
        own: str | None = vars(type(self)).get("EXECUTION_TYPE")
        return own or f"{type(self).__module__}.{type(self).__qualname__}"

    @property
    def inputs(self) -> Mapping[str, BaseChannel[Any]]:
        """Input channels by name; inputs that were not given are absent."""
        return dict(self._inputs)

    @property
    def outputs(self) -> OutputMap:
        """Output channels by name."""
        return self._outputs

    @property
    def exec_properties(self) -> Mapping[str, Any]:
        """Parameters by name."""
        return {}

    @property
    def unresolved(self) -> Mapping[str, Any]:
        """Those attributes that hold placeholders, by name; the values follow when the node runs."""
        return {name: value for name, value in self.exec_properties.items() if contains_placeholder(value)}

    def passed_on(self, artifacts: Sequence[A]) -> list[A]:
        """Artifacts of one output in the order in which the nodes that take them get them."""
        return list(artifacts)

    def placeholders(self) -> Iterator[Placeholder]:
        """The placeholders in parameters and Beam flags."""
        yield from placeholders_in(self.unresolved)
        yield from placeholders_in(self.beam_pipeline_args)

    def with_values(self: N, values: Mapping[str, Any]) -> N:
        """Returns a copy whose ``unresolved`` are replaced by values.

        Raises:
            ConfigError: a value is not of the declared type, or the values do not go together.
        """
        settled = copy.copy(self)
        settled.__dict__.update(values)
        return settled

    def with_id(self: N, id: str) -> N:
        """Names the node and returns it."""
        self._id = id
        return self

    def with_beam_pipeline_args(self: N, beam_pipeline_args: Sequence[str | Placeholder]) -> N:
        """Adds Beam flags for this node, after those of the pipeline, and returns the node."""
        self.beam_pipeline_args = (*self.beam_pipeline_args, *beam_pipeline_args)
        return self

    def with_cache(self: N, enable_cache: bool) -> N:
        """Switches the cache on or off for this node alone, and returns the node."""
        self.enable_cache = enable_cache
        return self

    def with_node_execution_options(self: N, node_execution_options: NodeExecutionOptions) -> N:
        """Sets when the node starts, how often it is tried and for how long, and returns the node."""
        self.node_execution_options = copy.copy(node_execution_options)
        return self

    def add_upstream_node(self, upstream_node: Node) -> None:
        """Makes this node run after ``upstream_node`` without taking an artifact from it."""
        if upstream_node not in self._upstream:
            self._upstream.append(upstream_node)

    def add_upstream_nodes(self, upstream_nodes: Iterable[Node]) -> None:
        """Calls ``add_upstream_node`` for each."""
        for node in upstream_nodes:
            self.add_upstream_node(node)

    def add_downstream_node(self, downstream_node: Node) -> None:
        """Makes ``downstream_node`` run after this one without taking an artifact from it."""
        downstream_node.add_upstream_node(self)

    def add_downstream_nodes(self, downstream_nodes: Iterable[Node]) -> None:
        """Calls ``add_downstream_node`` for each."""
        for node in downstream_nodes:
            self.add_downstream_node(node)

    def upstream_nodes(self) -> list[Node]:
        """All nodes that must run before this one, without repetition."""
        producers = [node for channel in self._inputs.values() for node in channel.producers()]
        asked = [channel for placeholder in self.placeholders() for channel in placeholder.channels()]
        givers = [node for channel in asked for node in channel.producers()]
        deciders = [node for scope in self.scopes for node in scope.producers()]
        return list(dict.fromkeys([*producers, *givers, *deciders, *self._upstream]))

    def inner_nodes(self) -> tuple[Node, ...]:
        """The nodes within, if it is a pipeline."""
        return ()

    def _set_outputs(self, types: Mapping[str, type[Any]]) -> None:
        channels = {key: OutputChannel(type_, self, key) for key, type_ in types.items()}
        self._outputs = OutputMap(type(self).__name__, channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r})"


def _caller() -> str:
    """File and line of the nearest frame outside the framework."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        path = os.path.abspath(frame.f_code.co_filename)
        if not path.startswith(_PACKAGE + os.sep) and not path.startswith("<"):
            break
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
