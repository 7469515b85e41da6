"""Everything that is asked of the store. TFX's rules for which artifacts a resolver sees (its channel_resolver.py)."""

from __future__ import annotations

import datetime
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlops_tfx.metadata.contexts import Contexts, node_context_name
from mlops_tfx.metadata.records import ExecutionRecord, ExecutionState
from mlops_tfx.metadata.rows import event_places, read_artifacts
from mlops_tfx.metadata.types import EXECUTION_CACHE, NODE, PIPELINE, PIPELINE_RUN, TypeRegistry
from mlops_tfx.metadata.values import read_values

if TYPE_CHECKING:
    from ml_metadata.proto import metadata_store_pb2 as pb

    from mlops_tfx.artifacts import Artifact
    from mlops_tfx.metadata.session import Session

    Row = pb.Artifact | pb.Execution | pb.Context

EXECUTION_RESULT = "__execution_result__"
IDENTITY_KEYS = {PIPELINE: "__pipeline_name__", PIPELINE_RUN: "__run_id__", NODE: "__node_id__"}

_BATCH = 500
Identity = dict[str, str]


class Queries:
    """Reads executions and artifacts."""

    def __init__(self, session: Session, types: TypeRegistry, contexts: Contexts) -> None:
        self._session = session
        self._types = types
        self._contexts = contexts

    def find_cached(self, cache_key: str) -> Iterator[Mapping[str, list[Artifact]]]:
        """Yields outputs of successful executions, newest first, where all outputs are LIVE."""
        from ml_metadata.proto import metadata_store_pb2 as pb

        done = (pb.Execution.COMPLETE, pb.Execution.CACHED)
        found = self._executions_in([self._contexts.find(EXECUTION_CACHE, cache_key)])
        for row in _newest_first(row for row in found if row.last_known_state in done):
            events = [event for event in self._events([row.id]) if event.type in _output_events()]
            artifacts = self._artifacts(event.artifact_id for event in events)
            if all(row.state == pb.Artifact.LIVE for row in artifacts.values()):
                yield self._by_key(events, self._read(artifacts.values()))

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
        names = [(PIPELINE, pipeline_name)]
        names += [(PIPELINE_RUN, run_id)] if run_id is not None else []
        names += [(NODE, node_context_name(pipeline_name, producer))] if producer is not None else []
        executions = self._executions_in([self._contexts.find(kind, name) for kind, name in names])
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
        names = [(PIPELINE, pipeline_name)] if pipeline_name is not None else []
        names += [(PIPELINE_RUN, run_id)] if run_id is not None else []
        if node_id is not None and pipeline_name is not None:
            names += [(NODE, node_context_name(pipeline_name, node_id))]
        if names:
            rows = self._executions_in([self._contexts.find(kind, name) for kind, name in names])
        else:
            rows = self._session.read(lambda store: store.get_executions())
        wanted = [row for row in rows if states is None or row.last_known_state in states]
        records = self._records(sorted(wanted, key=_age))
        return [record for record in records if node_id is None or record.node_id == node_id]

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
        return [row.name for row in _newest_first(row for row in children if row.type_id == run_type)]

    def _executions_in(self, context_ids: Sequence[int | None]) -> list[pb.Execution]:
        # Executions that are in all contexts; a context that does not exist holds none.
        found: dict[int, pb.Execution] = {}
        for number, context_id in enumerate(context_ids):
            if context_id is None:
                return []
            rows = self._in_context(context_id)
            found = {row.id: row for row in rows if number == 0 or row.id in found}
        return list(found.values())

    def _in_context(self, context_id: int) -> list[pb.Execution]:
        return self._session.read(lambda store: store.get_executions_by_context(context_id))

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

    def _by_key(self, events: Iterable[pb.Event], artifacts: Iterable[Artifact]) -> dict[str, list[Artifact]]:
        by_id = {artifact.id: artifact for artifact in artifacts}
        places: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for event in events:
            for key, index in event_places(event):
                places[key].append((index, event.artifact_id))
        return {key: [by_id[i] for _, i in sorted(places[key]) if i in by_id] for key in sorted(places)}

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
        identity = self._identity(row)
        ins = [event for event in events if event.type in _input_events()]
        outs = [event for event in events if event.type in _output_events()]
        return ExecutionRecord(
            id=row.id,
            node_id=identity.get(NODE, ""),
            run_id=identity.get(PIPELINE_RUN, ""),
            pipeline_name=identity.get(PIPELINE, ""),
            type_name=type_name,
            state=ExecutionState(row.last_known_state),
            properties={
                **read_values(row.properties),
                **read_values(row.custom_properties, skip={EXECUTION_RESULT, *IDENTITY_KEYS.values()}),
            },
            created=_moment(row.create_time_since_epoch),
            updated=_moment(row.last_update_time_since_epoch),
            error=_error_text(row),
            inputs=self._by_key(ins, artifacts.values()),
            outputs=self._by_key(outs, artifacts.values()),
        )

    def _identity(self, row: pb.Execution) -> Identity:
        noted = {kind: row.custom_properties[key].string_value for kind, key in IDENTITY_KEYS.items()
                 if key in row.custom_properties}  # fmt: skip
        if len(noted) == len(IDENTITY_KEYS):
            return noted
        # Written by TFX.
        contexts = self._session.read(lambda store: store.get_contexts_by_execution(row.id))
        names = {context.type: context.name for context in contexts}
        pipeline = names.get(PIPELINE, "")
        return {**names, NODE: names.get(NODE, "").removeprefix(f"{pipeline}.")}


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


def _age(row: Any) -> tuple[int, int]:
    # Times are in milliseconds: two rows of one moment are told apart by their ids.
    return (row.create_time_since_epoch, row.id)


def _newest_first(rows: Iterable[Any]) -> list[Any]:
    return sorted(rows, key=_age, reverse=True)


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
