"""Everything that is asked of the store. TFX's rules for which artifacts a resolver sees (its channel_resolver.py)."""

from __future__ import annotations

import datetime
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlops_tfx.metadata.identity import IDENTITY_KEYS, NAME_KEYS, Identities, context_names
from mlops_tfx.metadata.records import ExecutionRecord, ExecutionState
from mlops_tfx.metadata.rows import event_places, read_artifacts
from mlops_tfx.metadata.types import EXECUTION_CACHE, INTERACTIVE_RUN, NODE, PIPELINE, PIPELINE_RUN, TypeRegistry
from mlops_tfx.metadata.values import read_values

if TYPE_CHECKING:
    from ml_metadata.metadata_store import metadata_store as mlmd
    from ml_metadata.proto import metadata_store_pb2 as pb

    from mlops_tfx.artifacts import Artifact
    from mlops_tfx.metadata.contexts import Contexts
    from mlops_tfx.metadata.session import Session

EXECUTION_RESULT = "__execution_result__"

_BATCH = 500


class Queries:
    """Reads executions and artifacts."""

    def __init__(self, session: Session, types: TypeRegistry, contexts: Contexts) -> None:
        self._session = session
        self._types = types
        self._contexts = contexts
        self._identities = Identities(session)

    def find_cached(self, cache_key: str) -> Iterator[Mapping[str, list[Artifact]]]:
        """Yields outputs of successful executions, newest first, where all outputs are LIVE."""
        from ml_metadata.proto import metadata_store_pb2 as pb

        done = (pb.Execution.COMPLETE, pb.Execution.CACHED)
        found = self._in_context(self._contexts.find(EXECUTION_CACHE, cache_key))
        for row in _newest_first(row for row in found if row.last_known_state in done):
            events = [event for event in self._events([row.id]) if event.type in _output_events()]
            artifacts = self._artifacts(event.artifact_id for event in events)
            if all(row.state == pb.Artifact.LIVE for row in artifacts.values()):
                yield _by_key(events, {artifact.id: artifact for artifact in self._read(artifacts.values())})

    def latest(
        self,
        artifact_type: type[Artifact],
        pipeline_name: str,
        run_id: str | None,
        producer: str | None,
        output_key: str | None,
        limit: int | None,
    ) -> list[Artifact]:
        """Returns the newest LIVE artifacts put out by executions that are in all the contexts."""
        executions = self._executions(context_names(pipeline_name, run_id, producer))
        events = [event for event in self._events(row.id for row in executions) if _puts_out(event, output_key)]
        rows = self._of_type(self._artifacts(event.artifact_id for event in events).values(), artifact_type)
        return self._read(_newest_first(rows)[:limit])

    def artifacts_of_type(self, artifact_type: type[Artifact], pipeline_name: str | None) -> list[Artifact]:
        """Returns the LIVE artifacts of a type, newest first."""
        if pipeline_name is None:
            rows = self._session.read(lambda store: store.get_artifacts_by_type(artifact_type.TYPE_NAME))
        else:
            context_id = self._contexts.find(PIPELINE, pipeline_name)
            rows = self._session.read(lambda store: store.get_artifacts_by_context(context_id)) if context_id else []
        return self._read(_newest_first(self._of_type(rows, artifact_type)))

    def find_imported(
        self,
        uri: str,
        artifact_type: type[Artifact],
        properties: Mapping[str, Any],
        custom_properties: Mapping[str, Any],
    ) -> Artifact | None:
        """Returns the newest LIVE artifact of a place and type that has these properties."""
        rows = self._session.read(lambda store: store.get_artifacts_by_uri(uri))
        for artifact in self._read(_newest_first(self._of_type(rows, artifact_type))):
            if _has(artifact.properties, properties) and _has(artifact.custom_properties, custom_properties):
                return artifact
        return None

    def executions(
        self,
        pipeline_name: str | None,
        run_id: str | None,
        node_id: str | None,
        states: Collection[ExecutionState] | None,
    ) -> list[ExecutionRecord]:
        """Returns executions in the order in which they began."""
        names = context_names(pipeline_name, run_id, node_id)
        rows = sorted(self._executions(names, states), key=_by_id)
        records = self._records([row for row in rows if states is None or row.last_known_state in states])
        return [record for record in records if node_id is None or record.node_id == node_id]

    def executions_of_artifacts(self, artifact_ids: Iterable[int], as_inputs: bool) -> list[ExecutionRecord]:
        """Returns the executions that took artifacts as inputs, or put them out, in the order in which they began."""
        kinds = _input_events() if as_inputs else _output_events()
        batches = _batches(artifact_ids)
        events = self._session.read(
            lambda store: [event for ids in batches for event in store.get_events_by_artifact_ids(ids)]
        )
        found = _batches({event.execution_id for event in events if event.type in kinds})
        rows = self._session.read(lambda store: [row for ids in found for row in store.get_executions_by_id(ids)])
        return self._records(sorted(rows, key=_by_id))

    def pipelines(self) -> list[str]:
        """Returns the names of all pipelines, sorted."""
        rows = self._session.read(lambda store: store.get_contexts_by_type(PIPELINE))
        return sorted(row.name for row in rows)

    def runs(self, pipeline_name: str) -> list[str]:
        """Returns the ids of all runs of a pipeline, newest first."""
        pipeline = self._contexts.find(PIPELINE, pipeline_name)
        if pipeline is None:
            return []
        children = self._session.read(lambda store: store.get_children_contexts_by_context(pipeline))
        run_type = self._types.context_type(PIPELINE_RUN)
        found = {row.id: row.name for row in children if row.type_id == run_type}
        for row in self._session.read(lambda store: store.get_contexts_by_type(INTERACTIVE_RUN)):
            if row.properties["pipeline_name"].string_value == pipeline_name:
                found[row.id] = row.properties["run_id"].string_value
        return [found[context_id] for context_id in sorted(found, reverse=True)]

    def _executions(
        self, names: Mapping[str, str], states: Collection[ExecutionState] | None = None
    ) -> list[pb.Execution]:
        # Asks for those of the context that has the fewest, and looks at each whether it is in the others as well.
        for kind in (PIPELINE_RUN, NODE, PIPELINE):
            if kind in names and (states is None or kind == PIPELINE_RUN):
                context_id = self._contexts.find(kind, names[kind]) or self._interactive(kind, names)
                rows = self._in_context(context_id)
                break
        else:
            rows = self._in_states(states)
        wanted = set(names.items())
        return [row for row in rows if wanted <= self._identities.contexts_of(row)]

    def _interactive(self, kind: str, names: Mapping[str, str]) -> int | None:
        """The context of TFX's InteractiveContext that has all executions of a run or node, and maybe others."""
        if PIPELINE not in names or kind == PIPELINE:
            return None
        if kind == PIPELINE_RUN:
            return self._contexts.find(INTERACTIVE_RUN, f"{names[PIPELINE]}.{names[kind]}")
        return self._contexts.find(PIPELINE, names[PIPELINE])

    def _in_context(self, context_id: int | None) -> list[pb.Execution]:
        if context_id is None:
            return []
        return self._session.read(lambda store: store.get_executions_by_context(context_id))

    def _in_states(self, states: Collection[ExecutionState] | None) -> list[pb.Execution]:
        from ml_metadata.metadata_store import ListOptions

        if not states:
            return self._session.read(lambda store: store.get_executions())
        query = " OR ".join(f"last_known_state = {state.name}" for state in sorted(states))
        return self._session.read(lambda store: _filtered(store, ListOptions(filter_query=query)))

    def _events(self, execution_ids: Iterable[int]) -> list[pb.Event]:
        batches = _batches(execution_ids)
        return self._session.read(
            lambda store: [event for ids in batches for event in store.get_events_by_execution_ids(ids)]
        )

    def _artifacts(self, artifact_ids: Iterable[int]) -> dict[int, pb.Artifact]:
        batches = _batches(artifact_ids)
        rows = self._session.read(lambda store: [row for ids in batches for row in store.get_artifacts_by_id(ids)])
        return {row.id: row for row in rows}

    def _of_type(self, rows: Iterable[pb.Artifact], artifact_type: type[Artifact]) -> list[pb.Artifact]:
        from ml_metadata.proto import metadata_store_pb2 as pb

        rows = list(rows)
        names = self._types.artifact_type_names(row.type_id for row in rows)
        name = artifact_type.TYPE_NAME
        return [row for row in rows if names[row.type_id] == name and row.state == pb.Artifact.LIVE]

    def _read(self, rows: Iterable[pb.Artifact]) -> list[Artifact]:
        return read_artifacts(rows, self._types)

    def _records(self, rows: Sequence[pb.Execution]) -> list[ExecutionRecord]:
        types = self._types.execution_type_names(row.type_id for row in rows)
        events: dict[int, list[pb.Event]] = defaultdict(list)
        for event in self._events(row.id for row in rows):
            events[event.execution_id].append(event)
        artifact_ids = (event.artifact_id for group in events.values() for event in group)
        artifacts = {a.id: a for a in self._read(self._artifacts(artifact_ids).values())}
        return [self._record(row, types[row.type_id], events[row.id], artifacts) for row in rows]

    def _record(
        self, row: pb.Execution, type_name: str, events: list[pb.Event], artifacts: Mapping[int, Artifact]
    ) -> ExecutionRecord:
        identity = self._identities.of(row)
        ins = [event for event in events if event.type in _input_events()]
        outs = [event for event in events if event.type in _output_events()]
        return ExecutionRecord(
            id=row.id,
            node_id=identity.node_id,
            run_id=identity.run_id,
            pipeline_name=identity.pipeline_name,
            type_name=type_name,
            state=ExecutionState(row.last_known_state),
            properties={
                **read_values(row.properties),
                **read_values(row.custom_properties, skip={EXECUTION_RESULT, *IDENTITY_KEYS}),
            },
            created=_moment(row.create_time_since_epoch),
            updated=_moment(row.last_update_time_since_epoch),
            error=_error_text(row),
            inputs=_by_key(ins, artifacts),
            outputs=_by_key(outs, artifacts),
            label=identity.label,
            within=tuple(place.node_id for place in identity.within),
            is_foreign=not all(key in row.custom_properties for key in NAME_KEYS),
        )


