"""MetadataStore: the one class through which pipelines write and read ML Metadata."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlops_tfx.artifacts import Artifact, ArtifactState
from mlops_tfx.errors import MetadataError
from mlops_tfx.metadata import rows
from mlops_tfx.metadata.contexts import Contexts, node_context_name
from mlops_tfx.metadata.identity import identity_properties
from mlops_tfx.metadata.queries import EXECUTION_RESULT, Queries
from mlops_tfx.metadata.records import ExecutionRecord, ExecutionState, NodeIdentity
from mlops_tfx.metadata.session import TIMEOUT_SECONDS, Session
from mlops_tfx.metadata.types import NODE, TypeRegistry
from mlops_tfx.metadata.values import clean_text, shorten, write_value

if TYPE_CHECKING:
    from types import TracebackType

    from ml_metadata.metadata_store import metadata_store as mlmd
    from ml_metadata.proto import metadata_store_pb2 as pb

    from mlops_tfx.connection import ConnectionConfig

    Pairs = list[rows.Pair]

_DONE = (ExecutionState.COMPLETE, ExecutionState.CACHED)
_FAILED = (ExecutionState.FAILED, ExecutionState.CANCELED)
_GRPC_UNKNOWN = 2


class MetadataStore:
    """A store of executions and artifacts. Use it as a context manager, or call ``close``.

    One object may serve many threads, and several processes may have the same SQLite file open: their writes take
    turns, by a lock file beside it. Every method that writes an execution does so in one transaction, so a process that
    is killed leaves either nothing of it or all.

    Args:
        connection: where the store lies.
        read_only: never make or change anything; the store must exist.
        timeout_seconds: how long a call waits for other writers.

    Raises:
        MetadataError: the store cannot be opened; every method raises it when the store refuses.
    """

    def __init__(
        self, connection: ConnectionConfig, *, read_only: bool = False, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._session = Session(connection, read_only=read_only, timeout_seconds=timeout_seconds)
        self._types = TypeRegistry(self._session)
        self._contexts = Contexts(self._session, self._types)
        self._queries = Queries(self._session, self._types, self._contexts)

    def __enter__(self) -> MetadataStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; a second time is fine."""
        self._session.close()

    # Writing

    def begin(
        self,
        node: NodeIdentity,
        *,
        inputs: Mapping[str, Sequence[Artifact]],
        properties: Mapping[str, Any],
        cache_key: str | None,
    ) -> int:
        """Records that a node runs, with its inputs, and returns the id of the execution.

        Args:
            node: which node of which run.
            inputs: artifacts that are in the store, by input name.
            properties: parameters and notes: int, float, str, bool, list or dict; None leaves one out.
            cache_key: under which ``find_cached`` finds the result later.
        """
        row = self._new_execution(node, properties, ExecutionState.RUNNING)
        self._put(row, self._input_pairs(node, inputs), self._contexts.of_node(node, cache_key))
        return int(row.id)

    def finish(
        self,
        execution_id: int,
        node: NodeIdentity,
        outputs: Mapping[str, Sequence[Artifact]],
        properties: Mapping[str, Any] | None = None,
    ) -> None:
        """Records that an execution is complete: new artifacts become LIVE and get their ids, all in one transaction.

        ``properties`` are added to those of ``begin``; a name that is there already gets the new value.
        """
        from ml_metadata.proto import metadata_store_pb2 as pb

        pairs, new = self._output_pairs(outputs, pb.Event.OUTPUT)

        def write(store: mlmd.MetadataStore) -> list[int]:
            row = _execution(store, execution_id)
            _check_open(row)
            row.last_known_state = pb.Execution.COMPLETE
            row.custom_properties.pop(EXECUTION_RESULT, None)
            _write_properties(row, properties or {})
            contexts = store.get_contexts_by_execution(execution_id)
            _check_node(row, node, contexts)
            return _put_execution(store, row, pairs, contexts)[1]

        _adopt_ids(new, pairs, self._session.write(write))

    def publish(
        self,
        node: NodeIdentity,
        *,
        inputs: Mapping[str, Sequence[Artifact]],
        outputs: Mapping[str, Sequence[Artifact]],
        properties: Mapping[str, Any],
        cache_key: str | None = None,
        state: ExecutionState = ExecutionState.COMPLETE,
        internal_output: bool = False,
    ) -> int:
        """Records an execution that is done already, in one transaction, and returns its id.

        For cached results (``state=CACHED``), importers, resolvers (``internal_output=True``), and nodes that a
        condition skipped (``state=CANCELED``, no outputs). Outputs that are in
        the store are only linked; new ones become LIVE and get their ids.
        """
        from ml_metadata.proto import metadata_store_pb2 as pb

        _check_state(state, (*_DONE, ExecutionState.CANCELED))
        row = self._new_execution(node, properties, state)
        contexts = self._contexts.of_node(node, cache_key)
        kind = pb.Event.INTERNAL_OUTPUT if internal_output else pb.Event.OUTPUT
        ours, new = self._output_pairs(outputs, kind)
        theirs = self._input_pairs(node, inputs)
        _adopt_ids(new, ours, self._put(row, ours + theirs, contexts))
        return int(row.id)

    def fail(self, execution_id: int, error_text: str, state: ExecutionState = ExecutionState.FAILED) -> None:
        """Records that an execution failed (or was CANCELED), and why.

        A text beyond 60,000 characters loses its middle. It is stored where TFX keeps it (``__execution_result__``).
        """
        _check_state(state, _FAILED)
        message = shorten(clean_text(error_text))
        result = json.dumps({"resultMessage": message, "code": _GRPC_UNKNOWN}, ensure_ascii=False)

        def write(store: mlmd.MetadataStore) -> None:
            row = _execution(store, execution_id)
            _check_open(row)
            row.last_known_state = int(state)
            row.custom_properties[EXECUTION_RESULT].string_value = result
            store.put_executions([row])

        self._session.write(write)

    def annotate(self, artifacts: Iterable[Artifact], properties: Mapping[str, int | float | str | None]) -> None:
        """Gives published artifacts custom properties, in the store and in the objects; None takes one away."""
        known = {artifact.id: artifact for artifact in artifacts}

        def write(store: mlmd.MetadataStore) -> None:
            _check_known(store, set(known))
            found = store.get_artifacts_by_id(sorted(known))
            for row in found:
                rows.annotate(row, properties)
            store.put_artifacts(found)

        if known:
            self._session.write(write)
        for artifact in known.values():
            for name, value in properties.items():
                artifact.custom_properties.pop(name, None)
                artifact.custom_properties.update({} if value is None else {name: value})

    def change_state(self, artifacts: Iterable[Artifact], state: ArtifactState) -> None:
        """Gives published artifacts another state, in the store and in the objects."""
        known = {artifact.id: artifact for artifact in artifacts}

        def write(store: mlmd.MetadataStore) -> None:
            _check_known(store, set(known))
            found = store.get_artifacts_by_id(sorted(known))
            for row in found:
                row.state = int(state)
            store.put_artifacts(found)

        if known:
            self._session.write(write)
        for artifact in known.values():
            artifact.state = state

    # Reading

    def find_cached(self, cache_key: str) -> Iterator[Mapping[str, list[Artifact]]]:
        """Yields the outputs of successful executions with this key, newest first, where all are still LIVE."""
        return self._queries.find_cached(cache_key)

    def latest(
        self,
        artifact_type: type[Artifact],
        *,
        pipeline_name: str,
        run_id: str | None = None,
        producer: str | None = None,
        output_key: str | None = None,
        limit: int | None = 1,
    ) -> list[Artifact]:
        """Returns the newest LIVE artifacts of a type that a pipeline put out, newest first.

        Args:
            artifact_type: the class; its TYPE_NAME is compared.
            pipeline_name: the pipeline.
            run_id: only of this run.
            producer: only of this node.
            output_key: only of this output of the node.
            limit: at most so many; None for all.
        """
        return self._queries.latest(artifact_type, pipeline_name, run_id, producer, output_key, limit)

    def artifacts_of_type(self, artifact_type: type[Artifact], pipeline_name: str | None = None) -> list[Artifact]:
        """Returns the LIVE artifacts of a type, newest first; with a pipeline's name only what it made or used."""
        return self._queries.artifacts_of_type(artifact_type, pipeline_name)

    def find_imported(
        self,
        uri: str,
        artifact_type: type[Artifact],
        properties: Mapping[str, int | float | str],
        custom_properties: Mapping[str, int | float | str],
    ) -> Artifact | None:
        """Returns the newest LIVE artifact of this place and type that has these properties (and maybe more)."""
        return self._queries.find_imported(uri, artifact_type, properties, custom_properties)

    def executions(
        self,
        pipeline_name: str | None = None,
        run_id: str | None = None,
        node_id: str | None = None,
        states: Collection[ExecutionState] | None = None,
    ) -> list[ExecutionRecord]:
        """Returns executions in the order in which they began; every argument narrows the choice."""
        return self._queries.executions(pipeline_name, run_id, node_id, states)

    def executions_with_inputs(self, artifacts: Iterable[Artifact]) -> list[ExecutionRecord]:
        """Returns the executions that took any of these artifacts, in the order in which they began."""
        return self._queries.executions_of_artifacts([artifact.id for artifact in artifacts], as_inputs=True)

    def executions_with_outputs(self, artifacts: Iterable[Artifact]) -> list[ExecutionRecord]:
        """Returns the executions that put out any of these artifacts, in the order in which they began."""
        return self._queries.executions_of_artifacts([artifact.id for artifact in artifacts], as_inputs=False)

    def pipelines(self) -> list[str]:
        """Returns the names of all pipelines, sorted."""
        return self._queries.pipelines()

    def runs(self, pipeline_name: str) -> list[str]:
        """Returns the ids of all runs of a pipeline, newest first."""
        return self._queries.runs(pipeline_name)

    # Parts

    def _new_execution(self, node: NodeIdentity, properties: Mapping[str, Any], state: ExecutionState) -> pb.Execution:
        from ml_metadata.proto import metadata_store_pb2 as pb

        row = pb.Execution(
            type_id=self._types.execution_type(node.type_name, node.base_type),
            name=str(uuid.uuid4()),
            last_known_state=int(state),
        )
        _write_properties(row, properties)
        # The contexts say the same; these spare readers a query per execution.
        _write_properties(row, identity_properties(node))
        return row

    def _input_pairs(self, node: NodeIdentity, inputs: Mapping[str, Sequence[Artifact]]) -> Pairs:
        from ml_metadata.proto import metadata_store_pb2 as pb

        rows.check_published(node.node_id, inputs)
        return rows.event_pairs(inputs, pb.Event.INPUT, {})

    def _output_pairs(
        self, outputs: Mapping[str, Sequence[Artifact]], event_type: int
    ) -> tuple[Pairs, dict[int, Artifact]]:
        new = {id(artifact): artifact for artifact in rows.distinct(outputs) if not artifact.id}
        made = {key: rows.artifact_row(artifact, self._types.artifact_type(artifact)) for key, artifact in new.items()}
        pairs = rows.event_pairs(outputs, event_type, made)
        by_row = {id(row): new[key] for key, row in made.items()}
        return pairs, by_row

    def _put(self, row: pb.Execution, pairs: Pairs, contexts: list[pb.Context]) -> list[int]:
        row.id, artifact_ids = self._session.write(lambda store: _put_execution(store, row, pairs, contexts))
        return artifact_ids


