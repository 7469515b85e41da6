"""The contexts of a node, as TFX has them: pipeline, pipeline_run (a child of the pipeline), node, execution_cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tfx.metadata.types import EXECUTION_CACHE, NODE, PIPELINE, PIPELINE_RUN, TypeRegistry

if TYPE_CHECKING:
    from ml_metadata.metadata_store import metadata_store as mlmd
    from ml_metadata.proto import metadata_store_pb2 as pb

    from mlops_tfx.metadata.records import NodeIdentity
    from mlops_tfx.metadata.session import Session


def node_context_name(pipeline_name: str, node_id: str) -> str:
    """Returns the name of the context of a node."""
    return f"{pipeline_name}.{node_id}"


class Contexts:
    """Finds or makes contexts; remembers the ids of those that many executions share."""

    def __init__(self, session: Session, types: TypeRegistry) -> None:
        self._session = session
        self._types = types
        self._ids: dict[tuple[str, str], int] = {}

    def of_node(self, node: NodeIdentity, cache_key: str | None = None) -> list[pb.Context]:
        """Returns the contexts to associate an execution with. Missing ones are made, but for the cache context.

        The cache context has no id here: it is made with the execution, in the same transaction.
        """
        from ml_metadata.proto import metadata_store_pb2 as pb

        # A node of a pipeline within a pipeline belongs to the contexts of all of them, as in TFX.
        rows = list({row.id: row for place in (*node.within, node) for row in self._of_one(place)}.values())
        if cache_key:
            rows.append(pb.Context(type_id=self._types.context_type(EXECUTION_CACHE), name=cache_key))
        return rows

    def _of_one(self, node: NodeIdentity) -> list[pb.Context]:
        from ml_metadata.proto import metadata_store_pb2 as pb

        node_name = node_context_name(node.pipeline_name, node.node_id)
        pipeline = self._ensure(PIPELINE, node.pipeline_name)
        run = self._ensure(PIPELINE_RUN, node.run_id, parent=pipeline)
        own = self._ensure(NODE, node_name)
        return [
            pb.Context(id=pipeline, type_id=self._types.context_type(PIPELINE), name=node.pipeline_name),
            pb.Context(id=run, type_id=self._types.context_type(PIPELINE_RUN), name=node.run_id),
            pb.Context(id=own, type_id=self._types.context_type(NODE), name=node_name),
        ]

    def find(self, type_name: str, name: str) -> int | None:
        """Returns the id of a context, or None."""
        found = self._session.read(lambda store: store.get_context_by_type_and_name(type_name, name))
        return int(found.id) if found is not None else None

    def _ensure(self, type_name: str, name: str, parent: int | None = None) -> int:
        key = (type_name, name)
        if key not in self._ids:
            type_id = self._types.context_type(type_name)
            context_id = self.find(type_name, name)
            if context_id is None:
                context_id = self._session.write(lambda store: _put(store, type_name, type_id, name))
            if parent is not None:
                # Also for a run that is there: its maker may have been killed between the two steps.
                self._adopt(parent, context_id)
            self._ids[key] = context_id
        return self._ids[key]

    def _adopt(self, parent: int, child: int) -> None:
        parents = self._session.read(lambda store: store.get_parent_contexts_by_context(child))
        if parent not in {context.id for context in parents}:
            self._session.write(lambda store: _put_parent(store, parent, child))


def _put(store: mlmd.MetadataStore, type_name: str, type_id: int, name: str) -> int:
    from ml_metadata import errors
    from ml_metadata.proto import metadata_store_pb2 as pb

    try:
        return int(store.put_contexts([pb.Context(type_id=type_id, name=name)])[0])
    except errors.AlreadyExistsError:
        # Another process was faster.
        return int(store.get_context_by_type_and_name(type_name, name).id)


def _put_parent(store: mlmd.MetadataStore, parent: int, child: int) -> None:
    import contextlib

    from ml_metadata import errors
    from ml_metadata.proto import metadata_store_pb2 as pb

    with contextlib.suppress(errors.AlreadyExistsError):
        store.put_parent_contexts([pb.ParentContext(parent_id=parent, child_id=child)])
