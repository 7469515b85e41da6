"""Step 1 of a node: which artifacts go in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlops_tfx.artifacts import Artifact
from mlops_tfx.channel import BaseChannel, Channel, OutputChannel
from mlops_tfx.component import Component
from mlops_tfx.errors import ResolutionError
from mlops_tfx.resolvers import Resolver

if TYPE_CHECKING:
    from mlops_tfx.metadata import MetadataStore
    from mlops_tfx.node import Node

Artifacts = Mapping[str, Sequence[Artifact]]


def resolve_inputs(
    node: Node,
    produced: Mapping[str, Artifacts],
    store: MetadataStore,
    pipeline_name: str,
) -> dict[str, list[Artifact]]:
    """Returns the input artifacts of a node by input name; whether they suffice, `check_counts` says.

    Args:
        node: the node about to run.
        produced: outputs of the nodes that ran before, by node id.
        store: answers queries over earlier runs.
        pipeline_name: whose history is asked.
    """
    return {key: artifacts_of_channel(channel, produced, store, pipeline_name) for key, channel in node.inputs.items()}


def artifacts_of_channel(
    channel: BaseChannel[Any], produced: Mapping[str, Artifacts], store: MetadataStore, pipeline_name: str
) -> list[Artifact]:
    """Returns the artifacts of one channel; arguments as for `resolve_inputs`."""
    found = [_of_source(source, produced, store, pipeline_name) for source in channel.sources()]
    return [artifact for artifacts in found for artifact in artifacts]


def _of_source(
    channel: BaseChannel[Any],
    produced: Mapping[str, Artifacts],
    store: MetadataStore,
    pipeline_name: str,
) -> Sequence[Artifact]:
    if isinstance(channel, OutputChannel):
        return produced.get(channel.producer.id, {}).get(channel.output_key, ())
    if isinstance(channel, Channel):
        return store.latest(
            channel.type,
            pipeline_name=pipeline_name,
            producer=channel.producer_component_id,
            output_key=channel.output_key,
            limit=None,
        )
    raise ResolutionError(f"expected an output or a query, received a channel of class {type(channel).__name__}")


def check_counts(node: Component, found: Mapping[str, Sequence[Artifact]]) -> None:
    """Raises ResolutionError if a required input has no artifact, or one that takes a single artifact has several."""
    for key, port in node.INPUTS.items():
        artifacts = found.get(key, ())
        channel = node.inputs.get(key)
        if not artifacts and not port.optional:
            raise ResolutionError(
                f"input {key!r}: expected {port.artifact_type.TYPE_NAME}, received no artifact from {channel!r}; "
                f"{_why_none(channel)}"
            )
        if len(artifacts) > 1 and not port.many:
            raise ResolutionError(
                f"input {key!r}: expected one {port.artifact_type.TYPE_NAME}, received {len(artifacts)}: {channel!r}"
            )


def _why_none(channel: BaseChannel[Any] | None) -> str:
    producers = list(channel.producers()) if channel is not None else []
    resolvers = [producer for producer in producers if isinstance(producer, Resolver)]
    if not resolvers:
        return "either its producer wrote none, or no earlier run did"
    chosen = (f"{node.id} ({node.strategy_class.__name__}, config={node.config!r})" for node in resolvers)
    return f"nothing suited {', '.join(chosen)}: the log of this run says what was there to choose from"