def _put_execution(
    store: mlmd.MetadataStore, row: pb.Execution, pairs: Pairs, contexts: list[pb.Context]
) -> tuple[int, list[int]]:
    _check_known(store, {event.artifact_id for _, event in pairs if event.artifact_id})
    # One transaction: the execution, new artifacts, events, associations and attributions.
    execution_id, artifact_ids, _ = store.put_execution(
        row, pairs, contexts, reuse_context_if_already_exist=True, force_reuse_context=True
    )
    return execution_id, artifact_ids


def _check_known(store: mlmd.MetadataStore, artifact_ids: Collection[int]) -> None:
    # ML Metadata itself would link an execution to an artifact that does not exist.
    found = {row.id for row in store.get_artifacts_by_id(sorted(artifact_ids))} if artifact_ids else set()
    unknown = sorted(set(artifact_ids) - found)
    if unknown:
        raise MetadataError(f"the metadata store has no artifacts with ids {unknown}; are they from another store?")


def _adopt_ids(new: Mapping[int, Artifact], pairs: Pairs, artifact_ids: Sequence[int]) -> None:
    for (row, _), artifact_id in zip(pairs, artifact_ids, strict=False):
        artifact = new.get(id(row))
        if artifact is not None:
            artifact.id, artifact.state = artifact_id, ArtifactState.LIVE
            artifact.custom_properties = rows.published_properties(artifact)


