"""Step 1 of a node: which artifacts go in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_tfx.artifacts import Artifact
from mlops_tfx.channel import BaseChannel
from mlops_tfx.component import Component
from mlops_tfx.errors import ResolutionError
from mlops_tfx.resolvers import Resolver

if TYPE_CHECKING:
    from mlops_tfx.metadata import MetadataStore
    from mlops_tfx.scope import Scope

Artifacts = Mapping[str, Sequence[Artifact]]


@dataclass(frozen=True)
class RunArtifacts:
    """What channels ask: what the nodes of this run have put out, and what earlier runs have.

    Attributes:
        produced_by: outputs of the nodes that ran before, by node id.
        history: the metadata store.
        pipeline_name: the pipeline that runs.
        elements: what the loops around are at.
        given: inputs of the pipeline, where it is one within a pipeline.
    """

    produced_by: Mapping[str, Artifacts]
    history: MetadataStore
    pipeline_name: str
    elements: Mapping[Scope, Artifacts] = field(default_factory=dict)
    given: Artifacts = field(default_factory=dict)

    def produced(self, node_id: str, output_key: str) -> Sequence[Artifact]:
        """What a node of this run has put out."""
        return self.produced_by.get(node_id, {}).get(output_key, ())

    def element(self, loop: Scope, key: str) -> Sequence[Artifact]:
        """What a loop is at."""
        return self.elements.get(loop, {}).get(key, ())

    def pipeline_input(self, key: str) -> Sequence[Artifact]:
        """An input of the pipeline."""
        return self.given.get(key, ())

    def published(
        self,
        artifact_type: type[Artifact],
        *,
        pipeline_name: str | None = None,
        run_id: str | None = None,
        producer: str | None = None,
        output_key: str | None = None,
    ) -> Sequence[Artifact]:
        """The LIVE artifacts that a pipeline put out in any run, newest first."""
        return self.history.latest(
            artifact_type,
            pipeline_name=pipeline_name or self.pipeline_name,
            run_id=run_id,
            producer=producer,
            output_key=output_key,
            limit=None,
        )


def check_counts(node: Component, found: Mapping[str, Sequence[Artifact]]) -> None:
    """Raises ResolutionError if a required input has no artifact, or one that takes a single artifact has several."""
    for key, port in node.INPUTS.items():
        artifacts = found.get(key, ())
        channel = node.inputs.get(key)
        if not artifacts and not (port.optional or (channel is not None and channel.is_optional)):
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