def _output_events() -> tuple[int, ...]:
    from ml_metadata.proto import metadata_store_pb2 as pb

    return (pb.Event.OUTPUT, pb.Event.INTERNAL_OUTPUT, pb.Event.DECLARED_OUTPUT)


def _input_events() -> tuple[int, ...]:
    from ml_metadata.proto import metadata_store_pb2 as pb

    return (pb.Event.INPUT, pb.Event.INTERNAL_INPUT, pb.Event.DECLARED_INPUT)


def _puts_out(event: pb.Event, output_key: str | None) -> bool:
    fits = output_key is None or output_key in {key for key, _ in event_places(event)}
    return event.type in _output_events() and fits


def _has(values: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(name in values and values[name] == value for name, value in wanted.items())


def _by_key(events: Iterable[pb.Event], artifacts: Mapping[int, Artifact]) -> dict[str, list[Artifact]]:
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for event in events:
        for key, index in event_places(event):
            places[key].append((index, event.artifact_id))
    return {key: [artifacts[i] for _, i in sorted(places[key]) if i in artifacts] for key in sorted(places)}


def _filtered(store: mlmd.MetadataStore, options: Any) -> list[pb.Execution]:
    from ml_metadata import errors

    try:
        return list(store.get_executions(options))
    except errors.AbortedError:
        raise
    except errors.StatusError:
        # ml_metadata from 1.21 on is built without the parser of filters: ask for all, and let the caller choose.
        return list(store.get_executions())


def _by_id(row: Any) -> int:
    # Ids grow with every row; clocks may go backwards.
    return int(row.id)


def _newest_first(rows: Iterable[Any]) -> list[Any]:
    return sorted(rows, key=_by_id, reverse=True)


def _batches(ids: Iterable[int]) -> list[list[int]]:
    distinct = sorted(set(ids))
    return [distinct[start : start + _BATCH] for start in range(0, len(distinct), _BATCH)]


def _moment(milliseconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(milliseconds / 1000, tz=datetime.timezone.utc)


def _error_text(row: pb.Execution) -> str:
    if EXECUTION_RESULT not in row.custom_properties:
        return ""
    text = str(row.custom_properties[EXECUTION_RESULT].string_value)
    try:
        result = json.loads(text)
    except ValueError:
        return text
    return str(result.get("resultMessage") or result.get("result_message") or "")
