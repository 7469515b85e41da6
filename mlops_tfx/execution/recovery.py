"""Cleans up after a run whose process died."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.errors import WiringError
from mlops_tfx.execution import owner
from mlops_tfx.execution.staging import Staging
from mlops_tfx.metadata import ExecutionState
from mlops_tfx.pipeline import Pipeline
from mlops_tfx.placeholders import Known

if TYPE_CHECKING:
    from mlops_tfx.metadata import MetadataStore


def recover(pipeline: Pipeline, store: MetadataStore, parameters: Mapping[str, Any]) -> list[str]:
    """Cleans up after runs of this pipeline whose process died; returns the names of their unfinished nodes.

    Args:
        pipeline: whose runs; those of the pipelines within it too.
        store: has their executions, which become FAILED.
        parameters: values of runtime parameters, for the roots of pipelines within.
    """
    recovered = []
    for record in store.executions(pipeline_name=pipeline.pipeline_name, states={ExecutionState.RUNNING}):
        if owner.is_alive(record.properties):
            continue
        home = _home(pipeline, record.within, parameters)
        if home is not None:
            staging = Staging(home.pipeline_root, record.node_id, record.id)
            staging.discard(_output_folders(home, record.node_id))
        store.fail(record.id, f"interrupted: the process that ran it ({owner.describe(record.properties)}) is gone")
        recovered.append(record.label)
    return recovered


def _home(pipeline: Pipeline, within: Sequence[str], parameters: Mapping[str, Any]) -> Pipeline | None:
    """The pipeline that an execution's node belongs to; None if it is no part of this one any more."""
    for name in within:
        part = next((node for node in pipeline if node.id == name), None)
        if not isinstance(part, Pipeline):
            return None
        try:
            pipeline = part.within(pipeline, Known(parameters=parameters))
        except WiringError:
            # Its root is made of what only that run knew.
            return None
    return pipeline


def _output_folders(pipeline: Pipeline, node_id: str) -> list[str]:
    folder = filesystem.join(filesystem.absolute(pipeline.pipeline_root), node_id)
    return [name for name in filesystem.listdir(folder) if not name.startswith(".")] if filesystem.isdir(folder) else []
