"""Finds the artifact that a person means: by id, by node, by where it lies, or by a pushed version's folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mlops_tfx import filesystem
from mlops_tfx.errors import MetadataError, did_you_mean

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Artifact
    from mlops_tfx.metadata import ExecutionRecord, MetadataStore


def find_artifact(store: MetadataStore, pipeline_name: str, target: str) -> Artifact:
    """Returns the artifact that ``target`` names; the newest where there are several.

    Args:
        store: the metadata store.
        pipeline_name: the pipeline.
        target: an id (``12``), a node with one output (``Trainer``), an output of a node (``Trainer.model``), a uri or
            a path in it, or the folder of a pushed version (``serving/3``).

    Raises:
        MetadataError: there is none; says what there is.
    """
    records = store.executions(pipeline_name)
    if target.isdigit() and not filesystem.exists(target):
        return _by_id(records, int(target))
    if os.sep in target or "://" in target or filesystem.exists(target):
        return _by_place(records, target)
    return _by_node(records, target)


def artifacts_of(record: ExecutionRecord) -> list[Artifact]:
    """All outputs of an execution."""
    return [artifact for artifacts in record.outputs.values() for artifact in artifacts]


def _by_id(records: list[ExecutionRecord], artifact_id: int) -> Artifact:
    known = {artifact.id: artifact for record in records for artifact in artifacts_of(record)}
    if artifact_id not in known:
        last = f"its artifacts have the ids {min(known)} to {max(known)}" if known else "it has none"
        raise MetadataError(f"the pipeline has no artifact {artifact_id}; {last}")
    return known[artifact_id]


def _by_place(records: list[ExecutionRecord], target: str) -> Artifact:
    wanted = filesystem.absolute(target)
    for record in reversed(records):
        for artifact in artifacts_of(record):
            pushed_to = str(artifact.custom_properties.get("pushed_destination") or "")
            places = [filesystem.absolute(place) for place in (artifact.recorded_uri, pushed_to) if place]
            if any(wanted == place or wanted.startswith(place + "/") for place in places):
                return artifact
    raise MetadataError(f"nothing in this pipeline's store lies at {target!r}; mlops-tfx models lists pushed versions")


def _by_node(records: list[ExecutionRecord], target: str) -> Artifact:
    node, _, key = target.rpartition(".")
    labels = {record.label for record in records}
    if target in labels:
        node, key = target, ""
    found = [record for record in reversed(records) if record.label == node and record.outputs]
    if not found:
        outputs = {f"{record.label}.{name}" for record in records for name in record.outputs}
        raise MetadataError(f"no node has put out {target!r}{did_you_mean(target, outputs | labels)}")
    outputs_of_node = found[0].outputs
    if not key and len(outputs_of_node) > 1:
        names = ", ".join(f"{node}.{name}" for name in sorted(outputs_of_node))
        raise MetadataError(f"{node} has several outputs; choose one of {names}")
    key = key or next(iter(outputs_of_node))
    if key not in outputs_of_node:
        raise MetadataError(f"{node} has put out no {key!r}{did_you_mean(key, outputs_of_node)}")
    return outputs_of_node[key][0]
