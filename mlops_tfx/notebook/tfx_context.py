"""InteractiveContext for code written for TFX, which gives its connection to ML Metadata's own store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tfx.notebook import context

if TYPE_CHECKING:
    from ml_metadata.proto import metadata_store_pb2 as pb


class InteractiveContext(context.InteractiveContext):
    """`mlops_tfx.notebook.InteractiveContext`, with ML Metadata's message for its connection."""

    @property
    def metadata_connection_config(self) -> pb.ConnectionConfig:
        """Where the store lies, as ``MetadataStore`` of ``ml_metadata`` and ``Metadata`` of TFX take it."""
        from mlops_tfx.metadata.connect import connection_proto

        message = connection_proto(self._connection)
        message.ClearField("retry_options")  # one attempt is for our own connections, which retry themselves
        return message
