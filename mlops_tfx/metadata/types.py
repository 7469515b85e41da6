"""Artifact, execution and context types in the store: registered once per store, then remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from mlops_tfx.artifacts import Artifact, PropertyType
from mlops_tfx.errors import MetadataError

if TYPE_CHECKING:
    from ml_metadata.metadata_store import metadata_store as mlmd
    from ml_metadata.proto import metadata_store_pb2 as pb

    from mlops_tfx.metadata.session import Session

PIPELINE = "pipeline"
PIPELINE_RUN = "pipeline_run"
NODE = "node"
EXECUTION_CACHE = "execution_cache"
INTERACTIVE_RUN = "run"
"""What TFX's InteractiveContext has in place of PIPELINE_RUN, named ``<pipeline>.<run id>``; it has no NODE."""

Find = Callable[["mlmd.MetadataStore"], Any]


class TypeRegistry:
    """Knows the ids of types. A type that is stored with fewer properties is extended, never narrowed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._artifact_types: dict[str, int] = {}
        self._execution_types: dict[str, int] = {}
        self._context_types: dict[str, int] = {}
        self._artifact_names: dict[int, str] = {}
        self._execution_names: dict[int, str] = {}

    def artifact_type(self, artifact: Artifact) -> int:
        """Returns the id of the type of an artifact, registering it if need be."""
        name = artifact.TYPE_NAME
        if name not in self._artifact_types:
            wanted = _artifact_type_proto(artifact)
            self._artifact_types[name] = self._register(
                wanted,
                lambda store: store.get_artifact_type(name),
                lambda store: store.put_artifact_type(wanted, can_add_fields=True, can_omit_fields=True),
            )
        return self._artifact_types[name]

    def execution_type(self, name: str, base_type: str | None) -> int:
        """Returns the id of an execution type, registering it if need be."""
        if name not in self._execution_types:
            wanted = _execution_type_proto(name, base_type)
            self._execution_types[name] = self._register(
                wanted,
                lambda store: store.get_execution_type(name),
                lambda store: store.put_execution_type(wanted, can_add_fields=True, can_omit_fields=True),
            )
        return self._execution_types[name]

    def context_type(self, name: str) -> int:
        """Returns the id of a context type, registering it if need be."""
        if name not in self._context_types:
            from ml_metadata.proto import metadata_store_pb2 as pb

            wanted = pb.ContextType(name=name)
            self._context_types[name] = self._register(
                wanted,
                lambda store: store.get_context_type(name),
                lambda store: store.put_context_type(wanted, can_add_fields=True, can_omit_fields=True),
            )
        return self._context_types[name]

    def find_artifact_type(self, name: str) -> int | None:
        """Returns the id of an artifact type, or None when the store has none of that name."""
        found = self._session.read(lambda store: _or_none(lambda: store.get_artifact_type(name)))
        return int(found.id) if found is not None else None

    def artifact_type_names(self, type_ids: Iterable[int]) -> dict[int, str]:
        """Returns the names of artifact types by id, asking the store once for those not yet known."""
        missing = sorted({i for i in type_ids if i not in self._artifact_names})
        if missing:
            found = self._session.read(lambda store: store.get_artifact_types_by_id(missing))
            self._artifact_names.update({t.id: t.name for t in found})
        return self._artifact_names

    def execution_type_names(self, type_ids: Iterable[int]) -> dict[int, str]:
        """Returns the names of execution types by id, asking the store once for those not yet known."""
        missing = sorted({i for i in type_ids if i not in self._execution_names})
        if missing:
            found = self._session.read(lambda store: store.get_execution_types_by_id(missing))
            self._execution_names.update({t.id: t.name for t in found})
        return self._execution_names

    def _register(self, wanted: Any, find: Find, put: Find) -> int:
        found = self._session.read(lambda store: _or_none(lambda: find(store)))
        if found is not None and _covers(found, wanted):
            return int(found.id)
        if found is not None and _base_type(found):
            wanted.ClearField("base_type")
        return self._session.write(lambda store: _put(store, put, find, wanted))


def _put(store: mlmd.MetadataStore, put: Find, find: Find, wanted: Any) -> int:
    from ml_metadata import errors

    try:
        return int(put(store))
    except errors.AlreadyExistsError as error:
        raise MetadataError(
            f"the metadata store already has a type {wanted.name!r} that contradicts ours "
            f"(stored: {_show(find(store))}; wanted: {_show(wanted)}); give the type another name, or use another store"
        ) from error


def _or_none(find: Callable[[], Any]) -> Any:
    from ml_metadata import errors

    try:
        return find()
    except errors.NotFoundError:
        return None


def _covers(stored: Any, wanted: Any) -> bool:
    properties_fit = all(stored.properties.get(name) == kind for name, kind in wanted.properties.items())
    # A stored base type cannot be changed, and it is only a label: what is there stays.
    return properties_fit and bool(_base_type(stored) or not _base_type(wanted))


def _base_type(stored: Any) -> int:
    return int(stored.base_type) if hasattr(stored, "base_type") else 0


def _show(stored: Any) -> str:
    base = f", base type {_base_type(stored)}" if _base_type(stored) else ""
    return f"properties {dict(sorted(stored.properties.items()))}{base}"


def _artifact_type_proto(artifact: Artifact) -> pb.ArtifactType:
    from ml_metadata.proto import metadata_store_pb2 as pb

    kinds = {
        PropertyType.INT: pb.INT,
        PropertyType.FLOAT: pb.DOUBLE,
        PropertyType.STRING: pb.STRING,
        PropertyType.JSON_VALUE: pb.STRUCT,
        PropertyType.PROTO: pb.PROTO,
        PropertyType.BOOLEAN: pb.BOOLEAN,
    }
    proto = pb.ArtifactType(name=artifact.TYPE_NAME)
    for name, declared in artifact.PROPERTIES.items():
        proto.properties[name] = kinds[declared.type]
    if artifact.BASE_TYPE:
        proto.base_type = _base_type_value(pb.ArtifactType.SystemDefinedBaseType, artifact.BASE_TYPE, proto.name)
    return proto


def _execution_type_proto(name: str, base_type: str | None) -> pb.ExecutionType:
    from ml_metadata.proto import metadata_store_pb2 as pb

    proto = pb.ExecutionType(name=name)
    if base_type:
        proto.base_type = _base_type_value(pb.ExecutionType.SystemDefinedBaseType, base_type, name)
    return proto


def _base_type_value(kinds: Any, base_type: str, name: str) -> int:
    known = {kind: number for kind, number in kinds.items() if number}
    if base_type.upper() not in known:
        allowed = ", ".join(kind.capitalize() for kind in known)
        raise MetadataError(f"type {name!r}: expected a base type among {allowed}, received base_type={base_type!r}")
    return int(known[base_type.upper()])
