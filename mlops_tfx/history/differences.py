"""How two runs differ: nodes, what went into them, what came out, metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_tfx.artifacts import ModelEvaluation
from mlops_tfx.components.evaluator.report import read_metrics
from mlops_tfx.errors import ArtifactError, MetadataError, did_you_mean
from mlops_tfx.execution.changes import Change, as_made, changed_outputs, changes_between
from mlops_tfx.execution.quiet import quiet_libraries

if TYPE_CHECKING:
    from mlops_tfx.metadata import ExecutionRecord, MetadataStore


@dataclass(frozen=True)
class NodeDifference:
    """How a node differs between two runs.

    Attributes:
        node: its name.
        before: how it ended in the first; None if it was not there.
        after: how it ended in the second; None likewise.
        changes: what went in: parameters, code, versions, inputs.
        outputs: outputs whose content differs.
        metrics: metrics that differ, as ``{name: [before, after]}``.
        untold: what the store does not tell, as one of the two was written by TFX; "" if it tells all.
    """

    node: str
    before: str | None
    after: str | None
    changes: tuple[Change, ...] = ()
    outputs: tuple[str, ...] = ()
    metrics: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    untold: str = ""

    @property
    def is_same(self) -> bool:
        """Whether nothing differs."""
        ended = {None if state is None else state.replace("CACHED", "COMPLETE") for state in (self.before, self.after)}
        return len(ended) == 1 and not self.changes and not self.outputs and not self.metrics

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """The node, and below it what differs."""
        states = f"{self.before or 'absent'} -> {self.after or 'absent'}" if self.before != self.after else self.after
        yield f"{self.node}: {'same' if self.is_same else 'differs'} ({states})"
        for change in self.changes:
            yield f"  {change}"
        for output in self.outputs:
            yield f"  output {output}: content differs"
        for name, (before, after) in self.metrics.items():
            yield f"  metric {name}: {_number(before)} -> {_number(after)}"


def compare_runs(store: MetadataStore, pipeline_name: str, before: str, after: str) -> list[NodeDifference]:
    """Compares two runs, node by node, in the order of the second.

    Raises:
        MetadataError: there is no such run.
    """
    first, second = (_records(store, pipeline_name, run_id) for run_id in (before, after))
    return [
        _compare(name, first.get(name), second.get(name)) for name in [*second, *(n for n in first if n not in second)]
    ]


def latest_two(store: MetadataStore, pipeline_name: str) -> tuple[str, str]:
    """The run before the latest, and the latest. Raises MetadataError if there are fewer."""
    runs = store.runs(pipeline_name)
    if len(runs) < 2:
        raise MetadataError(f"pipeline {pipeline_name!r} has {len(runs)} runs; there is nothing to compare with")
    return runs[1], runs[0]


def _records(store: MetadataStore, pipeline_name: str, run_id: str) -> dict[str, ExecutionRecord]:
    runs = store.runs(pipeline_name)
    if run_id not in runs:
        raise MetadataError(f"pipeline {pipeline_name!r} has no run {run_id!r}{did_you_mean(run_id, runs)}")
    # Of several attempts the last one counts.
    return {record.label: as_made(record, store) for record in store.executions(pipeline_name, run_id)}


def _compare(name: str, before: ExecutionRecord | None, after: ExecutionRecord | None) -> NodeDifference:
    states = [None if record is None else record.state.name for record in (before, after)]
    if before is None or after is None:
        return NodeDifference(name, states[0], states[1])
    changes, untold = changes_between(before, after)
    outputs = changed_outputs(before, after)
    return NodeDifference(name, states[0], states[1], changes, outputs, _metrics(before, after), untold)


def _metrics(before: ExecutionRecord, after: ExecutionRecord) -> dict[str, tuple[Any, Any]]:
    first, second = _values(before), _values(after)
    names = [*second, *(name for name in first if name not in second)]
    return {name: (first.get(name), second.get(name)) for name in names if first.get(name) != second.get(name)}


def _values(record: ExecutionRecord) -> dict[str, Any]:
    values = {}
    for artifact in (artifact for group in record.outputs.values() for artifact in group):
        if isinstance(artifact, ModelEvaluation):
            values.update({_name(row): row["value"] for row in _rows(artifact)})
    return values


def _rows(artifact: ModelEvaluation) -> list[dict[str, Any]]:
    quiet_libraries()  # the files of TFX are read by TFMA
    try:
        return read_metrics(artifact.uri)
    except ArtifactError:
        return []  # deleted: the digests still tell whether it differs


def _name(row: Mapping[str, Any]) -> str:
    # The model has a name only where there is a baseline, and is the same without.
    named = {key: value for key, value in row.items() if (key, value) != ("model", "candidate")}
    further = [f"{key}={value}" for key, value in named.items() if key not in ("slice", "metric", "value")]
    return f"{row['metric']} ({', '.join([str(row['slice']), *further])})"


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "-" if value is None else str(value)
