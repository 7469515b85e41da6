"""Explains why a node ran, or why its cached result was reused, from what the store kept with its executions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_tfx.errors import MetadataError, did_you_mean
from mlops_tfx.execution.cache import differences
from mlops_tfx.execution.task import INGREDIENTS

if TYPE_CHECKING:
    from mlops_tfx.metadata import ExecutionRecord, MetadataStore


@dataclass(frozen=True)
class Change:
    """One ingredient of the cache key that differs; ``before`` or ``after`` is None where it was not there."""

    name: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.name}: new"
        if self.after is None:
            return f"{self.name}: gone"
        if _is_digest(self.before) or _is_digest(self.after):
            return f"{self.name}: content changed"
        return f"{self.name}: {self.before} -> {self.after}"


@dataclass(frozen=True)
class Explanation:
    """Why a node ran or was reused.

    Attributes:
        node_id: the node; ``Trainer[0]`` in a loop, ``training.Trainer`` in a pipeline within.
        run_id: its latest run.
        state: how its execution ended there: COMPLETE, CACHED, SKIPPED or FAILED.
        summary: one sentence.
        changes: ingredients that differ from the execution compared with.
        compared_with: run id of that execution, or "".
        upstream: for changed inputs, the nodes that made them.
    """

    node_id: str
    run_id: str
    state: str
    summary: str
    changes: tuple[Change, ...] = ()
    compared_with: str = ""
    upstream: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        changes = [{"name": c.name, "before": c.before, "after": c.after} for c in self.changes]
        return {**vars(self), "changes": changes, "upstream": list(self.upstream)}


def explain(store: MetadataStore, pipeline_name: str, node_id: str) -> Explanation:
    """Compares the latest execution of a node with the one before whose result could have been reused.

    Raises:
        MetadataError: the node never ran; near names are shown.
    """
    records = store.executions(pipeline_name=pipeline_name, node_id=node_id)
    if not records:
        everything = store.executions(pipeline_name=pipeline_name)
        records = [record for record in everything if record.label == node_id]
        known = {record.label for record in everything}
    if not records:
        raise MetadataError(f"pipeline {pipeline_name!r} has no execution of {node_id!r}{did_you_mean(node_id, known)}")
    records.sort(key=lambda record: record.id, reverse=True)
    latest = records[0]
    # Of a node in a loop, the same element.
    same = [record for record in records[1:] if record.label == latest.label]
    earlier = [record for record in same if record.state.name in ("COMPLETE", "CACHED")]
    return _explain(latest, next((r for r in earlier if ingredients_of(r)), None), store)


def _explain(latest: ExecutionRecord, before: ExecutionRecord | None, store: MetadataStore) -> Explanation:
    state = latest.state.name
    if latest.skipped_because:
        return Explanation(latest.label, latest.run_id, "SKIPPED", f"skipped: {latest.skipped_because}")
    if state == "CACHED":
        summary = "reused: inputs, parameters, code and library versions are the same as before"
        return Explanation(latest.label, latest.run_id, state, summary, (), before.run_id if before else "")
    now = ingredients_of(latest)
    if not now:
        return Explanation(latest.label, latest.run_id, state, "no cache ingredients are kept for this node")
    if before is None:
        return Explanation(latest.label, latest.run_id, state, "ran: there is no earlier result to reuse")
    changes = tuple(Change(*change) for change in differences(ingredients_of(before), now))
    if not changes:
        summary = "ran although nothing changed: the cache was off, or the earlier result is gone or no longer valid"
    else:
        summary = f"ran because {len(changes)} ingredient{'s' * (len(changes) > 1)} of its cache key changed"
    upstream = tuple(dict.fromkeys(_producers(latest, changes, store)))
    return Explanation(latest.label, latest.run_id, state, summary, changes, before.run_id, upstream)


def ingredients_of(record: ExecutionRecord) -> Mapping[str, str]:
    """What the cache key of an execution was made of; empty where the store does not tell."""
    text = record.properties.get(INGREDIENTS)
    return dict(json.loads(str(text))) if text else {}


def _producers(latest: ExecutionRecord, changes: tuple[Change, ...], store: MetadataStore) -> list[str]:
    changed = {
        change.name.removeprefix("input ").partition("[")[0] for change in changes if change.name[:6] == "input "
    }
    wanted = {artifact.id for key in changed for artifact in latest.inputs.get(key, ())}
    found = []
    for record in store.executions(pipeline_name=latest.pipeline_name, run_id=latest.run_id):
        made = {artifact.id for artifacts in record.outputs.values() for artifact in artifacts}
        if made & wanted:
            found.append(record.label)
    return found


def _is_digest(text: str) -> bool:
    return len(text) == 64 and all(c in "0123456789abcdef" for c in text)