def _write_properties(row: pb.Execution, properties: Mapping[str, Any]) -> None:
    for name, value in properties.items():
        write_value(row.custom_properties, name, value)


def _execution(store: mlmd.MetadataStore, execution_id: int) -> pb.Execution:
    found = store.get_executions_by_id([execution_id])
    if not found:
        raise MetadataError(
            f"the metadata store has no execution with execution_id={execution_id!r}; was it begun in another store?"
        )
    return found[0]


def _check_node(row: pb.Execution, node: NodeIdentity, contexts: Sequence[pb.Context]) -> None:
    expected = node_context_name(node.pipeline_name, node.node_id)
    if expected not in {context.name for context in contexts if context.type == NODE}:
        raise MetadataError(f"execution {row.id} was not begun by the node {expected!r}; pass the node that began it")


def _check_state(state: ExecutionState, allowed: Sequence[ExecutionState]) -> None:
    if state not in allowed:
        names = " or ".join(known.name for known in allowed)
        raise MetadataError(f"expected the state {names}, received state={state!r}")


def _check_open(row: pb.Execution) -> None:
    if row.last_known_state in _DONE:
        state = ExecutionState(row.last_known_state).name
        raise MetadataError(f"execution {row.id} is {state} already and cannot be changed; begin a new one")
