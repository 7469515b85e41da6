"""Which node of which run of which pipeline an execution belongs to.

The contexts say it. As ML Metadata cannot list the contexts of many executions at once, our executions carry the names
as custom properties too; those that TFX wrote are asked for one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from mlops_tfx.metadata.contexts import node_context_name
from mlops_tfx.metadata.types import NODE, PIPELINE, PIPELINE_RUN

if TYPE_CHECKING:
    from ml_metadata.proto import metadata_store_pb2 as pb

    from mlops_tfx.metadata.records import NodeIdentity
    from mlops_tfx.metadata.session import Session

_PIPELINE_KEY, _RUN_KEY, _NODE_KEY = IDENTITY_KEYS = ("__pipeline_name__", "__run_id__", "__node_id__")


class Identity(NamedTuple):
    """The names of pipeline, run and node; empty where the store does not tell."""

    pipeline_name: str
    run_id: str
    node_id: str


def identity_properties(node: NodeIdentity) -> dict[str, str]:
    """Returns the custom properties for a new execution."""
    return dict(zip(IDENTITY_KEYS, (node.pipeline_name, node.run_id, node.node_id), strict=True))


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
        return frozenset(context_names(*noted).items()) if noted is not None else self._contexts(row.id)

    def _contexts(self, execution_id: int) -> frozenset[tuple[str, str]]:
        # An execution that TFX wrote has its contexts from the beginning, so the answer stays true.
        if execution_id not in self._asked:
            rows = self._session.read(lambda store: store.get_contexts_by_execution(execution_id))
            self._asked[execution_id] = frozenset((row.type, row.name) for row in rows)
        return self._asked[execution_id]


def _noted(row: pb.Execution) -> Identity | None:
    properties: Mapping[str, pb.Value] = row.custom_properties
    if not all(key in properties for key in IDENTITY_KEYS):
        return None
    return Identity(*(properties[key].string_value for key in IDENTITY_KEYS))


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
