"""One node, from its inputs to its published outputs. Read this file first.

``run_node`` has six steps:

1. resolve the input artifacts                      (resolve.py)
2. fingerprint; reuse a cached result if there is one  (cache.py)
3. begin the execution in the metadata store        (metadata/)
4. stage output folders                             (staging.py)
5. run the component inside the boundary that turns any exception into a NodeFailedError
6. publish: move the outputs to their place and record them in one transaction; or fail and leave nothing behind

A process that dies between any two steps leaves at most a RUNNING execution and unpublished folders; the next run
finds both (recovery.py), marks the one as failed and removes the others.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.component import Component
from mlops_tfx.errors import NodeFailedError, RunInterrupted, SkipSignal
from mlops_tfx.execution import cache, dynamic, owner, system_nodes
from mlops_tfx.execution.attempt import Attempt, message_of
from mlops_tfx.execution.main_thread import needs_main_thread
from mlops_tfx.execution.observer import NodeState, Observer, Step
from mlops_tfx.execution.resolve import Artifacts, check_counts
from mlops_tfx.execution.staging import Staging
from mlops_tfx.execution.work import Work
from mlops_tfx.execution.worker import do_in_process
from mlops_tfx.metadata import SKIPPED, ExecutionState
from mlops_tfx.parameters import to_json

if TYPE_CHECKING:
    from mlops_tfx.execution.run import Run
    from mlops_tfx.node import Node

INGREDIENTS = "cache_ingredients"


@dataclass(frozen=True)
class Outcome:
    """How a node ended well: COMPLETE, CACHED or SKIPPED (and why), its outputs, and the rows it reported."""

    state: NodeState
    outputs: Artifacts
    rows: int = 0
    message: str = ""


def run_node(node: Node, run: Run) -> Outcome:
    """Runs one node.

    Raises:
        NodeFailedError: it failed; the cause is ``__cause__``. The store has a FAILED execution with the error text,
            and nothing is published.
    """
    run.observer.node_started(node.id)
    attempt = Attempt(node, run)
    try:
        outcome = _run(node, run, attempt)
    except BaseException as error:
        untold = attempt.fail(error)
        if isinstance(error, RunInterrupted | KeyboardInterrupt):
            raise
        # User code that calls sys.exit() has failed as well.
        raise NodeFailedError(node.id, message_of(error) + untold) from error
    attempt.succeed()
    return outcome


def _run(node: Node, run: Run, attempt: Attempt) -> Outcome:
    try:
        reason = dynamic.closed_by(node, node.scopes, run)
        inputs = dynamic.inputs_of(node, run) if reason is None else {}
        reason = reason or dynamic.missing(node, inputs, run)
        seen = dynamic.implicit_inputs(node, run)
        if reason is not None:
            return skip(node, run, reason, seen)
        node = dynamic.settled(node, inputs, run)
        if isinstance(node, Component):
            check_counts(node, inputs)
        run.observer.step_done(node.id, Step.RESOLVE)
        if not isinstance(node, Component):
            return Outcome(*system_nodes.run_system_node(node, inputs, run.identity(node), run.store))
    except SkipSignal as signal:
        return skip(node, run, str(signal), {})
    return _run_component(node, run, attempt, inputs, seen)


def _run_component(node: Component, run: Run, attempt: Attempt, inputs: Artifacts, seen: Artifacts) -> Outcome:
    bound = node.bind(inputs, {}, None)
    stand_in = run.stand_ins.get(node.id)
    ingredients = {} if stand_in else cache.ingredients(bound, inputs)
    key = None if stand_in else cache.cache_key(ingredients)
    properties = {**_parameters(node), **owner.properties(), INGREDIENTS: json.dumps(ingredients, sort_keys=True)}
    cached = _find_cached(bound, key, run) if key else None
    run.observer.step_done(node.id, Step.FINGERPRINT)
    if cached is not None:
        run.store.publish(
            run.identity(node),
            inputs={**inputs, **seen},
            outputs=cached,
            properties=properties,
            cache_key=key,
            state=ExecutionState.CACHED,
        )
        return Outcome(NodeState.CACHED, cached)
    execution_id = attempt.begin({**inputs, **seen}, properties, key)
    run.observer.step_done(node.id, Step.BEGIN)
    staging = attempt.staging(execution_id)
    return _execute(node, run, attempt, _staged(node, run, staging, inputs, ingredients))


def skip(node: Node, run: Run, reason: str, seen: Artifacts) -> Outcome:
    """Records that a node does not run, and why; ``seen``: the artifacts that decided it."""
    properties = {SKIPPED: reason}
    state = ExecutionState.CANCELED
    run.store.publish(run.identity(node), inputs=seen, outputs={}, properties=properties, state=state)
    run.skipped[node.id] = reason
    return Outcome(NodeState.SKIPPED, {}, message=reason)


def _find_cached(bound: Component, key: str, run: Run) -> Artifacts | None:
    enabled = run.pipeline.enable_cache if bound.enable_cache is None else bound.enable_cache
    # What frees a resource has to do so every time.
    if not enabled or bound.node_execution_options.lifetime_start is not None:
        return None
    for outputs in run.store.find_cached(key):
        there = all(filesystem.exists(artifact.uri) for artifacts in outputs.values() for artifact in artifacts)
        if there and set(outputs) == set(bound.outputs) and bound.still_valid(outputs):
            return outputs
    return None


def _staged(node: Component, run: Run, staging: Staging, inputs: Artifacts, ingredients: Mapping[str, str]) -> Work:
    staging.check_free(list(node.outputs))
    outputs = staging.prepare({key: node.OUTPUTS[key] for key in node.outputs})
    state = staging.keep_state(cache.cache_key(ingredients), node.node_execution_options.reset_stateful_working_dir)
    run.observer.step_done(node.id, Step.STAGE)
    return Work(
        component=node,
        inputs=inputs,
        outputs=outputs,
        pipeline_name=run.pipeline.pipeline_name,
        run_id=run.run_id,
        temp_dir=staging.temp_dir,
        stateful_working_dir=state,
        cache_ingredients=ingredients,
        stand_in=run.stand_ins.get(node.id),
        beam_pipeline_args=(*run.pipeline.beam_pipeline_args, *node.beam_pipeline_args),
        pipeline_root=run.pipeline.pipeline_root,
    )


def _execute(node: Component, run: Run, attempt: Attempt, work: Work) -> Outcome:
    rows = _Rows(node.id, run.observer)
    timeout_sec = node.node_execution_options.execution_timeout_sec

    def log(text: str) -> None:
        run.observer.logged(node.id, text)

    if work.stand_in is None and (timeout_sec or needs_main_thread(node)):
        outputs = do_in_process(work, timeout_sec or math.inf, run.stopping, rows.add, log)
    else:
        if work.stand_in is None:
            run.before_work()
        outputs = work.do(rows.add, log)
    run.observer.step_done(node.id, Step.RUN)
    published = attempt.publish(outputs, {"rows": rows.total})
    run.observer.step_done(node.id, Step.PUBLISH)
    return Outcome(NodeState.COMPLETE, published, rows.total)


class _Rows:
    """Counts the rows a component reports, from whichever threads it uses."""

    def __init__(self, node_id: str, observer: Observer) -> None:
        self._node_id = node_id
        self._observer = observer
        self._lock = threading.Lock()
        self.total = 0

    def add(self, rows: int) -> None:
        with self._lock:
            self.total += rows
            total = self.total
        self._observer.rows_reported(self._node_id, total)


def _parameters(node: Node) -> dict[str, Any]:
    found = {key: to_json(value) for key, value in node.exec_properties.items() if value is not None}
    return {key: value for key, value in found.items() if value is not None}
