"""``tfx.orchestration.metadata.Metadata``: ML Metadata's own store, for code that asks it directly."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from mlops_tfx.errors import MetadataError
from mlops_tfx.metadata.connect import connection_proto
from mlops_tfx.protos.forms import is_message

if TYPE_CHECKING:
    from ml_metadata.metadata_store import metadata_store as mlmd


class Metadata:
    """Opens the metadata store in a ``with`` block: ``with Metadata(config) as handle: handle.store.get_artifacts()``.

    Args:
        connection_config: where the store lies: any ``ConnectionConfig`` that ML Metadata opens, or settings of ours.
    """

    def __init__(self, connection_config: Any) -> None:
        self._message = connection_config if is_message(connection_config) else connection_proto(connection_config)
        self._store: mlmd.MetadataStore | None = None
        self._depth = 0

    def __enter__(self) -> Metadata:
        if self._store is None:
            from ml_metadata.metadata_store import metadata_store as mlmd

            self._store = mlmd.MetadataStore(self._message)
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._depth -= 1
        if not self._depth:
            self._store = None

    @property
    def connection_config(self) -> Any:
        """Where the store lies: a copy of the message."""
        copied = type(self._message)()
        copied.CopyFrom(self._message)
        return copied

    @property
    def store(self) -> mlmd.MetadataStore:
        """The ``ml_metadata.MetadataStore``. Raises MetadataError outside of the ``with`` block."""
        if self._store is None:
            raise MetadataError("Metadata.store: the store is open only within 'with Metadata(config) as handle:'")
        return self._store

    def get_artifacts_by_uri(self, uri: str) -> list[Any]:
        """Returns the rows of the artifacts with a uri."""
        return list(self.store.get_artifacts_by_uri(uri))

    def get_artifacts_by_type(self, type_name: str) -> list[Any]:
        """Returns the rows of the artifacts of a type."""
        return list(self.store.get_artifacts_by_type(type_name))
