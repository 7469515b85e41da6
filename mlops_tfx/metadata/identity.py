"""Which node of which run of which pipeline an execution belongs to.

The contexts say it. As ML Metadata cannot list the contexts of many executions at once, our executions carry the names
as custom properties too; those that TFX wrote are asked for one by one. TFX's InteractiveContext has contexts of its
own, and the names as declared properties.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_tfx.metadata.contexts import node_context_name
from mlops_tfx.metadata.records import LOOP_INDEX, label_of
from mlops_tfx.metadata.types import NODE, PIPELINE, PIPELINE_RUN

if TYPE_CHECKING:
    from ml_metadata.proto import metadata_store_pb2 as pb

    from mlops_tfx.metadata.records import NodeIdentity
    from mlops_tfx.metadata.session import Session

NAME_KEYS = ("__pipeline_name__", "__run_id__", "__node_id__")
"""Custom properties of an execution that we write, and nobody else does: its pipeline, run and node."""

_INTERACTIVE_KEYS = ("pipeline_name", "run_id", "component_id")
_WITHIN_KEY = "__within__"
IDENTITY_KEYS = (*NAME_KEYS, _WITHIN_KEY)

LOOP_ELEMENT = "loop_element"
"""Custom property of an execution in a loop: ids of the artifacts of the elements, by name."""


@dataclass(frozen=True)
class Identity:
    """The names of pipeline, run and node; empty where the store does not tell.

    ``index``: elements of the loops around. ``within``: the nodes that the pipelines around are, the outermost first.
    """

    pipeline_name: str
    run_id: str
    node_id: str
    index: tuple[int, ...] = ()
    within: tuple[Identity, ...] = ()

    @property
    def label(self) -> str:
        """The name for people: ``training[1].Trainer[0]``."""
        return label_of([*self.within, self])

    def contexts(self) -> dict[str, str]:
        """The names of its own contexts, by type."""
        return context_names(self.pipeline_name, self.run_id, self.node_id)


def run_id_of_part(pipeline_name: str, run_id: str, index: Sequence[int] = ()) -> str:
    """The id of the run of a pipeline within a pipeline: ``{name}_{run id}``, as in TFX; in a loop with its index."""
    return "_".join([pipeline_name, run_id, *map(str, index)])


def identity_properties(node: NodeIdentity) -> dict[str, Any]:
    """Returns the custom properties for a new execution."""
    found: dict[str, Any] = dict(zip(NAME_KEYS, (node.pipeline_name, node.run_id, node.node_id), strict=True))
    if node.index:
        found.update({LOOP_INDEX: list(node.index), LOOP_ELEMENT: {k: list(ids) for k, ids in node.element.items()}})
    if node.within:
        around = [[place.pipeline_name, place.run_id, place.node_id, place.index] for place in node.within]
        found[_WITHIN_KEY] = json.dumps(around)
    return found


def context_names(pipeline_name: str | None, run_id: str | None, node_id: str | None) -> dict[str, str]:
    """Returns the names of the contexts that are asked for, by type. A node needs its pipeline to be one."""
    names = {PIPELINE: pipeline_name, PIPELINE_RUN: run_id}
    if pipeline_name is not None and node_id is not None:
        names[NODE] = node_context_name(pipeline_name, node_id)
    return {kind: name for kind, name in names.items() if name is not None}


class Identities:
    """Finds the identities of executions."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._asked: dict[int, frozenset[tuple[str, str]]] = {}

    def of(self, row: pb.Execution) -> Identity:
        """Returns the names of pipeline, run and node."""
        noted = _noted(row)
        return noted if noted is not None else _of_contexts(self._contexts(row.id))

    def contexts_of(self, row: pb.Execution) -> frozenset[tuple[str, str]]:
        """Returns types and names of the contexts pipeline, pipeline_run and node."""
        noted = _noted(row)
        if noted is None:
            return self._contexts(row.id)
        return frozenset(item for place in (*noted.within, noted) for item in place.contexts().items())

    def _contexts(self, execution_id: int) -> frozenset[tuple[str, str]]:
        # An execution that TFX wrote has its contexts from the beginning, so the answer stays true.
        if execution_id not in self._asked:
            rows = self._session.read(lambda store: store.get_contexts_by_execution(execution_id))
            self._asked[execution_id] = frozenset((row.type, row.name) for row in rows)
        return self._asked[execution_id]


def _noted(row: pb.Execution) -> Identity | None:
    properties: Mapping[str, pb.Value] = row.custom_properties
    if not all(key in properties for key in NAME_KEYS):
        declared: Mapping[str, pb.Value] = row.properties
        names = [declared[key].string_value for key in _INTERACTIVE_KEYS if key in declared]
        return Identity(*names) if len(names) == len(_INTERACTIVE_KEYS) else None
    pipeline, run, node = (properties[key].string_value for key in NAME_KEYS)
    index = json.loads(properties[LOOP_INDEX].string_value) if LOOP_INDEX in properties else ()
    around = json.loads(properties[_WITHIN_KEY].string_value) if _WITHIN_KEY in properties else ()
    within = tuple(Identity(p, r, n, tuple(i)) for p, r, n, i in around)
    return Identity(pipeline, run, node, tuple(index), within)


def _of_contexts(contexts: Iterable[tuple[str, str]]) -> Identity:
    names: dict[str, set[str]] = {PIPELINE: set(), PIPELINE_RUN: set(), NODE: set()}
    for kind, name in contexts:
        names.setdefault(kind, set()).add(name)
    # In a pipeline within a pipeline, TFX associates a node with both: pipelines {inner, outer}, runs {inner_run, run},
    # nodes {inner.node, outer.inner}. It is the node of the inner one.
    for pipeline in sorted(names[PIPELINE]):
        own = {name.removeprefix(f"{pipeline}.") for name in names[NODE] if name.startswith(f"{pipeline}.")}
        for node_id in sorted(own - names[PIPELINE]):
            inner = [run for run in sorted(names[PIPELINE_RUN]) if run.startswith(f"{pipeline}_")]
            return Identity(pipeline, (inner or [min(names[PIPELINE_RUN], key=len, default="")])[0], node_id)
    return Identity(min(names[PIPELINE], default=""), min(names[PIPELINE_RUN], key=len, default=""), "")
