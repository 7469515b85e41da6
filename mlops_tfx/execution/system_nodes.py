"""Importer and Resolver: nodes without user code. They only read and write the metadata store."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlops_tfx import filesystem
from mlops_tfx.artifacts import CONTENT_DIGEST
from mlops_tfx.errors import ResolutionError
from mlops_tfx.execution.observer import NodeState
from mlops_tfx.metadata import ExecutionState
from mlops_tfx.parameters import to_json
from mlops_tfx.resolvers import Importer, Resolver

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Artifact
    from mlops_tfx.execution.resolve import Artifacts
    from mlops_tfx.metadata import MetadataStore, NodeIdentity
    from mlops_tfx.node import Node

_LOG = logging.getLogger(__name__)


def run_system_node(
    node: Node, inputs: Artifacts, identity: NodeIdentity, store: MetadataStore
) -> tuple[NodeState, Artifacts]:
    """Runs an Importer or a Resolver, publishes the result and returns state and outputs."""
    if isinstance(node, Importer):
        return _import(node, identity, store)
    if isinstance(node, Resolver):
        return NodeState.COMPLETE, _resolve(node, inputs, identity, store)
    raise ResolutionError(f"{node.id}: a node of class {type(node).__name__} cannot be run")


def _import(node: Importer, identity: NodeIdentity, store: MetadataStore) -> tuple[NodeState, Artifacts]:
    if not filesystem.exists(node.source_uri):
        raise ResolutionError(f"source_uri={node.source_uri!r} does not exist; an Importer takes what is there already")
    digest = filesystem.digest(node.source_uri)
    custom_properties = {**node.custom_properties, "is_external": 1, CONTENT_DIGEST: digest}
    known = (
        None
        if node.reimport
        else store.find_imported(node.source_uri, node.artifact_type, node.properties, custom_properties)
    )
    artifact = known or node.artifact_type(
        node.source_uri, properties=node.properties, custom_properties=custom_properties
    )
    state = ExecutionState.CACHED if known else ExecutionState.COMPLETE
    outputs: dict[str, list[Artifact]] = {node.output_key: [artifact]}
    properties = dict(node.exec_properties)
    store.publish(identity, inputs={}, outputs=outputs, properties=properties, state=state)
    return NodeState[state.name], outputs


def _resolve(node: Resolver, inputs: Artifacts, identity: NodeIdentity, store: MetadataStore) -> Artifacts:
    chosen = node.strategy().resolve_artifacts(store, inputs) or {}
    outputs = {key: list(chosen.get(key, ())) for key in node.outputs}
    for key in node.outputs:
        if not outputs[key]:
            _LOG.info("%s chose nothing for %r among %s", node.id, key, _described(inputs.get(key, ())))
    properties = {key: to_json(value) for key, value in node.exec_properties.items()}
    store.publish(
        identity, inputs={}, outputs=outputs, properties=properties, state=ExecutionState.COMPLETE, internal_output=True
    )
    return outputs


def _described(artifacts: Sequence[Artifact]) -> str:
    spans = [str(a.custom_properties["span"]) for a in artifacts if "span" in a.custom_properties]
    return f"{len(artifacts)} artifacts" + (f" of spans {', '.join(spans)}" if spans else "")
