"""LocalRunner: runs a pipeline on this machine, independent nodes side by side."""

from __future__ import annotations

import datetime
import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from mlops_tfx import filesystem
from mlops_tfx.control_flow import ForEach
from mlops_tfx.errors import ConfigError, NodeFailedError, PipelineFailedError
from mlops_tfx.execution import untold
from mlops_tfx.execution.attempt import message_of
from mlops_tfx.execution.dynamic import check_before_run
from mlops_tfx.execution.exits import check_exit_handler, final_status, run_exit_handler
from mlops_tfx.execution.guard import GuardedObserver
from mlops_tfx.execution.interruption import describe, end_lifetimes, sigterm_ends_run, stop_nodes
from mlops_tfx.execution.observer import NodeReport, NodeState, Observer
from mlops_tfx.execution.partial import plan
from mlops_tfx.execution.quiet import quiet_libraries
from mlops_tfx.execution.recovery import recover
from mlops_tfx.execution.reports import note_interrupted, note_run
from mlops_tfx.execution.resume import ResumeCommand, options_to_resume, part_to_run, program_again
from mlops_tfx.execution.run import Run
from mlops_tfx.execution.schedule import Schedule
from mlops_tfx.execution.stand_ins import StandIn, check_stand_ins
from mlops_tfx.metadata import MetadataStore
from mlops_tfx.pipeline import Pipeline

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Artifact
    from mlops_tfx.component import Component
    from mlops_tfx.run_options import RunOptions


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        pipeline_name: the pipeline.
        run_id: the run's id in the metadata store.
        reports: one per node, in the pipeline's order. One of a loop is followed by itself for each element
            (``Trainer[0]``), a pipeline within the pipeline by its nodes (``training.Trainer``).
        outputs: output artifacts by node id and output name, of the nodes that ended well, under the same names.
    """

    pipeline_name: str
    run_id: str
    reports: Sequence[NodeReport]
    outputs: Mapping[str, Mapping[str, Sequence[Artifact]]]


class Runner(Protocol):
    """Runs pipelines somewhere."""

    def run(self, pipeline: Pipeline, parameters: Mapping[str, Any] | None = None) -> RunResult:
        """Runs a pipeline to its end. Raises PipelineFailedError if a node failed."""
        ...


class LocalRunner:
    """Runs a pipeline in this process, independent nodes side by side in threads.

    A node that fails stops what depends on it, and nothing else. Running again reuses what is complete.

    Args:
        max_parallel_nodes: nodes that may run at the same time; the number of cores by default.
        observer: hears about every step; a progress display on standard error by default.
        exit_handler: runs after the pipeline, however that ended, also after Ctrl-C (`mlops_tfx.exit_handler`).
        resume_command: says how to resume after a failure; by default the command line or the Python of this program.
        stand_ins: functions that run in place of components, by node id: for tests (`mlops_tfx.testing`).
    """

    def __init__(
        self,
        max_parallel_nodes: int | None = None,
        observer: Observer | None = None,
        exit_handler: Component | None = None,
        resume_command: ResumeCommand | None = None,
        stand_ins: Mapping[str, StandIn] | None = None,
    ) -> None:
        self._max_parallel = max_parallel_nodes or os.cpu_count() or 1
        self._observer = observer
        self._exit_handler = exit_handler
        self._resume_command = resume_command
        self._stand_ins = stand_ins or {}

    def set_exit_handler(self, exit_handler: Component) -> None:
        """Sets the component that runs after the pipeline, however that ended (the method of TFX's Vertex runner)."""
        self._exit_handler = exit_handler

    def run(
        self,
        pipeline: Pipeline,
        parameters: Mapping[str, Any] | None = None,
        run_options: RunOptions | None = None,
    ) -> RunResult:
        """Runs a pipeline to its end.

        Args:
            pipeline: the pipeline.
            parameters: values of its runtime parameters by name.
            run_options: the part of the pipeline to run, and the run that gives the rest; all of it by default.

        Raises:
            WiringError: lists all that is wrong with parameters and options, before anything runs.
            ResolutionError: no earlier run has what the part needs, before anything runs.
            PipelineFailedError: lists what failed and what was therefore not started; the first cause is ``__cause__``.
            KeyboardInterrupt: Ctrl-C. Running nodes are stopped and canceled, what they wrote is removed.
            SystemExit: SIGTERM, with exit code 143; otherwise the same.
        """
        quiet_libraries()
        run_id, run_options = _new_run_id(), part_to_run(run_options)
        pipeline, values = pipeline.with_parameters(parameters or {}, run_id)
        check_before_run(pipeline, values)
        check_stand_ins(pipeline, self._stand_ins)
        if self._exit_handler is not None:
            check_exit_handler(self._exit_handler, pipeline)
        observer = GuardedObserver(self._observer or _default_observer())
        _make_root(pipeline.pipeline_root)
        with sigterm_ends_run(), MetadataStore(pipeline.metadata_connection_config) as store:
            _tell_untold(pipeline, store, observer)
            for node_id in recover(pipeline, store, values):
                observer.logged(node_id, "an earlier run was interrupted here; its unfinished outputs were removed")
            part = plan(pipeline, run_options, store) if run_options else None
            run = Run(pipeline, run_id, store, observer, parameters=values, partial=part, stand_ins=self._stand_ins)
            observer.run_started(pipeline.pipeline_name, run.run_id, list(_names(pipeline)))
            _warn_of_changes(run)
            resume_hint = partial(self._resume_hint, run, run_options, parameters or {})
            schedule = Schedule(run, self._max_parallel)
            try:
                failures = self._work(schedule, run, resume_hint)
            finally:
                _tell_untold(pipeline, store, observer)
                observer.run_ended()
                if "tensorflow" in sys.modules:
                    # What TensorFlow leaves in cycles would be torn down with the interpreter, and complain.
                    gc.collect()
        note_run(pipeline.pipeline_name, run.run_id, schedule.reports())
        notes = [f"the observer failed: {message_of(observer.error)}"] if observer.error else []
        if failures:
            notes.append(resume_hint(schedule.states()))
        if failures or notes:
            raise PipelineFailedError(failures, schedule.not_started(), notes) from [*failures, observer.error][0]
        return RunResult(pipeline.pipeline_name, run.run_id, schedule.reports(), schedule.outputs())

    def _work(
        self, schedule: Schedule, run: Run, resume_hint: Callable[[Mapping[str, NodeState]], str]
    ) -> list[NodeFailedError]:
        try:
            failures = schedule.work()
        except BaseException as error:  # Ctrl-C, SIGTERM
            stop_nodes(run, error)
            for failure in end_lifetimes(replace(run, stopping=threading.Event(), attempts=set()), schedule.states()):
                run.observer.logged(failure.node_id, failure.message)
            hint = resume_hint(schedule.states())
            run.observer.logged(run.pipeline.pipeline_name, f"{describe(error)}; {hint}")
            for failure in self._exit(run, "FAILED" if isinstance(error, Exception) else "CANCELLED", describe(error)):
                run.observer.logged(failure.node_id, failure.message)
            note_interrupted(run.store, run.pipeline.pipeline_name, run.run_id)
            raise
        message = "\n".join(str(failure) for failure in failures)
        return [*failures, *self._exit(run, "FAILED" if failures else "SUCCEEDED", message)]

    def _resume_hint(
        self, run: Run, options: RunOptions | None, parameters: Mapping[str, Any], states: Mapping[str, NodeState]
    ) -> str:
        again = options_to_resume(run, states, options)
        command = self._resume_command(again) if self._resume_command else program_again(again, parameters)
        return f"to resume, run again: {command}"

    def _exit(self, run: Run, state: str, message: str) -> Sequence[NodeFailedError]:
        if self._exit_handler is None:
            return ()
        afterwards = replace(run, stopping=threading.Event(), attempts=set())
        return run_exit_handler(self._exit_handler, afterwards, final_status(run, state, message))


def _tell_untold(pipeline: Pipeline, store: MetadataStore, observer: Observer) -> None:
    for note in untold.tell(pipeline.pipeline_root, store):
        observer.logged(pipeline.pipeline_name, note)


def _warn_of_changes(run: Run) -> None:
    if run.partial is None:
        return
    for node_id, changes in run.partial.changed_nodes(run.pipeline):
        since = f"it has changed since run {run.partial.base_run_id}, whose outputs are used"
        run.observer.logged(node_id, f"warning: {since} ({changes})")


def _names(pipeline: Pipeline, prefix: str = "") -> Iterator[str]:
    """Names of the nodes, and of those within pipelines that run once."""
    for node in pipeline:
        yield prefix + node.id
        if isinstance(node, Pipeline) and not any(isinstance(scope, ForEach) for scope in node.scopes):
            yield from _names(node, f"{prefix}{node.id}.")


def _make_root(pipeline_root: str) -> None:
    try:
        filesystem.makedirs(pipeline_root)
    except OSError as error:
        raise ConfigError(
            f"pipeline_root={pipeline_root!r} cannot be made ({error}); choose a folder that can be written to"
        ) from error


def _default_observer() -> Observer:
    from mlops_tfx.execution.progress import progress_display

    return progress_display()


def _new_run_id() -> str:
    # TFX's form: local time. It sorts, and two runs cannot begin in the same microsecond on one clock.
    return datetime.datetime.now().isoformat()
