"""Runs the exit handler of a run, when all else has ended."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlops_tfx.component import Component
from mlops_tfx.errors import ConfigError, NodeFailedError, ResolutionError
from mlops_tfx.execution.observer import NodeReport, NodeState
from mlops_tfx.execution.task import run_node
from mlops_tfx.exit_handler import FinalStatusStr
from mlops_tfx.placeholders import Known, resolve

if TYPE_CHECKING:
    from mlops_tfx.execution.run import Run
    from mlops_tfx.pipeline import Pipeline

_GRPC_UNKNOWN, _GRPC_CANCELLED = 2, 1


def check_exit_handler(handler: Component, pipeline: Pipeline) -> None:
    """Raises ConfigError for what cannot be the exit handler of a pipeline."""
    if not isinstance(handler, Component):
        raise ConfigError(f"exit_handler: expected a component, such as Notify(...), received {handler!r}")
    problems = [*handler.problems, *handler.node_execution_options.problems()]
    if handler.inputs:
        problems.append(f"it runs after the pipeline and takes no inputs, received {', '.join(handler.inputs)}")
    if handler.id in {node.id for node in pipeline}:
        problems.append(f"the pipeline has a node {handler.id!r}; name one of them with .with_id('...')")
    if problems:
        raise ConfigError(f"exit_handler {handler.id} ({handler.made_at}): {'; '.join(problems)}")


def final_status(run: Run, state: str, message: str) -> str:
    """The JSON that an exit handler is given; ``message``: what failed, or "" ."""
    status = {"state": state, "pipelineJobResourceName": run.run_id, "pipelineTaskName": run.pipeline.pipeline_name}
    code = _GRPC_CANCELLED if state == "CANCELLED" else _GRPC_UNKNOWN
    return json.dumps({**status, "error": {"code": code, "message": message}} if message else status)


def run_exit_handler(handler: Component, run: Run, status: str) -> Sequence[NodeFailedError]:
    """Runs the handler, as an execution of the run, and returns its failure, if it failed."""
    started = time.monotonic()
    try:
        run_node(_settled(handler, run, status).with_cache(False), run)
        run.observer.node_ended(NodeReport(handler.id, NodeState.COMPLETE, 0, time.monotonic() - started))
    except (NodeFailedError, ResolutionError, ConfigError) as error:
        message = error.message if isinstance(error, NodeFailedError) else str(error)
        run.observer.node_ended(NodeReport(handler.id, NodeState.FAILED, 0, time.monotonic() - started, message))
        failure = NodeFailedError(f"{handler.id} (exit handler)", message)
        failure.__cause__ = error.__cause__ or error
        return [failure]
    return []


def _settled(handler: Component, run: Run, status: str) -> Component:
    known = Known(parameters=run.parameters)
    unresolved = handler.unresolved.items()
    values = {
        name: status if isinstance(value, FinalStatusStr) else resolve(value, known) for name, value in unresolved
    }
    return handler.with_values(values)
