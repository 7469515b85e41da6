"""Pipeline: an immutable graph of nodes that is checked as a whole before anything runs."""

from __future__ import annotations

import copy
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from mlops_tfx import filesystem
from mlops_tfx.channel import BaseChannel
from mlops_tfx.connection import ConnectionConfig, SqliteConnection
from mlops_tfx.control_flow import PipelineInputs
from mlops_tfx.control_flow.run_parameters import checked_values, declared_parameters
from mlops_tfx.definition import Definitions
from mlops_tfx.errors import ConfigError, ResolutionError, WiringError, did_you_mean
from mlops_tfx.node import Node
from mlops_tfx.parameters import to_json
from mlops_tfx.placeholders import (
    PIPELINE_ROOT,
    PIPELINE_RUN_ID,
    Known,
    Placeholder,
    RuntimeParameter,
    placeholders_in,
    problems_in_pipeline,
    resolve,
)
from mlops_tfx.wiring import in_order, problems_of_nodes, problems_of_outputs

_NAME_LIMIT = 63  # TFX's limit, so that a name fits a Kubernetes label


class Pipeline(Node):
    """An immutable graph of nodes. It may itself be a node of another pipeline, to any depth.

    A pipeline within a pipeline runs as a node does: when all it depends on is done, not at all where a condition
    around it is false, once per element of a loop around it. What it takes from outside is in ``inputs``; what it gives
    in ``outputs``. Names of nodes may be those of nodes outside. It uses the metadata store of the pipeline around it.

    Args:
        pipeline_name: at most 63 characters; names the pipeline in the metadata store, and is its id as a node.
        pipeline_root: folder for all outputs; a path, or a uri on an object store (``s3://``, ``gs://``), or a
            placeholder for it. Within a pipeline: by default the folder of its name in the root around.
        metadata_connection_config: the metadata store; a sqlite file ``metadata.sqlite`` in the root by default. A root
            on an object store has no default.
        components: the nodes, in any order.
        enable_cache: reuse results whose inputs, parameters, code and library versions are unchanged. By default as the
            pipeline around does; True for one that is within none.
        beam_pipeline_args: flags for every node's Beam pipelines, after those of the pipeline around.
        inputs: what it takes from the pipeline around.
        outputs: what it gives to the pipeline around: channels of its nodes by name. There they are
            ``pipeline.outputs[name]``.

    Raises:
        WiringError: lists everything that is wrong with the definition, all at once.
    """

    def __init__(
        self,
        pipeline_name: str,
        pipeline_root: str | os.PathLike[str] | Placeholder = "",
        metadata_connection_config: ConnectionConfig | None = None,
        components: Iterable[Node] = (),
        enable_cache: bool | None = None,
        beam_pipeline_args: Sequence[str | Placeholder] = (),
        inputs: PipelineInputs | None = None,
        outputs: Mapping[str, BaseChannel[Any]] | None = None,
    ) -> None:
        super().__init__(pipeline_name)
        self._root: Any = pipeline_root if isinstance(pipeline_root, Placeholder) else os.fspath(pipeline_root)
        self.enable_cache = enable_cache is not False
        self._caches_as_around = enable_cache is None
        self.beam_pipeline_args = tuple(beam_pipeline_args)
        self.pipeline_inputs = inputs or PipelineInputs()
        self.inner_outputs = dict(outputs or {})
        self._connection = metadata_connection_config
        nodes = tuple(dict.fromkeys(components))
        self._leave_scopes_around(nodes)
        is_part = inputs is not None or bool(outputs) or bool(self.scopes)
        problems = [
            *_name_problems(pipeline_name),
            *([] if is_part else [*_root_problems(self._root), *_place_problems(self._root, self._connection)]),
            *problems_in_pipeline("pipeline_root", self._root),
            *problems_in_pipeline("beam_pipeline_args", self.beam_pipeline_args),
            *problems_of_nodes(nodes, self.pipeline_inputs),
            *problems_of_outputs(self.inner_outputs, nodes),
        ]
        if problems:
            raise WiringError(problems)
        self._nodes = tuple(in_order(nodes))
        self._parameters = declared_parameters([self._root, self.beam_pipeline_args], self._nodes)
        optional = {key: channel.as_optional() for key, channel in self.pipeline_inputs.raw_optional_inputs.items()}
        self._inputs = {**self.pipeline_inputs.raw_inputs, **optional}
        self._set_outputs({key: channel.type for key, channel in self.inner_outputs.items()})

    def _leave_scopes_around(self, nodes: Iterable[Node]) -> None:
        # A block around the whole pipeline decides about it as one node, and not about each node within it.
        for node in nodes:
            if isinstance(node, Node):
                pairs = zip(node.scopes, self.scopes, strict=False)
                shared = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] is pair[1], pairs))
                node.scopes = node.scopes[shared:]

    @property
    def pipeline_name(self) -> str:
        """The name."""
        return self.id

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
        invocation = {"pipeline_run_id": run_id, "pipeline_info": {"id": self.id}}
        root, flags = self._settled(Known(parameters=values, invocation=invocation))
        part = self._why_only_a_part()
        problems = [*_root_problems(root), *_place_problems(root, self._connection), *([part] if part else [])]
        if problems:
            raise WiringError(problems)
        return self._with(_root=root, beam_pipeline_args=flags), {PIPELINE_ROOT: root, **values}

    def within(self, around: Pipeline, known: Known) -> Pipeline:
        """Returns the pipeline as a part of another one, whose settings are settled, with all its own settled as well.

        Args:
            around: the other pipeline.
            known: what placeholders may ask for.

        Raises:
            WiringError: a placeholder in the settings cannot be resolved.
        """
        root, flags = self._settled(known)
        return self._with(
            _root=root or filesystem.join(filesystem.absolute(around.pipeline_root), self.id),
            beam_pipeline_args=(*around.beam_pipeline_args, *flags),
            enable_cache=around.enable_cache if self._caches_as_around else self.enable_cache,
        )

    def _settled(self, known: Known) -> tuple[Any, tuple[str, ...]]:
        """Root and Beam flags with values in place of placeholders."""
        try:
            flags = tuple(str(flag) for flag in resolve(self.beam_pipeline_args, known))
            return resolve(self._root, known), flags
        except ResolutionError as error:
            raise WiringError([f"the settings of pipeline {self.id!r}: {error}"]) from error

    def _with(self, **settings: Any) -> Pipeline:
        bound = copy.copy(self)
        bound.__dict__.update(settings)
        return bound

    def at(self, root: str, connection: ConnectionConfig | None = None) -> Pipeline:
        """Returns the pipeline with another root, and the store there (or another one): for tests."""
        return self._with(_root=os.fspath(root), _connection=connection)

    def _why_only_a_part(self) -> str:
        if self._inputs:
            return (
                f"pipeline {self.id!r} takes inputs ({', '.join(self._inputs)}): it runs only within another pipeline"
            )
        if self.scopes:
            return f"pipeline {self.id!r} was made in the block of {self.scopes[-1]!r}: it runs only within another one"
        return ""

    def with_id(self, id: str) -> NoReturn:
        """Raises ConfigError: the id of a pipeline is its name."""
        raise ConfigError(f"expected pipeline_name={id!r} where the pipeline {self.id!r} is made, received with_id")

    def with_cache(self, enable_cache: bool) -> Pipeline:
        """Switches the cache on or off for the nodes within, and returns the pipeline."""
        self._caches_as_around = False
        return super().with_cache(enable_cache)

    def placeholders(self) -> Iterator[Placeholder]:
        """The placeholders in its settings, and the runtime parameters of all nodes within."""
        yield from placeholders_in([self._root, self.beam_pipeline_args])
        yield from self._parameters.values()

    def inner_nodes(self) -> tuple[Node, ...]:
        """The nodes within."""
        return self._nodes

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
        raise KeyError(f"pipeline {self.id!r} has no node {node_id!r}{did_you_mean(node_id, known)}")

    def __bool__(self) -> bool:
        return True

    def downstream_of(self, node_id: str) -> list[str]:
        """Ids of all nodes that depend on a node, directly or not, in order."""
        reached = {node_id}
        for node in self._nodes:
            if any(upstream.id in reached for upstream in node.upstream_nodes()):
                reached.add(node.id)
        return [node.id for node in self._nodes if node.id in reached and node.id != node_id]

    def to_dict(self) -> dict[str, Any]:
        """Returns the definition as plain data, the same for the same pipeline: for display and for export."""
        definitions = Definitions(self._nodes)
        outputs = {key: definitions.of_sources(channel) for key, channel in self.inner_outputs.items()}
        return {
            "pipeline_name": self.id,
            "pipeline_root": to_json(self._root),
            "enable_cache": self.enable_cache,
            "beam_pipeline_args": to_json(self.beam_pipeline_args),
            "nodes": [_with_parts(definitions.of_node(node), node) for node in self._nodes],
            **({"outputs": outputs} if outputs else {}),
        }

    def __repr__(self) -> str:
        return f"Pipeline({self.id!r}, nodes={[node.id for node in self._nodes]})"


def _with_parts(definition: dict[str, Any], node: Node) -> dict[str, Any]:
    return {**definition, "pipeline": node.to_dict()} if isinstance(node, Pipeline) else definition


def _name_problems(name: str) -> Iterator[str]:
    if not name:
        yield "pipeline_name is empty"
    elif len(name) > _NAME_LIMIT:
        yield f"pipeline_name: expected at most {_NAME_LIMIT} characters, received {len(name)}: {name!r}"


def _root_problems(root: Any) -> Iterator[str]:
    if not isinstance(root, str | Placeholder):
        yield f"pipeline_root: expected a path, received {root!r}"
    elif isinstance(root, str) and not root:
        yield (
            "pipeline_root is empty; give the folder for all outputs (a pipeline within a pipeline needs none: give it "
            "inputs=PipelineInputs(...))"
        )


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
