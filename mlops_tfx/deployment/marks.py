"""Models that are not to be pushed again: a mark on their artifact in the store, which Pusher finds on its input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact, PushedModel

if TYPE_CHECKING:
    from mlops_tfx.metadata import ExecutionRecord, MetadataStore

DO_NOT_PUSH = "do_not_push"
ROLLBACK_NODE = "rollback"
_SOURCES = ("model", "infra_blessing")


def reason_not_to_push(model: Artifact) -> str:
    """Returns why a model is not to be pushed; empty if it may be."""
    return str(model.custom_properties.get(DO_NOT_PUSH, ""))


def hold_back(store: MetadataStore, models: Iterable[Artifact], reason: str) -> None:
    """Marks models, by their artifacts in the store."""
    store.annotate(models, {DO_NOT_PUSH: reason})


def let_go(store: MetadataStore, models: Iterable[Artifact]) -> None:
    """Takes the marks away."""
    store.annotate([model for model in models if reason_not_to_push(model)], {DO_NOT_PUSH: None})


def pushes_by_place(records: Iterable[ExecutionRecord]) -> dict[str, list[ExecutionRecord]]:
    """Returns the executions that pushed each version, by its folder."""
    found: dict[str, list[ExecutionRecord]] = {}
    for record in records:
        for artifact in (artifact for group in record.outputs.values() for artifact in group):
            place = artifact.custom_properties.get("pushed_destination")
            if isinstance(artifact, PushedModel) and place:
                found.setdefault(str(place), []).append(record)
    return found


def sources(pushes: Mapping[str, Sequence[ExecutionRecord]], destination: str, version: int) -> list[Artifact]:
    """Returns the artifacts that were pushed as a version, each once.

    Args:
        pushes: what ``pushes_by_place`` returns.
        destination: the folder of versions.
        version: its number. What ``rollback`` published has the sources of the version that it copied.
    """
    found: dict[int, Artifact] = {}
    for record in pushes.get(filesystem.join(destination, str(version)), ()):
        if record.node_id == ROLLBACK_NODE:
            copied = sources(pushes, destination, int(record.properties["to_version"]))
        else:
            copied = [artifact for name in _SOURCES for artifact in record.inputs.get(name, [])][:1]
        found.update({artifact.id: artifact for artifact in copied})
    return list(found.values())
