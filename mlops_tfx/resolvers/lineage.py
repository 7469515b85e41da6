"""What was made from what: artifacts found by following executions in the metadata store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from mlops_tfx.artifacts import Artifact, ArtifactState
from mlops_tfx.resolvers.decorator import history
from mlops_tfx.resolvers.strategies import PastExecution

_MAX_STEPS = 50
_ENDED_WELL = ("COMPLETE", "CACHED")


class Relative(NamedTuple):
    """An artifact that another was made from, or that was made from it.

    Attributes:
        artifact: the artifact.
        node_id: the node that put it out.
        output_key: the output it was put out under.
    """

    artifact: Artifact
    node_id: str
    output_key: str


def relatives(start: Sequence[Artifact], upstream: bool, max_steps: int = _MAX_STEPS) -> list[Relative]:
    """Returns the LIVE artifacts up or down the lineage of some artifacts, without those, in order of their ids.

    Args:
        start: where to begin.
        upstream: what they were made from; else what was made from them.
        max_steps: executions between start and end, at most.
    """
    seen = {artifact.id for artifact in start}
    found: dict[int, Relative] = {}
    frontier = list(start)
    for _ in range(max_steps):
        reached = {relative.artifact.id: relative for relative in _step(frontier, upstream)}
        new = [relative for artifact_id, relative in reached.items() if artifact_id not in seen]
        if not new:
            break
        found.update({relative.artifact.id: relative for relative in new})
        seen.update(relative.artifact.id for relative in new)
        frontier = [relative.artifact for relative in new]
    live = (relative for relative in found.values() if relative.artifact.state is ArtifactState.LIVE)
    return sorted(live, key=lambda relative: relative.artifact.id)


def _step(frontier: Sequence[Artifact], upstream: bool) -> Iterator[Relative]:
    if not upstream:
        for execution in history().executions_with_inputs(frontier):
            yield from _outputs(execution)
        return
    inputs = [
        artifact
        for execution in history().executions_with_outputs(frontier)
        if execution.state.name in _ENDED_WELL
        for artifacts in execution.inputs.values()
        for artifact in artifacts
    ]
    wanted = {artifact.id for artifact in inputs}
    for execution in history().executions_with_outputs(inputs):
        yield from (relative for relative in _outputs(execution) if relative.artifact.id in wanted)


def _outputs(execution: PastExecution) -> Iterator[Relative]:
    for key, artifacts in execution.outputs.items():
        yield from (Relative(artifact, execution.node_id, key) for artifact in artifacts)


def neighbours(artifacts: Sequence[Artifact]) -> Mapping[int, set[int]]:
    """Returns, for each artifact, the ids of those among them that one execution took or put out together with it."""
    store = history()
    near: dict[int, set[int]] = {artifact.id: set() for artifact in artifacts}
    for execution in [*store.executions_with_inputs(artifacts), *store.executions_with_outputs(artifacts)]:
        if execution.skipped_because:
            continue  # its inputs are what its condition looked at; TFX has no such executions
        lists = [*execution.inputs.values(), *execution.outputs.values()]
        together = {artifact.id for found in lists for artifact in found} & near.keys()
        for artifact_id in together:
            near[artifact_id] |= together - {artifact_id}
    return near
