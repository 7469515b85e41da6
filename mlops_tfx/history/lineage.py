"""What an artifact was made from, and what was made from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_tfx.artifacts import CONTENT_DIGEST

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Artifact
    from mlops_tfx.metadata import ExecutionRecord, MetadataStore

_SHOWN = ("span", "version", "input_fingerprint", "pushed_version", "blessed")


@dataclass
class Lineage:
    """A part of the graph of artifacts and executions.

    Attributes:
        root: the artifact that was asked about.
        downstream: whether it leads to what was made from it, and not to what it was made from.
        artifacts: by id.
        steps: the execution that leads on from each artifact: that made it, or those that took it.
    """

    root: Artifact
    downstream: bool
    artifacts: dict[int, Artifact] = field(default_factory=dict)
    steps: dict[int, list[ExecutionRecord]] = field(default_factory=dict)

    def next(self, record: ExecutionRecord) -> Mapping[str, list[Artifact]]:
        """What lies beyond an execution."""
        return record.outputs if self.downstream else record.inputs

    def to_dict(self) -> dict[str, Any]:
        """For JSON: artifacts, executions, and the edges between them as ids."""
        records = {record.id: record for steps in self.steps.values() for record in steps}
        return {
            "root": self.root.id,
            "artifacts": [describe(artifact) for artifact in self.artifacts.values()],
            "executions": [_execution(record) for record in records.values()],
        }

    def lines(self) -> Iterator[str]:
        """The graph as a tree of text; what came before is not repeated."""
        yield _text(self.root, self._by(self.root))
        yield from self._branches(self.root, "", {self.root.id})

    def _branches(self, artifact: Artifact, indent: str, seen: set[int]) -> Iterator[str]:
        edges = [
            (key, beyond)
            for record in self.steps.get(artifact.id, ())
            for key, group in self.next(record).items()
            for beyond in group
        ]
        for number, (key, beyond) in enumerate(edges):
            last = number == len(edges) - 1
            again = beyond.id in seen
            text = _text(beyond, "see above" if again else self._by(beyond))
            yield f"{indent}{'└─' if last else '├─'} {key}: {text}"
            if not again:
                seen.add(beyond.id)
                yield from self._branches(beyond, indent + ("   " if last else "│  "), seen)

    def _by(self, artifact: Artifact) -> str:
        steps = self.steps.get(artifact.id, [])
        words = [f"{record.label}, run {record.run_id}" for record in steps]
        return ("taken by " if self.downstream else "by ") + "; ".join(words) if words else "nothing further is known"


def lineage(store: MetadataStore, artifact: Artifact, downstream: bool = False) -> Lineage:
    """Follows an artifact back to the data it came from, or on to all that was made from it.

    Every generation is asked for at once: the number of queries grows with the depth, not with the number of artifacts.
    """
    found = Lineage(artifact, downstream, {artifact.id: artifact})
    generation = [artifact]
    while generation:
        records = store.executions_with_inputs(generation) if downstream else store.executions_with_outputs(generation)
        beyond: dict[int, Artifact] = {}
        for each in generation:
            found.steps[each.id] = _leading(records, each, downstream)
            for record in found.steps[each.id]:
                for group in found.next(record).values():
                    beyond.update({other.id: other for other in group if other.id not in found.artifacts})
        found.artifacts.update(beyond)
        generation = list(beyond.values())
    return found


def _leading(records: Iterable[ExecutionRecord], artifact: Artifact, downstream: bool) -> list[ExecutionRecord]:
    """The execution that made the artifact, and not those that used it again; or all that took it and put out."""

    def has(groups: Mapping[str, list[Artifact]]) -> bool:
        return any(other.id == artifact.id for group in groups.values() for other in group)

    if downstream:
        return [record for record in records if has(record.inputs) and record.state.name == "COMPLETE"]
    makers = [record for record in records if has(record.outputs)]
    # A Resolver's output was made by another node; an artifact that was only ever found has no maker but its importer.
    made = [record for record in makers if record.state.name == "COMPLETE"]
    return (made or makers)[:1]


def describe(artifact: Artifact) -> dict[str, Any]:
    """An artifact as plain data."""
    return {
        "id": artifact.id,
        "type": artifact.TYPE_NAME,
        "uri": artifact.recorded_uri,
        "state": artifact.state.name,
        "properties": dict(artifact.properties),
        "custom_properties": dict(artifact.custom_properties),
    }


def _execution(record: ExecutionRecord) -> dict[str, Any]:
    def ids(groups: Mapping[str, list[Artifact]]) -> dict[str, list[int]]:
        return {key: [artifact.id for artifact in group] for key, group in groups.items()}

    return {
        "id": record.id,
        "node": record.label,
        "run_id": record.run_id,
        "state": record.state.name,
        "began": record.created.isoformat(),
        "inputs": ids(record.inputs),
        "outputs": ids(record.outputs),
    }


def _text(artifact: Artifact, by: str) -> str:
    known = {**artifact.properties, **artifact.custom_properties}
    words = [f"{name} {known[name]}" for name in _SHOWN if known.get(name) not in (None, "", 0)]
    digest = str(known.get(CONTENT_DIGEST, ""))[:12]
    words += [f"digest {digest}"] if digest else []
    words += ["deleted"] if artifact.state.name == "DELETED" else []
    told = f" [{', '.join(words)}]" if words else ""
    return f"{artifact.TYPE_NAME} {artifact.id}{told} {artifact.recorded_uri} ({by})"
