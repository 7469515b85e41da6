"""How the nodes of a run ended: of an earlier one, from the store; of those of this process, as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from mlops_tfx.errors import MetadataError, did_you_mean
from mlops_tfx.execution.observer import NodeReport, NodeState

if TYPE_CHECKING:
    from mlops_tfx.metadata import ExecutionRecord, MetadataStore

_STATES = {
    "NEW": NodeState.WAITING,
    "RUNNING": NodeState.RUNNING,
    "COMPLETE": NodeState.COMPLETE,
    "CACHED": NodeState.CACHED,
    "FAILED": NodeState.FAILED,
    "CANCELED": NodeState.FAILED,
}


def reports_of_run(store: MetadataStore, pipeline_name: str, run_id: str | None = None) -> tuple[str, list[NodeReport]]:
    """Returns the run's id (the latest run for None) and a report for each of its nodes, in order of their start.

    Raises:
        MetadataError: there is no such run.
    """
    runs = store.runs(pipeline_name)
    if run_id is None and runs:
        run_id = runs[0]
    if run_id is None or run_id not in runs:
        raise MetadataError(f"pipeline {pipeline_name!r} has no run {run_id!r}{did_you_mean(str(run_id), runs)}")
    records = store.executions(pipeline_name=pipeline_name, run_id=run_id)
    return run_id, [_report(record) for record in sorted(records, key=lambda record: record.id)]


_RUNS: ContextVar[list[dict[str, Any]] | None] = ContextVar("runs", default=None)


@contextmanager
def runs_of_process() -> Iterator[list[dict[str, Any]]]:
    """Gives a list to which every run that ends in here is added, whoever begins it."""
    found: list[dict[str, Any]] = []
    token = _RUNS.set(found)
    try:
        yield found
    finally:
        _RUNS.reset(token)


def note_run(pipeline_name: str, run_id: str, reports: Sequence[NodeReport]) -> None:
    """Adds a run that has ended to the list of `runs_of_process`, if somebody asked for one."""
    runs = _RUNS.get()
    if runs is not None:
        runs.append(as_data(pipeline_name, run_id, reports))


def note_interrupted(store: MetadataStore, pipeline_name: str, run_id: str) -> None:
    """The same for a run that was interrupted: what the store has of it."""
    if _RUNS.get() is None:
        return
    try:
        _, reports = reports_of_run(store, pipeline_name, run_id)
    except MetadataError:
        reports = []  # no node had begun, or the store is lost: what interrupted the run is not to be hidden by that
    note_run(pipeline_name, run_id, reports)


def as_data(pipeline_name: str, run_id: str, reports: Sequence[NodeReport]) -> dict[str, Any]:
    """A run for JSON."""
    nodes = [{**vars(report), "state": report.state.value} for report in reports]
    return {"pipeline": pipeline_name, "run_id": run_id, "nodes": nodes}


def _report(record: ExecutionRecord) -> NodeReport:
    rows = record.properties.get("rows", 0)
    reason = record.skipped_because
    failed = record.state.name in ("FAILED", "CANCELED")
    message = (record.error or "").strip().rpartition("\n")[2] or ("failed, and left no reason" if failed else "")
    return NodeReport(
        node_id=record.label,
        state=NodeState.SKIPPED if reason else _STATES.get(record.state.name, NodeState.WAITING),
        rows=int(rows) if isinstance(rows, int) else 0,
        seconds=(record.updated - record.created).total_seconds(),
        message=reason or message,
    )
