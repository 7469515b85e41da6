"""Explains why a node ran, or why its cached result was reused, from what the store kept with its executions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mlops_tfx.errors import MetadataError, did_you_mean
from mlops_tfx.execution.changes import Change, as_made, changes_between, ingredients_of

if TYPE_CHECKING:
    from mlops_tfx.metadata import ExecutionRecord, MetadataStore


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
    if latest.is_foreign:
        return _explain_foreign(latest, as_made(earlier[0], store) if earlier else None, store)
    found = _explain(latest, next((r for r in earlier if ingredients_of(r)), None), store)
    if found.summary == _NOTHING_EARLIER and any(record.is_foreign for record in earlier):
        found = replace(found, summary=_ONLY_FOREIGN)
    return replace(found, summary=f"{found.summary}; {_how_it_failed(latest)}") if _failed(latest) else found


_NOTHING_EARLIER = "ran: there is no earlier result to reuse"
_ONLY_FOREIGN = "ran: the earlier results are TFX's, whose cache does not know code and versions: they are not reused"


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
        return Explanation(latest.label, latest.run_id, state, _NOTHING_EARLIER)
    changes, _ = changes_between(before, latest)
    if not changes:
        summary = "ran although nothing changed: the cache was off, or the earlier result is gone or no longer valid"
    else:
        summary = f"ran because {len(changes)} ingredient{'s' * (len(changes) > 1)} of its cache key changed"
    upstream = tuple(dict.fromkeys(_producers(latest, changes, store)))
    return Explanation(latest.label, latest.run_id, state, summary, changes, before.run_id, upstream)


def _explain_foreign(latest: ExecutionRecord, before: ExecutionRecord | None, store: MetadataStore) -> Explanation:
    state = latest.state.name
    if state == "CACHED":
        return Explanation(latest.label, latest.run_id, state, "reused by TFX, under a cache key of its own")
    if before is None:
        return Explanation(latest.label, latest.run_id, state, "ran under TFX: there is no earlier result")
    changes, untold = changes_between(before, latest)
    count = f"{len(changes)} differ{'s' * (len(changes) == 1)}" if changes else "nothing differs"
    upstream = tuple(dict.fromkeys(_producers(latest, changes, store)))
    summary = f"ran under TFX, which does not keep why; of what it keeps {count} from run {before.run_id} ({untold})"
    if _failed(latest):
        summary += f"; {_how_it_failed(latest)}"
    return Explanation(latest.label, latest.run_id, state, summary, changes, before.run_id, upstream)


def _failed(record: ExecutionRecord) -> bool:
    return record.state.name == "FAILED" or (record.state.name == "CANCELED" and not record.skipped_because)


def _how_it_failed(record: ExecutionRecord) -> str:
    reason = record.error.strip().rpartition("\n")[2]
    return f"it failed: {reason}" if reason else "it failed and left no reason"


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
