"""Queries over the history: artifacts that earlier runs of this pipeline, or of another one, have written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from mlops_tfx.channel.base import A, ArtifactSource, BaseChannel
from mlops_tfx.errors import ConfigError


class Channel(BaseChannel[A]):
    """A query over the history of the same pipeline, with TFX's arguments.

    Args:
        type: artifact class to look for.
        additional_properties: only artifacts whose declared properties have these values.
        additional_custom_properties: only artifacts whose custom properties have these values.
        artifacts: ignored, as in TFX; ``set_artifacts`` names artifacts.
        producer_component_id: only artifacts that the node of this id wrote.
        output_key: only artifacts that were written under this key.
    """

    def __init__(
        self,
        type: type[A],
        additional_properties: Mapping[str, Any] | None = None,
        additional_custom_properties: Mapping[str, Any] | None = None,
        artifacts: Sequence[A] | None = None,
        producer_component_id: str | None = None,
        output_key: str | None = None,
    ) -> None:
        super().__init__(type)
        self.additional_properties = dict(additional_properties or {})
        self.additional_custom_properties = dict(additional_custom_properties or {})
        self.producer_component_id = producer_component_id
        self.output_key = output_key

    def find(self, source: ArtifactSource) -> list[A]:
        if self._artifacts is not None:
            return list(self._artifacts)
        found = source.published(self.type, producer=self.producer_component_id, output_key=self.output_key)
        suited = [
            artifact
            for artifact in found
            if _has(artifact.properties, self.additional_properties)
            and _has(artifact.custom_properties, self.additional_custom_properties)
        ]
        return cast("list[A]", suited)

    def to_dict(self) -> dict[str, Any]:
        query = {
            "type": self.type_name,
            "node": self.producer_component_id,
            "output": self.output_key,
            "properties": self.additional_properties or None,
            "custom_properties": self.additional_custom_properties or None,
        }
        return {key: value for key, value in query.items() if value is not None}

    def __repr__(self) -> str:
        asked = {**self.additional_properties, **self.additional_custom_properties}
        narrowed = f", {asked!r}" if asked else ""
        return (
            f"Channel({self.type_name}, producer={self.producer_component_id!r}, output_key={self.output_key!r}"
            f"{narrowed})"
        )


class ExternalPipelineChannel(BaseChannel[A]):
    """A query over the history of another pipeline in the same metadata store.

    Args:
        artifact_type: artifact class to look for.
        owner: whose pipeline it is; TFX's, kept and not asked: the store has one owner.
        pipeline_name: the pipeline.
        producer_component_id: the node that wrote them.
        output_key: the output they were written under.
        pipeline_run_id: only those of this run.
        run_context_predicates: TFX's tags of runs; our store has none, so a pipeline that asks for them is refused.

    Raises:
        ConfigError: tags of runs are asked for.
    """

    def __init__(
        self,
        artifact_type: type[A],
        *,
        owner: str,
        pipeline_name: str,
        producer_component_id: str,
        output_key: str,
        pipeline_run_id: str = "",
        run_context_predicates: Sequence[tuple[str, Any]] = (),
    ) -> None:
        super().__init__(artifact_type)
        if run_context_predicates:
            raise ConfigError("run_context_predicates: runs have no tags here; name the run by pipeline_run_id instead")
        self.owner = owner
        self.pipeline_name = pipeline_name
        self.producer_component_id = producer_component_id
        self.output_key = output_key
        self.pipeline_run_id = pipeline_run_id

    def find(self, source: ArtifactSource) -> list[A]:
        found = source.published(
            self.type,
            pipeline_name=self.pipeline_name,
            run_id=self.pipeline_run_id or None,
            producer=self.producer_component_id,
            output_key=self.output_key,
        )
        return cast("list[A]", list(found))

    def to_dict(self) -> dict[str, Any]:
        query = {
            "type": self.type_name,
            "owner": self.owner,
            "pipeline": self.pipeline_name,
            "node": self.producer_component_id,
            "output": self.output_key,
            "run": self.pipeline_run_id or None,
        }
        return {key: value for key, value in query.items() if value is not None}

    def __repr__(self) -> str:
        return (
            f"ExternalPipelineChannel({self.type_name}, pipeline_name={self.pipeline_name!r}, "
            f"producer={self.producer_component_id!r}, output_key={self.output_key!r})"
        )


def artifact_query(
    artifact_type: type[A], *, producer_component_id: str | None = None, output_key: str | None = None
) -> Channel[A]:
    """Returns a query over the history of the same pipeline.

    Raises:
        ConfigError: a key without a node.
    """
    if output_key is not None and producer_component_id is None:
        raise ConfigError(f"expected producer_component_id together with output_key={output_key!r}, received none")
    return Channel(artifact_type, producer_component_id=producer_component_id, output_key=output_key)


def external_pipeline_artifact_query(
    artifact_type: type[A],
    *,
    owner: str,
    pipeline_name: str,
    producer_component_id: str,
    output_key: str,
    pipeline_run_id: str = "",
    pipeline_run_tags: Sequence[str] = (),
) -> ExternalPipelineChannel[A]:
    """Returns a query over the history of another pipeline in the same store; see `ExternalPipelineChannel`.

    Raises:
        ConfigError: owner or pipeline_name is missing, or tags of runs are asked for.
    """
    if not owner or not pipeline_name:
        raise ConfigError(f"expected owner and pipeline_name, received {owner=}, {pipeline_name=}")
    return ExternalPipelineChannel(
        artifact_type,
        owner=owner,
        pipeline_name=pipeline_name,
        producer_component_id=producer_component_id,
        output_key=output_key,
        pipeline_run_id=pipeline_run_id,
        run_context_predicates=[(f"__tag_{tag}__", True) for tag in pipeline_run_tags],
    )


def _has(values: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(name in values and values[name] == value for name, value in wanted.items())
