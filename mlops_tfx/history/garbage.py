"""What may be deleted: the files of artifacts that nothing blessed, pushed, pinned or recent depends on.

The store keeps every row: an artifact whose files are gone is a tombstone (state DELETED) that lineage still shows, and
that neither resolvers nor the cache take. A row is marked (MARKED_FOR_DELETION) before its files are removed: whatever
kills the process in between, nobody is given files that are half there, and the next collection ends the work.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import ArtifactState, ValueArtifact
from mlops_tfx.errors import MetadataError, did_you_mean
from mlops_tfx.execution import owner
from mlops_tfx.history.lineage import describe
from mlops_tfx.history.targets import artifacts_of
from mlops_tfx.metadata import ExecutionState

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Artifact
    from mlops_tfx.metadata import ExecutionRecord, MetadataStore

PINNED = "pinned"
_MADE_FROM_IT = ": an artifact that stays was made from it"
_HERE = (ArtifactState.LIVE, ArtifactState.MARKED_FOR_DELETION)


@dataclass(frozen=True)
class Doomed:
    """An artifact whose files may go: the artifact, the folder, and its size in bytes."""

    artifact: Artifact
    folder: str
    size: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**describe(self.artifact), "bytes": self.size}

    def __str__(self) -> str:
        return f"{self.size:>15,}  {self.artifact.TYPE_NAME} {self.artifact.id}  {self.artifact.recorded_uri}"


@dataclass(frozen=True)
class Plan:
    """What a collection would delete.

    Attributes:
        doomed: the artifacts, the largest first.
        kept: how many artifacts stay, by reason; one with several reasons counts for the first.
    """

    doomed: tuple[Doomed, ...]
    kept: dict[str, int]

    @property
    def size(self) -> int:
        """Bytes of all that would be deleted."""
        return sum(each.size for each in self.doomed)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"bytes": self.size, "kept": self.kept, "doomed": [each.to_dict() for each in self.doomed]}


def plan(
    store: MetadataStore, pipeline_name: str, pipeline_root: str, keep_runs: int = 3, keep_days: float = 0.0
) -> Plan:
    """Chooses what may be deleted.

    Args:
        store: the metadata store.
        pipeline_name: the pipeline whose artifacts are looked at. What other pipelines use of them is kept.
        pipeline_root: only what lies below it is ever deleted.
        keep_runs: what the latest runs made or used is recent.
        keep_days: what is younger is recent.

    Raises:
        MetadataError: a run of the pipeline is under way.
    """
    records = store.executions()
    own = [record for record in records if record.pipeline_name == pipeline_name]
    _check_idle(own)
    kept: dict[int, str] = {}
    recent = set(store.runs(pipeline_name)[:keep_runs])
    since = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=keep_days)
    for reason, artifact_id in _roots(records, pipeline_name, recent, since if keep_days else None):
        kept.setdefault(artifact_id, reason)
    _keep_ancestors(records, kept)
    everything = {artifact.id: artifact for record in own for artifact in artifacts_of(record)}
    root = filesystem.absolute(pipeline_root)
    shared = {_folder(everything[artifact_id]) for artifact_id in kept if artifact_id in everything}
    doomed = []
    for artifact in everything.values():
        if artifact.id in kept or artifact.state not in _HERE:
            continue
        folder = _folder(artifact)
        if not folder.startswith(root + "/") or artifact.custom_properties.get("is_external") == 1:
            kept[artifact.id] = "not ours: imported, or outside the pipeline root"
        elif folder in shared:
            kept[artifact.id] = "its files are those of another artifact"
        else:
            doomed.append(Doomed(artifact, folder, _size(folder)))
    counts: dict[str, int] = {}
    for artifact_id in everything:
        if artifact_id in kept:
            counts[kept[artifact_id]] = counts.get(kept[artifact_id], 0) + 1
    return Plan(tuple(sorted(doomed, key=lambda each: -each.size)), counts)


def collect(store: MetadataStore, plan: Plan) -> None:
    """Deletes what a plan says, and leaves a tombstone for each artifact.

    Raises:
        OSError: files cannot be removed; what is marked then is taken by the next collection.
    """
    artifacts = [each.artifact for each in plan.doomed]
    store.change_state(artifacts, ArtifactState.MARKED_FOR_DELETION)
    for each in plan.doomed:
        filesystem.remove_tree(each.folder)
        store.change_state([each.artifact], ArtifactState.DELETED)


def end_run(store: MetadataStore, pipeline_name: str, run_id: str) -> None:
    """Marks what a run left RUNNING as failed: a run whose process is gone, which the store alone cannot know.

    TFX does not note which process runs an execution, and whether one of another machine lives is not seen from here.

    Raises:
        MetadataError: there is no such run, or it is under way on this machine.
    """
    runs = store.runs(pipeline_name)
    if run_id not in runs:
        raise MetadataError(f"pipeline {pipeline_name!r} has no run {run_id!r}{did_you_mean(run_id, runs)}")
    left = [r for r in store.executions(pipeline_name, run_id) if r.state is ExecutionState.RUNNING]
    alive = [record for record in left if owner.is_here(record.properties) and owner.is_alive(record.properties)]
    if alive:
        raise MetadataError(f"run {run_id} is under way: {owner.describe(alive[0].properties)} runs {alive[0].label}")
    for record in left:
        store.fail(record.id, "interrupted: somebody told `mlops-tfx gc --ended` that the run has ended")


def _check_idle(records: Iterable[ExecutionRecord]) -> None:
    busy = [r for r in records if r.state is ExecutionState.RUNNING and owner.is_alive(r.properties)]
    if not busy:
        return
    names = ", ".join(f"{record.label} of run {record.run_id}" for record in busy)
    unknown = next((record for record in busy if not owner.is_here(record.properties)), None)
    hint = f", or say --ended {unknown.run_id} if it has" if unknown is not None else ""
    raise MetadataError(f"a run is under way ({names}); collect when it has ended{hint}")


def _roots(
    records: Iterable[ExecutionRecord], pipeline_name: str, recent: set[str], since: datetime.datetime | None
) -> Iterator[tuple[str, int]]:
    """What is kept for its own sake, with the reason."""
    for record in records:
        inputs = [artifact for group in record.inputs.values() for artifact in group]
        for artifact in artifacts_of(record):
            known = artifact.custom_properties
            if known.get(PINNED) == 1:
                yield "pinned", artifact.id
            if known.get("pushed") == 1:
                yield "pushed", artifact.id
            if known.get("blessed") == 1 and "current_model_id" in known:
                yield "blessed", int(str(known["current_model_id"]))
                yield "blessed", artifact.id
        if record.pipeline_name != pipeline_name:
            yield from (("used by another pipeline", artifact.id) for artifact in inputs)
        elif record.run_id in recent or (since is not None and record.created >= since):
            yield from (("recent", artifact.id) for artifact in [*inputs, *artifacts_of(record)])


def _keep_ancestors(records: Iterable[ExecutionRecord], kept: dict[int, str]) -> None:
    makers: dict[int, list[ExecutionRecord]] = {}
    for record in records:
        for artifact in artifacts_of(record):
            makers.setdefault(artifact.id, []).append(record)
    waiting = list(kept)
    while waiting:
        artifact_id = waiting.pop()
        for record in makers.get(artifact_id, ()):
            for ancestor in (artifact for group in record.inputs.values() for artifact in group):
                if ancestor.id not in kept:
                    why = kept[artifact_id]
                    kept[ancestor.id] = why if why.endswith(_MADE_FROM_IT) else f"{why}{_MADE_FROM_IT}"
                    waiting.append(ancestor.id)


def _folder(artifact: Artifact) -> str:
    uri = filesystem.absolute(artifact.recorded_uri)
    return filesystem.dirname(uri) if isinstance(artifact, ValueArtifact) else uri


def _size(folder: str) -> int:
    return sum(filesystem.stat(path).size for path in filesystem.walk_files(folder)) if filesystem.exists(folder) else 0
