"""The pipelines of a store at a glance."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_tfx.metadata import ExecutionRecord, MetadataStore


@dataclass(frozen=True)
class PipelineSummary:
    """A pipeline at a glance.

    Attributes:
        name: its name.
        runs: how many there were.
        last_run: the id of the latest; empty if there was none.
        state: how it ended: ``complete``, ``running``, ``failed: <nodes>`` or ``interrupted: <nodes>``.
        pushed: how many versions it has pushed.
    """

    name: str
    runs: int
    last_run: str
    state: str
    pushed: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.name}  runs: {self.runs}  last: {self.last_run or '-'} {self.state}  pushed: {self.pushed}"


def pipelines(store: MetadataStore) -> list[PipelineSummary]:
    """Returns a summary of every pipeline, by name."""
    return [_summary(store, name) for name in store.pipelines()]


def _summary(store: MetadataStore, name: str) -> PipelineSummary:
    runs = store.runs(name)
    records = store.executions(name)
    latest = [record for record in records if runs and record.run_id == runs[0]]
    return PipelineSummary(name, len(runs), runs[0] if runs else "", _state(latest), len(_pushed(records)))


def _state(records: list[ExecutionRecord]) -> str:
    failed = sorted({record.label for record in records if record.state.name == "FAILED"} - _mended(records))
    if failed:
        return "failed: " + ", ".join(failed)
    canceled = {r.label for r in records if r.state.name == "CANCELED" and not r.skipped_because} - _mended(records)
    if canceled:
        return "interrupted: " + ", ".join(sorted(canceled))
    return "running" if any(record.state.name == "RUNNING" for record in records) else "complete" if records else "-"


def _mended(records: list[ExecutionRecord]) -> set[str]:
    """Nodes that a later attempt of the same run completed."""
    return {record.label for record in records if record.state.name in ("COMPLETE", "CACHED")}


def _pushed(records: list[ExecutionRecord]) -> set[str]:
    artifacts = [a for record in records for group in record.outputs.values() for a in group]
    pushed = (
        a.custom_properties.get("pushed_destination") for a in artifacts if a.custom_properties.get("pushed") == 1
    )
    return {str(place) for place in pushed}
