"""A pipeline within a pipeline, as a node: how it begins, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlops_tfx.errors import MlopsTfxError, ResolutionError, SkipSignal
from mlops_tfx.execution import dynamic
from mlops_tfx.execution.attempt import recorded
from mlops_tfx.execution.observer import NodeReport, NodeState
from mlops_tfx.execution.task import Outcome, skip
from mlops_tfx.metadata import ExecutionState

if TYPE_CHECKING:
    from mlops_tfx.execution.resolve import Artifacts
    from mlops_tfx.execution.run import Run
    from mlops_tfx.pipeline import Pipeline


def begin(node: Pipeline, run: Run) -> Run | Outcome:
    """Returns the run that the nodes within see; or the outcome, if the pipeline is skipped.

    Raises:
        NodeFailedError: its inputs or settings cannot be had; the store has a FAILED execution that says why.
    """
    run.observer.node_started(node.id)
    with recorded(node, run):
        try:
            reason = dynamic.closed_by(node, node.scopes, run)
            inputs = dynamic.inputs_of(node, run) if reason is None else {}
        except SkipSignal as signal:
            return skip(node, run, str(signal), {})
        reason = reason or dynamic.missing(node, inputs, run)
        if reason is not None:
            return skip(node, run, reason, dynamic.implicit_inputs(node, run))
        _check_inputs(node, inputs)
        return run.for_part(node, inputs)


def _check_inputs(node: Pipeline, inputs: Artifacts) -> None:
    for key, channel in node.inputs.items():
        if not inputs[key] and not channel.is_optional:
            raise ResolutionError(
                f"input {key!r}: expected {channel.type_name}, received no artifact from {channel!r}; either its "
                "producer wrote none, or no earlier run did; what may be missing goes into optional_inputs"
            )


def end(node: Pipeline, run: Run, part: Run, reports: Mapping[str, NodeReport], failed: list[str]) -> Outcome:
    """Publishes the outputs of a pipeline whose nodes have ended, and returns its outcome.

    Args:
        node: the pipeline.
        run: as seen from outside.
        part: as seen from within.
        reports: of the nodes within.
        failed: names of those that failed, other than ones whose success is optional.

    Raises:
        NodeFailedError: a node within failed, or publishing did; the store has a FAILED execution of the pipeline.
    """
    with recorded(node, run):
        if failed:
            raise MlopsTfxError(f"{', '.join(failed)} failed")
        outputs = {key: part.artifacts_of(channel) for key, channel in node.inner_outputs.items()}
        state = _state(reports)
        # Their producers put them out; here they are only passed on, as by a Resolver.
        run.store.publish(
            run.identity(node), inputs=part.given, outputs=outputs, properties={}, state=state, internal_output=True
        )
    if part.skipped and not all(outputs.values()):
        run.skipped[node.id] = f"within it, {', '.join(part.skipped)} gave nothing"
    return Outcome(NodeState[state.name], outputs, sum(report.rows for report in reports.values()))


def _state(reports: Mapping[str, NodeReport]) -> ExecutionState:
    states = {report.state for report in reports.values()} - {NodeState.SKIPPED}
    return ExecutionState.CACHED if states == {NodeState.CACHED} else ExecutionState.COMPLETE
