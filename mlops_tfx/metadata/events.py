"""``tfx.orchestration.portable.mlmd.execution_lib``: what an execution read and wrote."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mlops_tfx.metadata.rows import event_places, read_artifacts

if TYPE_CHECKING:
    from ml_metadata.metadata_store import metadata_store as mlmd
    from ml_metadata.proto import metadata_store_pb2 as pb

    from mlops_tfx.artifacts import Artifact
    from mlops_tfx.metadata.handle import Metadata

_OUTPUTS = ("OUTPUT", "DECLARED_OUTPUT", "INTERNAL_OUTPUT")
_INPUTS = ("INPUT", "DECLARED_INPUT", "INTERNAL_INPUT")


def get_output_artifacts(metadata_handle: Metadata, execution_id: int) -> dict[str, list[Artifact]]:
    """Returns the artifacts that an execution wrote, by output name; none for an id that is not there."""
    return get_artifacts_dict(metadata_handle, execution_id, _event_types(_OUTPUTS))


def get_input_artifacts(metadata_handle: Metadata, execution_id: int) -> dict[str, list[Artifact]]:
    """Returns the artifacts that an execution read, by input name; none for an id that is not there."""
    return get_artifacts_dict(metadata_handle, execution_id, _event_types(_INPUTS))


def get_artifacts_dict(
    metadata_handle: Metadata, execution_id: int, event_types: Collection[int]
) -> dict[str, list[Artifact]]:
    """Returns artifacts of an execution by name, in their order there; TFX's function of releases before 1.12.

    Args:
        metadata_handle: an open handle.
        execution_id: of the execution.
        event_types: those of ``metadata_store_pb2.Event`` that count.
    """
    store = metadata_handle.store
    events = [each for each in store.get_events_by_execution_ids([execution_id]) if each.type in event_types]
    rows = store.get_artifacts_by_id(sorted({event.artifact_id for event in events}))
    artifacts = {artifact.id: artifact for artifact in read_artifacts(rows, _TypeNames(store))}
    places = sorted((*place, event.artifact_id) for event in events for place in event_places(event))
    found: dict[str, list[Artifact]] = {}
    for key, _, artifact_id in places:
        found.setdefault(key, []).append(artifacts[artifact_id])
    return found


def is_execution_successful(execution: pb.Execution) -> bool:
    """Whether an execution is complete or cached."""
    return _state(execution) in ("COMPLETE", "CACHED")


def is_execution_active(execution: pb.Execution) -> bool:
    """Whether an execution is new or running."""
    return _state(execution) in ("NEW", "RUNNING")


def is_execution_running(execution: pb.Execution) -> bool:
    """Whether an execution is running."""
    return _state(execution) == "RUNNING"


def is_execution_canceled(execution: pb.Execution) -> bool:
    """Whether an execution was canceled."""
    return _state(execution) == "CANCELED"


def is_execution_failed(execution: pb.Execution) -> bool:
    """Whether an execution failed."""
    return _state(execution) == "FAILED"


def sort_executions_newest_to_oldest(executions: Iterable[pb.Execution]) -> list[pb.Execution]:
    """Returns executions by the time they were made, the newest first."""
    return sorted(executions, key=lambda execution: int(execution.create_time_since_epoch), reverse=True)


def get_executions_associated_with_all_contexts(
    metadata_handle: Metadata, contexts: Iterable[pb.Context]
) -> list[pb.Execution]:
    """Returns the executions that are in every one of the contexts, the oldest first."""
    groups = [
        {execution.id: execution for execution in metadata_handle.store.get_executions_by_context(context.id)}
        for context in contexts
    ]
    first, rest = (groups[0], groups[1:]) if groups else ({}, [])
    return [first[number] for number in sorted(first) if all(number in group for group in rest)]


class _TypeNames:
    """The names of artifact types, asked from a store."""

    def __init__(self, store: mlmd.MetadataStore) -> None:
        self._store = store

    def artifact_type_names(self, type_ids: Iterable[int]) -> Mapping[int, str]:
        """Returns the name of each id."""
        return {kind.id: kind.name for kind in self._store.get_artifact_types_by_id(sorted(set(type_ids)))}


def _event_types(names: Iterable[str]) -> list[int]:
    from ml_metadata.proto import metadata_store_pb2 as pb

    return [pb.Event.Type.Value(name) for name in names]


def _state(execution: Any) -> str:
    return str(type(execution).State.Name(execution.last_known_state))
